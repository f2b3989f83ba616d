// The data of the page: the documents as written by vmmap, and what drawing needs of them in flat arrays.

// One embedded document; null if the page has none.
async function readBlock(id) {
  const block = $(id);
  if (!block) return null;
  let text = block.textContent;
  if (block.dataset.form === "deflate") {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    text = await new Response(stream).text();
  }
  block.remove();
  return JSON.parse(text);
}

// What a page can be, in the order in which the shares are stacked: letter, name, meaning.
const STATES = [
  { key: "dirty", letter: "D", name: "dirty", means: "resident and must be kept: memory of the process's own" },
  { key: "huge", letter: "H", name: "huge", means: "resident, part of a huge page" },
  { key: "file", letter: "F", name: "file", means: "resident page of a file or of shared memory, not known to be dirty" },
  { key: "cow", letter: "C", name: "shared", means: "resident and mapped elsewhere too, such as after fork, or the page of zeros" },
  { key: "zero", letter: "Z", name: "zero", means: "the shared page of zeros: read but never written" },
  { key: "swap", letter: "S", name: "swapped", means: "in swap" },
  { key: "guard", letter: "G", name: "guard", means: "a guard: any access is a fault" },
  { key: "absent", letter: "\u00b7", name: "absent", means: "no page: the next access brings it" },
  { key: "unknown", letter: "?", name: "not looked at", means: "beyond the limit of pages, or unreadable" },
];
const STATE = Object.fromEntries(STATES.map((state, index) => [state.key, index]));

// The letters of pagewalk.pages/1, a bit each.
const BIT = { p: 1, f: 2, x: 4, d: 8, z: 16, h: 32, s: 64, g: 128 };

function stateOf(bits) {
  if (bits & BIT.g) return STATE.guard;
  if (bits & BIT.s) return STATE.swap;
  if (!(bits & BIT.p)) return STATE.absent;
  if (bits & BIT.z) return STATE.zero;
  if (bits & BIT.h) return STATE.huge;
  if (bits & BIT.d) return STATE.dirty;
  return bits & BIT.f ? STATE.file : STATE.cow;
}

// All that is known of a page, in words.
function pageWords(bits) {
  if (bits < 0) return "not looked at";
  if (bits & BIT.g) return "guard";
  if (bits & BIT.s) return "swapped";
  if (!(bits & BIT.p)) return "absent";
  if (bits & BIT.z) return "the shared page of zeros";
  const words = ["resident"];
  if (bits & BIT.h) words.push("huge");
  if (bits & BIT.d) words.push("dirty");
  words.push(bits & BIT.f ? "file or shared memory" : "anonymous");
  if (bits & BIT.x) words.push("mapped here only");
  return words.join(", ");
}

// What regions are for. The first rule that matches the type's name decides; a type that is new here is "other".
const FAMILIES = [
  { key: "reserved", code: "\u2013\u2013", name: "reserved, guard", test: /reserved|guard|elf gap/i },
  { key: "code", code: "Tx", name: "code", test: /^text\b|plt/i },
  { key: "jit", code: "Ji", name: "JIT", test: /jit/i },
  { key: "constant", code: "Ro", name: "constants", test: /rodata|relro|elf headers|eh_frame/i },
  { key: "data", code: "Da", name: "data, bss", test: /^data|bss/i },
  { key: "heap", code: "He", name: "heap", test: /malloc|heap|arena|jemalloc|tcmalloc|\bgo\b|jvm|v8|python/i },
  { key: "stack", code: "St", name: "stack", test: /stack/i },
  { key: "shared", code: "Sh", name: "shared memory", test: /shared|memfd|sysv|tmpfs/i },
  { key: "file", code: "Fi", name: "mapped file", test: /file/i },
  { key: "kernel", code: "Ke", name: "kernel, device", test: /vdso|vvar|vsyscall|kernel|device|uprobe/i },
  { key: "anonymous", code: "An", name: "anonymous", test: /vm_allocate|anon/i },
  { key: "other", code: "Ot", name: "other", test: /./ },
];
const familyOf = (type) => FAMILIES.findIndex((family) => family.test.test(type)) % FAMILIES.length;

// Runs of all regions in flat arrays; a region's are [first[i], first[i + 1]).
class Runs {
  constructor() {
    this.length = 0;
    this.end = new Float64Array(4096);
    this.bits = new Int16Array(4096);
  }

  // A run whose last page is before page `end` of its region; bits of -1: not looked at.
  push(end, bits) {
    if (this.length === this.end.length) {
      const grown = [new Float64Array(this.length * 2), new Int16Array(this.length * 2)];
      grown[0].set(this.end);
      grown[1].set(this.bits);
      [this.end, this.bits] = grown;
    }
    this.end[this.length] = end;
    this.bits[this.length] = bits;
    this.length += 1;
  }

  // "12pd3-": returns the number of pages.
  parse(text) {
    let [pages, number, bits, isInLetters] = [0, 0, 0, false];
    for (let at = 0; at <= text.length; at += 1) {
      const code = at < text.length ? text.charCodeAt(at) : 48;
      const isDigit = code >= 48 && code <= 57;
      if (isDigit && isInLetters) {
        pages += number;
        this.push(pages, bits);
        [number, bits, isInLetters] = [0, 0, false];
      }
      if (isDigit) number = number * 10 + (code - 48);
      else {
        isInLetters = true;
        bits |= BIT[text[at]] || 0;
      }
    }
    return pages;
  }
}

class Model {
  constructor(doc, pages, diff) {
    this.doc = doc;
    this.pages = pages;
    this.diff = diff;
    this.process = doc.process || {};
    this.isRead = Array.isArray(doc.regions);
    this.regions = this.isRead ? doc.regions : [];
    this.length = this.regions.length;
    this.pageBytes = (pages && pages.page_bytes) || this.process.page_size || GRAIN;
    this.pageGrains = this.pageBytes / GRAIN;
    this.place();
    this.readRuns();
  }

  place() {
    this.start = new Float64Array(this.length);
    this.grains = new Float64Array(this.length);
    this.family = new Uint8Array(this.length);
    const known = new Map();
    this.regions.forEach((region, index) => {
      this.start[index] = grainOf(region.start);
      this.grains[index] = Math.max(region.size / GRAIN, 1 / GRAIN);
      if (!known.has(region.type)) known.set(region.type, familyOf(region.type));
      this.family[index] = known.get(region.type);
    });
  }

  readRuns() {
    const byStart = new Map((this.pages ? this.pages.regions : []).map((region) => [region.start, region.runs]));
    this.runs = new Runs();
    this.first = new Uint32Array(this.length + 1);
    this.shares = new Float64Array(this.length * STATES.length);
    this.regions.forEach((region, index) => {
      this.first[index] = this.runs.length;
      const total = this.pagesIn(index);
      const seen = this.runs.parse(byStart.get(region.start) || "");
      if (seen < total) this.runs.push(total, -1);
      this.first[index + 1] = this.runs.length;
      let before = 0;
      for (let run = this.first[index]; run < this.runs.length; run += 1) {
        const state = this.stateOfRun(run);
        this.shares[index * STATES.length + state] += this.runs.end[run] - before;
        before = this.runs.end[run];
      }
    });
  }

  pagesIn(index) {
    return Math.max(1, Math.round(this.regions[index].size / this.pageBytes));
  }

  stateOfRun(run) {
    const bits = this.runs.bits[run];
    return bits < 0 ? STATE.unknown : stateOf(bits);
  }

  // The run that holds a page of a region.
  runAt(index, page) {
    let [low, high] = [this.first[index], this.first[index + 1] - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.runs.end[middle] > page) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  // Pages of each state in [from, to) of a region, added into `into`.
  tally(index, from, to, into) {
    let page = from;
    for (let run = this.runAt(index, from); page < to && run < this.first[index + 1]; run += 1) {
      const end = Math.min(this.runs.end[run], to);
      into[this.stateOfRun(run)] += end - page;
      page = end;
    }
    return into;
  }

  sharesOf(index) {
    return this.shares.subarray(index * STATES.length, (index + 1) * STATES.length);
  }

  // A region in a few words.
  label(index) {
    const region = this.regions[index];
    const detail = region.detail ? region.detail.split("/").pop() : "";
    return detail ? `${region.type} ${detail}` : region.type;
  }

  where(index) {
    return `${hexOf(this.start[index])}\u2013${hexOf(this.start[index] + this.grains[index])}`;
  }
}
