// The parts around the map: header, the selected region, the tables, the sums by type, malloc zones, the diff.

const STATES_OF_PROCESS = { R: "running", S: "sleeping", D: "in disk wait", T: "stopped", t: "traced", Z: "zombie", I: "idle" };

function moment(milliseconds) {
  if (!isKnown(milliseconds)) return "?";
  return new Date(milliseconds).toISOString().replace("T", " ").replace(/\.\d+Z$/, " UTC");
}

function fillHeader(model) {
  const { process } = model;
  document.title = `${process.name ?? "?"} [${process.pid ?? "?"}] \u2013 vmmap`;
  $("name").replaceChildren(process.name ?? "?", el("span", { class: "pid" }, ` ${process.pid ?? "?"}`));
  $("path").textContent = process.path ?? "";
  const parent = isKnown(process.parent_pid) ? `${process.parent_name ?? "?"} [${process.parent_pid}]` : "?";
  const facts = [
    ["Taken", moment(process.taken_ms)],
    ["Launched", moment(process.launched_ms)],
    ["Parent", parent],
    ["Threads", `${count(process.threads)}${process.state ? ", " + (STATES_OF_PROCESS[process.state] || process.state) : ""}`],
    ["Code", process.code_type ?? "?"],
    ["Page", size(process.page_size)],
    ["Seen through", process.root ?? "?"],
    ["System", process.os_version ?? "?"],
  ];
  $("facts").replaceChildren(...facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
  fillTiles(model);
  fillNotices(model);
}

function tile(name, value, note, extra) {
  return el("div", { class: "tile" }, el("span", { class: "tile-name" }, name), el("b", {}, value), el("span", { class: "hint" }, note), extra);
}

// The footprint between what is certain and the bound of the peak, as a bar.
function bracket(footprint) {
  const { full, peak_at_least: low, peak_at_most: high } = footprint;
  if (!isKnown(high) || high <= 0) return null;
  const share = (value) => `${clamp(((value ?? 0) / high) * 100, 0, 100)}%`;
  const label = `now ${size(full)}, peak at least ${size(low)}, at most ${size(high)}`;
  return el("span", { class: "bracket", role: "img", "aria-label": label },
    el("i", { class: "maybe", style: { left: share(low), right: "0" } }), el("i", { class: "now", style: { width: share(full) } }));
}

function fillTiles(model) {
  const footprint = model.doc.footprint || {};
  const total = model.doc.total || {};
  const now = footprint.full ?? footprint.from_status;
  const isCoarse = !isKnown(footprint.full) && isKnown(now);
  const additive = isKnown(footprint.additive) && footprint.additive_is_estimated ? "~" : "";
  $("tiles").replaceChildren(
    tile("Footprint", size(now), isCoarse ? "from status: approximate" : "must be kept"),
    tile("Its share", additive + size(footprint.additive), "adds up over processes"),
    tile("Peak", isKnown(footprint.peak_at_most) ? "\u2264 " + size(footprint.peak_at_most) : "?", `at least ${size(footprint.peak_at_least)}`, bracket(footprint)),
    tile("Resident", size(total.resident), `of ${size(total.size)} virtual`),
    tile("Dirty", size(total.dirty), `${size(total.swap)} swapped`),
    tile("Regions", model.isRead ? count(model.length) : "?", `page tables ${size(footprint.page_tables)}`),
  );
}

function fillNotices(model) {
  const notices = (model.doc.not_read || []).map((gap) => `Not read: ${gap.what}: ${gap.why}`);
  if (model.doc.changed_while_reading) notices.push("The address space changed while it was read: figures may be of different moments.");
  if (!model.isRead) notices.push("The regions could not be read; only totals are shown.");
  const { pages } = model;
  if (model.isRead && !pages) notices.push("The pages were not read: their states are not known.");
  if (pages && pages.not_read) notices.push(`Not all pages were read: ${pages.not_read}`);
  if (pages && pages.beyond_limit > 0) {
    notices.push(`At most ${count(pages.limit)} pages are looked at; ${count(pages.beyond_limit)} beyond that are shown as \u201cnot looked at\u201d.`);
  }
  $("notices").replaceChildren(...notices.map((text) => el("p", { class: "notice" }, text)));
}

function fillLegends(model) {
  const used = new Set(model.family);
  $("family-legend").replaceChildren(
    ...FAMILIES.map((family, index) => (used.has(index) ? el("span", { class: "key" }, familyChip(family), family.name) : null)).filter(Boolean),
  );
  const seen = STATES.map(() => 0);
  model.shares.forEach((pages, at) => (seen[at % STATES.length] += pages));
  $("state-legend").replaceChildren(
    ...STATES.map((state, index) => (seen[index] ? stateKey(index, state.name) : null)).filter(Boolean),
  );
}

// A thin bar of the states of a region's pages.
function stateBar(model, row) {
  const shares = model.sharesOf(row);
  const pages = model.pagesIn(row);
  const stops = [];
  let at = 0;
  STATES.forEach((state, index) => {
    if (!shares[index]) return;
    const end = at + (shares[index] / pages) * 100;
    stops.push(`var(--s-${state.key}) ${at.toFixed(2)}% ${end.toFixed(2)}%`);
    at = end;
  });
  const words = STATES.map((state, index) => (shares[index] ? `${state.name} ${count(shares[index])}` : null)).filter(Boolean).join(", ");
  return el("span", { class: "bar", role: "img", "aria-label": words, title: words, style: { background: stops.length ? `linear-gradient(90deg, ${stops.join(", ")})` : "" } });
}

const familyChip = (family) => el("span", { class: "chip f-" + family.key, "aria-hidden": "true" }, family.code);
const chip = (model, row) => familyChip(FAMILIES[model.family[row]]);

function regionTable(model, onselect) {
  const field = (key) => (row) => model.regions[row][key];
  const bytes = (key, name, title) => ({
    key, name, title,
    value: field(key),
    cell: (row) => {
      const value = model.regions[row][key];
      return el("span", { title: exact(value), class: value === 0 ? "nil" : null, "data-name": name }, size(value));
    },
  });
  const columns = [
    {
      key: "type", name: "Type", isText: true, value: field("type"),
      cell: (row) => el("span", { class: "typed" }, chip(model, row), el("span", {}, model.regions[row].type + (model.regions[row].is_guess ? " ?" : ""))),
    },
    { key: "address", name: "Address", value: (row) => model.start[row], cell: (row) => model.where(row) },
    bytes("size", "Size", "Length"),
    bytes("resident", "Resident", "In RAM, hugetlb included"),
    bytes("dirty", "Dirty", "Must be kept"),
    bytes("swap", "Swap", "In swap"),
    { key: "pages", name: "Pages", title: "Share of pages that are resident or swapped", value: (row) => { const s = model.sharesOf(row); return 1 - (s[STATE.absent] + s[STATE.unknown]) / model.pagesIn(row); }, cell: (row) => stateBar(model, row) },
    { key: "protection", name: "Prot", title: "Protection now / at most", isText: true, value: field("protection"), cell: (row) => `${model.regions[row].protection}/${model.regions[row].max_protection ?? "?"}` },
    { key: "share", name: "Share", title: "Share mode", isText: true, value: field("share_mode"), cell: (row) => model.regions[row].share_mode ?? "?" },
    { key: "detail", name: "Detail", isText: true, value: field("detail"), cell: (row) => {
      const { detail } = model.regions[row];
      return detail ? el("bdi", { title: detail }, detail) : el("bdi", { class: "mono narrow" }, model.where(row));
    } },
  ];
  return new VirtualTable($("region-table"), { label: "Regions", columns, onselect });
}

// The filters above the table; `apply` gets the rows that pass.
function fillFilters(model, apply) {
  const options = (node, name, values) => {
    const sorted = [...new Set(values)].sort();
    node.replaceChildren(el("option", { value: "" }, name), ...sorted.map((value) => el("option", { value }, value)));
  };
  options($("filter-type"), "All types", model.regions.map((region) => region.type));
  options($("filter-protection"), "Any prot", model.regions.map((region) => region.protection));
  options($("filter-share"), "Any share", model.regions.map((region) => region.share_mode ?? "?"));
  const haystack = model.regions.map((region, row) => `${region.type}\n${region.detail ?? ""}\n${model.where(row)}`.toLowerCase());
  const run = () => {
    const words = $("filter-text").value.toLowerCase().replace(/\b0x/g, "").split(/\s+/).filter(Boolean);
    const [type, protection, share] = ["type", "protection", "share"].map((name) => $("filter-" + name).value);
    const rows = [];
    model.regions.forEach((region, row) => {
      const isOut = (type && region.type !== type) || (protection && region.protection !== protection) || (share && (region.share_mode ?? "?") !== share);
      if (!isOut && words.every((word) => haystack[row].includes(word))) rows.push(row);
    });
    apply(rows);
    const sum = rows.reduce((total, row) => total + model.regions[row].size, 0);
    $("regions-count").textContent = rows.length === model.length ? `${count(rows.length)}, ${size(sum)}` : `${count(rows.length)} of ${count(model.length)}, ${size(sum)}`;
  };
  let timer = 0;
  $("filter-text").addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(run, model.length > 5000 ? 120 : 0);
  });
  for (const name of ["type", "protection", "share"]) $("filter-" + name).addEventListener("change", run);
  run();
  return run;
}

const SHOWN_APART = new Set(["type", "is_guess", "start", "end", "protection", "max_protection", "detail", "shared", "vm_flags",
  // Names that the detail says better, and what only sums over all regions have.
  "note", "object", "object_hex", "pss_anon", "pss_file", "pss_shmem", "sections", "thread"]);
// Numbers with such names are no sizes.
const NOT_BYTES = /count|mappings|chunks|threads|allocations|regions|pages$|percent|fragmentation|inode|key|tid|pid|_id$|lines/;
const FIELD_NAMES = { pss: "PSS", uss: "USS", share_mode: "Share mode", page_size: "Page size", size: "Size" };

function fieldValue(key, value) {
  if (!isKnown(value)) return "?";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") {
    if (key === "address") return "0x" + value.toString(16);
    if (/percent|fragmentation/.test(key)) return `${Math.round(value)}%`;
    return NOT_BYTES.test(key) ? count(value) : el("span", { title: exact(value) }, size(value));
  }
  if (Array.isArray(value)) return value.map((each) => (typeof each === "object" ? JSON.stringify(each) : each)).join(" ") || "none";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

const fieldName = (key) => FIELD_NAMES[key] || (key.charAt(0).toUpperCase() + key.slice(1)).replaceAll("_", " ");

function fillDetail(model, index) {
  const region = model.regions[index];
  $("detail-title").replaceChildren(chip(model, index), " " + region.type + (region.is_guess ? " ?" : ""));
  $("detail-where").textContent = model.where(index);
  const rows = [["Protection", `${region.protection}, at most ${region.max_protection ?? "?"}`], ["Mapped", region.shared ? "shared" : "private"]];
  for (const [key, value] of Object.entries(region)) if (!SHOWN_APART.has(key)) rows.push([fieldName(key), fieldValue(key, value)]);
  const wide = [];
  if (region.detail) wide.push(["Detail", region.detail]);
  if (region.vm_flags) wide.push(["VM flags", region.vm_flags.join(" ") || "?"]);
  const pair = (name) => ([key, value]) => el("div", { class: name }, el("dt", {}, key), el("dd", {}, value));
  $("detail-list").replaceChildren(...wide.slice(0, 1).map(pair("wide")), ...rows.map(pair(null)), ...wide.slice(1).map(pair("wide mono")));
}

const SUMS = ["size", "resident", "dirty", "swap"];

// Bars inside each other, so that the eye compares virtual, resident and dirty of a type and across types.
function typeBar(row, longest) {
  const part = (value) => `${clamp(((value ?? 0) / longest) * 100, 0, 100)}%`;
  const label = `virtual ${size(row.size)}, resident ${size(row.resident)}, dirty ${size(row.dirty)}, swap ${size(row.swap)}`;
  return el("div", { class: "bars" + (row.size > longest ? " cut" : ""), role: "img", "aria-label": label, title: label },
    el("i", { class: "b-size", style: { width: part(row.size) } }),
    el("i", { class: "b-resident", style: { width: part(row.resident) } }),
    el("i", { class: "b-dirty", style: { width: part(row.dirty) } }),
    el("i", { class: "b-swap", style: { left: part(row.resident), width: part(row.swap) } }));
}

function fillTypes(model, ontype) {
  const types = [...(model.doc.types || [])].sort((a, b) => a.is_reserved - b.is_reserved || b.size - a.size);
  const longest = Math.max(1, ...types.filter((row) => !row.is_reserved).map((row) => Math.max(row.size, row.resident ?? 0)));
  const names = ["Virtual", "Resident", "Dirty", "Swap"];
  const figure = (value) => el("td", { class: value === 0 ? "nil" : null, title: exact(value) }, size(value));
  const line = (row, name) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, count(row.regions)), ...SUMS.map((key) => figure(row[key])),
    el("td", { class: "bar-cell" }, name === "Total" ? null : typeBar(row, longest)));
  const linked = (row) => {
    const button = el("button", { type: "button", class: "link", title: "Show only these regions" }, row.type);
    button.addEventListener("click", () => ontype(row.type));
    return el("span", { class: "typed" }, familyChip(FAMILIES[familyOf(row.type)]), button);
  };
  const head = el("tr", {}, ...["Type", "Regions", ...names, ""].map((name) => el("th", { scope: "col" }, name)));
  const rows = types.map((row) => line(row, linked(row)));
  if (model.doc.total) rows.push(line(model.doc.total, "Total"));
  rows.at(-1)?.classList.toggle("total", Boolean(model.doc.total));
  $("types").replaceChildren(el("table", { class: "plain types" }, el("thead", {}, head), el("tbody", {}, ...rows)));
  const keys = names.map((name, index) => el("span", { class: "key" }, el("i", { class: "swatch b-" + SUMS[index], "aria-hidden": "true" }), name.toLowerCase()));
  $("types-legend").replaceChildren(...keys);
  $("types-card").hidden = types.length === 0;
}

const percent = (value) => (isKnown(value) ? `${Math.round(value)}%` : "?");

// How the walk of a zone went, in words.
function readingWords(reading) {
  if (!isKnown(reading)) return "?";
  if (reading.Partial) return `in part: ${reading.Partial.why}`;
  if (reading.Torn) return `torn, after ${reading.Torn.retries} retries: ${reading.Torn.why}`;
  return { Whole: "whole", Unused: "never used", Capped: "large, not walked" }[reading] ?? fieldValue("reading", reading);
}

// Two counters of a zone together; unknown if either is.
const both = (counts, one, other) => (isKnown(counts?.[one]) && isKnown(counts?.[other]) ? counts[one] + counts[other] : null);

// Columns of the zones: caption, what it means, its value, how that is written, and the field that it needs.
const ZONE_COLUMNS = [
  ["Virtual", "Address space, without what is only reserved", (zone) => zone.virtual, size, "virtual"],
  ["Resident", "In RAM", (zone) => zone.resident, size, "resident"],
  ["Dirty", "Must be kept", (zone) => zone.dirty, size, "dirty"],
  ["Swapped", "In swap", (zone) => zone.swap, size, "swap"],
  ["Chunks", "Allocations that the program holds", (zone) => zone.allocation_count, count, "allocation_count"],
  ["Allocated", "Bytes that the program holds, with their headers", (zone) => zone.bytes_allocated, size, "bytes_allocated"],
  ["In use (glibc)", "What mallinfo2 and malloc_stats call in use: with the threads' caches", (zone) => zone.bytes_in_use_by_glibc, size, "bytes_in_use_by_glibc"],
  ["Frag", "Dirty or swapped, and not allocated", (zone) => zone.slack, size, "slack"],
  ["% frag", "Share of what is dirty or swapped that is not allocated", (zone) => zone.fragmentation_percent, percent, "fragmentation_percent"],
  ["Free chunks", "In bins", (zone) => zone.counts?.free_chunks, count, "counts"],
  ["Free", "Bytes in bins", (zone) => zone.counts?.free_bytes, size, "counts"],
  ["Cached chunks", "In fastbins and the threads' caches", (zone) => both(zone.counts, "fastbin_chunks", "tcache_chunks"), count, "counts"],
  ["Cached", "Bytes in fastbins and the threads' caches", (zone) => both(zone.counts, "fastbin_bytes", "tcache_bytes"), size, "counts"],
  ["Top", "Never handed out, at the end", (zone) => zone.top, size, "top"],
  ["Trim returns", "What malloc_trim gives back at most", (zone) => zone.trimmable, size, "trimmable"],
  ["Threads", "Threads that allocate from it", (zone) => zone.attached_threads, count, "attached_threads"],
];

function fillZones(model) {
  const zones = Array.isArray(model.doc.malloc_zones) ? model.doc.malloc_zones : [];
  $("zones-card").hidden = zones.length === 0;
  const has = (field) => zones.some((zone) => field in zone);
  const columns = ZONE_COLUMNS.filter(([, , , , field]) => has(field));
  const cell = (zone) => ([, , valueOf, write]) => {
    const value = valueOf(zone);
    return el("td", { class: value === 0 ? "nil" : null, title: write === size ? exact(value) : null }, write(value));
  };
  const captions = columns.map(([name, title]) => el("th", { scope: "col", title }, name));
  const head = el("tr", {}, el("th", { scope: "col" }, "Zone"), ...captions, has("reading") ? el("th", { scope: "col", class: "words" }, "Read") : null);
  const rows = zones.map((zone) => el("tr", {}, el("th", { scope: "row", title: zone.address ?? null }, zone.name ?? "?"), ...columns.map(cell(zone)),
    has("reading") ? el("td", { class: "words" }, readingWords(zone.reading)) : null));
  $("zones").replaceChildren(el("table", { class: "plain" }, el("thead", {}, head), el("tbody", {}, ...rows)));
}

const CHANGES = { new: ["+", "new"], gone: ["\u2212", "gone"], changed: ["\u0394", "changed"] };

function fillDiff(model, onselect) {
  const { diff } = model;
  if (!diff) return null;
  $("diff-card").hidden = false;
  const changes = diff.changes || [];
  const sum = (key) => changes.reduce((total, change) => (isKnown(total) && isKnown(change.delta?.[key]) ? total + change.delta[key] : null), 0);
  const number = (kind) => changes.filter((change) => change.change === kind).length;
  $("diff-hint").textContent = `${diff.before ?? "?"} \u2192 ${diff.after ?? "?"}: ${number("new")} new, ${number("gone")} gone, ${number("changed")} changed`;
  const sums = [["Virtual", sum("size")], ["Resident", sum("resident")], ["Dirty", sum("dirty")], ["Swap", sum("swap")]];
  if (diff.footprint) sums.unshift(["Footprint", diff.footprint.delta]);
  $("diff-sums").replaceChildren(...sums.map(([name, value]) =>
    el("div", { class: "tile" }, el("span", { class: "tile-name" }, name), el("b", { class: direction(value) }, signed(value)))));
  const figure = (key, name) => ({
    key: "d-" + key, name,
    value: (row) => changes[row].delta?.[key],
    cell: (row) => {
      const { before, after, delta } = changes[row];
      const title = `${size(before ? before[key] : 0)} \u2192 ${size(after ? after[key] : 0)}`;
      return el("span", { class: direction(delta?.[key]), title, "data-name": name }, signed(delta?.[key]));
    },
  });
  const columns = [
    { key: "change", name: "Change", isText: true, value: (row) => changes[row].change, cell: (row) => {
      const [sign, word] = CHANGES[changes[row].change] || ["?", changes[row].change];
      return el("span", { class: "change " + word }, `${sign} ${word}`);
    } },
    { key: "type", name: "Type", isText: true, value: (row) => changes[row].type, cell: (row) => changes[row].type },
    figure("size", "Size"), figure("resident", "Resident"), figure("dirty", "Dirty"), figure("swap", "Swap"),
    { key: "detail", name: "Detail", isText: true, value: (row) => changes[row].detail || "", cell: (row) => el("bdi", { title: changes[row].identity || null }, changes[row].detail || changes[row].identity || "") },
  ];
  const table = new VirtualTable($("diff-table"), { label: "Changes", columns, onselect: (row) => {
    table.select(row);
    const start = changes[row].after?.start;
    const index = start ? model.start.indexOf(grainOf(start)) : -1;
    if (index >= 0) onselect(index);
  } });
  const weight = (change) => Math.max(...["resident", "size", "dirty", "swap"].map((key) => Math.abs(change.delta?.[key] ?? 0)));
  table.setRows(changes.map((_, row) => row).sort((a, b) => weight(changes[b]) - weight(changes[a])));
  return table;
}

const direction = (value) => (!value ? "nil" : value > 0 ? "up" : "down");
