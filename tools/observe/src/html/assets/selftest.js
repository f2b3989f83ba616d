// The page tests itself when its address ends in #selftest, and writes the verdict into the page: one line a failure.

function contrast(one, other) {
  const light = (colour) => {
    const channels = /^#(..)(..)(..)$/.exec(colour).slice(1).map((hex) => parseInt(hex, 16) / 255);
    const [red, green, blue] = channels.map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
  return (bright + 0.05) / (dark + 0.05);
}

function coloursIn(canvas) {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const seen = new Set();
  for (let at = 0; at < data.length; at += 4) if (data[at + 3]) seen.add((data[at] << 16) | (data[at + 1] << 8) | data[at + 2]);
  return seen.size;
}

const TESTS = {
  data(page, is) {
    const { model, table } = page;
    is(table.rows.length === model.length, "a row for each region");
    is(Number(table.root.getAttribute("aria-rowcount")) === model.length + 1, "the row count is announced");
    const sum = model.regions.reduce((total, region) => total + region.size, 0);
    if (model.doc.total) is(sum === model.doc.total.size, `sizes add up to ${model.doc.total.size}, not ${sum}`);
    const perType = (model.doc.types || []).reduce((total, row) => total + row.size, 0);
    if (model.doc.types) is(perType === sum, "types add up to the regions");
    model.regions.forEach((region, index) => {
      const pages = model.sharesOf(index).reduce((total, each) => total + each, 0);
      if (pages !== model.pagesIn(index)) is(false, `region ${index} has ${pages} pages, not ${model.pagesIn(index)}`);
      if (hexOf(model.start[index]) !== region.start.slice(2).padStart(3, "0")) is(false, `address ${region.start} is kept exactly`);
    });
    is(document.scripts.length === 1, "no script but the page's own");
    is(performance.getEntriesByType("resource").length === 0, "nothing was loaded");
  },

  unknown(page, is) {
    is(size(null) === "?" && signed(undefined) === "?" && count(null) === "?", "unknown is ?");
    is(size(0) === "0" && size(1536) === "1.5 K" && size(2 ** 40) === "1 T" && size(1023 * 1024 * 1024) === "1.0 G", "sizes read well");
    const index = page.model.regions.findIndex((region) => region.resident === null);
    if (index < 0) return;
    const cell = page.table.columns.find((column) => column.key === "resident").cell(index);
    is(cell.textContent === "?", "an unknown figure in the table is ?");
  },

  zones({ model }, is) {
    const zones = model.doc.malloc_zones || [];
    const rows = [...document.querySelectorAll("#zones tbody tr")];
    is(rows.length === zones.length, `a row for each zone, not ${rows.length}`);
    const names = [...document.querySelectorAll("#zones thead th")].map((cell) => cell.textContent);
    rows.forEach((row, at) => {
      const of = (name) => row.cells[names.indexOf(name)]?.textContent;
      for (const each of row.cells) is(!/[{}]|\[object/.test(each.textContent) && each.textContent !== "", `zone ${at} shows ${each.textContent}`);
      const { allocation_count: chunks, bytes_allocated: held, fragmentation_percent: frag } = zones[at];
      if (names.includes("Chunks")) is(of("Chunks") === count(chunks), "a count has no unit");
      if (names.includes("Allocated")) is(of("Allocated") === size(held), "bytes are a size");
      if (names.includes("% frag")) is(of("% frag") === (isKnown(frag) ? `${Math.round(frag)}%` : "?"), "a share is in percent");
    });
    const said = [readingWords({ Partial: { why: "x" } }), readingWords({ Torn: { retries: 3, why: "y" } }), readingWords("Whole"), readingWords(null)];
    is(said.join("|") === "in part: x|torn, after 3 retries: y|whole|?", `readings in words: ${said.join("|")}`);
  },

  sort({ table, model }, is) {
    for (const column of table.columns) {
      for (const direction of [1, -1]) {
        table.sort(column.key, direction);
        const values = table.rows.map((row) => column.value(row)).filter(isKnown);
        const isSorted = values.every((value, at) => at === 0 || (direction > 0 ? values[at - 1] <= value : values[at - 1] >= value));
        is(isSorted && table.rows.length === model.length, `sorted by ${column.key}, ${direction}`);
      }
    }
    const first = table.made.get(0);
    if (first) is(Number(first.dataset.row) === table.rows[0], "the first row is the first of the order");
    table.sort("address", 1);
  },

  filter(page, is) {
    const { model, table } = page;
    if (!model.length) return;
    const { type, protection } = model.regions[0];
    const set = (name, value) => {
      $("filter-" + name).value = value;
      page.runFilter();
    };
    set("type", type);
    is(table.rows.length === model.regions.filter((region) => region.type === type).length, "filter by type");
    set("protection", protection);
    is(table.rows.every((row) => model.regions[row].protection === protection), "filter by protection");
    set("type", "");
    set("protection", "");
    set("text", model.regions[0].start);
    is(table.rows.includes(0), "filter by address");
    set("text", "no region has this name");
    is(table.rows.length === 0 && !table.empty.hidden, "nothing matches, and it is said");
    set("text", "");
    is(table.rows.length === model.length, "without filters all are there");
  },

  zoom({ space, model }, is) {
    if (!model.length) return;
    for (const isLinear of [false, true]) {
      space.setLinear(isLinear);
      space.fit();
      const width = space.layout.width(space.scale);
      is(Math.abs(width - space.width) < 1, `all fits: ${width} of ${space.width}`);
      const before = space.scale;
      const place = space.layout.locate(space.width * 0.3, space.scale);
      is(Math.abs(space.layout.xOf(place, space.scale) - space.width * 0.3) < 0.01, "a place is where it was found");
      space.zoom(3, space.width * 0.3);
      is(space.scale > before, "zoom in");
      const after = space.layout.locate(space.width * 0.3 + space.offset, space.scale);
      is(after.index === place.index, "zoom keeps what is under the pointer");
      space.pan(40);
      space.pan(-1e9);
      is(space.offset === 0, "pan ends at the left end");
      space.pan(1e12);
      is(Math.abs(space.offset + space.width - space.layout.width(space.scale)) < 1, "pan ends at the right end");
      space.zoomTo(model.length - 1);
      const middle = space.layout.x(model.length - 1, 0.5, space.scale) - space.offset;
      is(middle >= 0 && middle <= space.width && space.hit(middle).region === model.length - 1, "zoom to a region");
    }
    space.fit();
    is(space.offset === 0 && space.isFit(), "all again");
  },

  select(page, is) {
    const { space, table, model } = page;
    if (!model.length) return;
    const index = model.length >> 1;
    space.zoomTo(index);
    const box = space.surface.canvas.getBoundingClientRect();
    const middle = (space.layout.x(index, 0, space.scale) + space.layout.x(index, 1, space.scale)) / 2 - space.offset;
    const press = (type) => space.surface.canvas.dispatchEvent(new PointerEvent(type, { clientX: box.left + middle, clientY: box.top + 20, pointerId: 1, bubbles: true }));
    space.surface.canvas.setPointerCapture = () => {};
    press("pointerdown");
    press("pointerup");
    is(page.selected === index && table.selected === index, `a click on the map selects region ${index}, not ${page.selected}`);
    is(Boolean(table.body.querySelector(`[data-row="${index}"][aria-selected="true"]`)), "its row is in view and marked");
    is($("detail-where").textContent === model.where(index), "its details are shown");
    table.view.dispatchEvent(new KeyboardEvent("keydown", { key: "Home" }));
    is(page.selected === table.rows[0] && space.selected === table.rows[0], "Home in the table selects the first region");
    space.surface.canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "End" }));
    is(page.selected === model.length - 1, "End on the map selects the last");
    table.made.values().next().value?.click();
    is(space.selected === page.selected, "a click on a row selects on the map");
    space.fit();
    tip.hide();
  },

  pictures(page, is) {
    if (!page.model.length) return;
    page.space.surface.flush();
    page.space.overview.flush();
    page.pagemap.surface.flush();
    is(coloursIn($("space")) > 4, "the map is drawn");
    is(coloursIn($("overview")) > 2, "the overview is drawn");
    is(coloursIn($("pagemap")) > 1, "the pages are drawn");
    const { pagemap, model } = page;
    is(pagemap.cells * pagemap.bucket >= model.pagesIn(pagemap.index), "each page has a cell");
    is(pagemap.words(0)[0].includes(hexOf(model.start[pagemap.index])), "a cell tells its address");
  },

  look(page, is) {
    const root = document.documentElement;
    is(root.scrollWidth <= innerWidth, `no wider than the window: ${root.scrollWidth} of ${innerWidth}`);
    const colour = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();
    const pairs = [["ink", "card"], ["ink", "chosen"], ["muted", "card"], ["muted", "page"], ["muted", "chosen"], ["muted", "well"], ["warn", "warn-page"], ["up", "card"], ["down", "card"], ["accent", "card"], ["page", "ink"]];
    for (const family of FAMILIES) pairs.push([paint.inkOn("f-" + family.key) === colour("dark-ink") ? "dark-ink" : "light-ink", "f-" + family.key]);
    for (const [ink, ground] of pairs) {
      const found = contrast(colour(ink), colour(ground));
      if (found < 4.5) is(false, `${ink} on ${ground} has contrast ${found.toFixed(2)}`);
    }
    for (const node of document.querySelectorAll("button, input, select, canvas[tabindex]")) {
      is(Boolean(node.getAttribute("aria-label") || node.textContent.trim()), `${node.tagName} ${node.id} has a name`);
    }
  },

  diff({ model, diffTable }, is) {
    if (!model.diff) return;
    is(diffTable.rows.length === model.diff.changes.length, "a row for each change");
    is(!$("diff-card").hidden, "the diff is shown");
    const row = model.diff.changes.findIndex((change) => change.delta.size > 0);
    if (row >= 0) is(diffTable.columns.find((column) => column.key === "d-size").cell(row).textContent.startsWith("+"), "growth has a plus");
  },
};

async function selfTest(page, problems) {
  const failures = [];
  let checks = 0;
  for (const [name, test] of Object.entries(TESTS)) {
    const is = (isTrue, what) => {
      checks += 1;
      if (!isTrue) failures.push(`${name}: ${what}`);
    };
    try {
      test(page, is);
    } catch (error) {
      failures.push(`${name}: ${error.stack || error}`);
    }
  }
  await new Promise((done) => setTimeout(done, 50));
  failures.push(...problems);
  const verdict = failures.length ? "failed" : "passed";
  $("foot").after(el("pre", { id: "verdict", "data-verdict": verdict }, failures.length ? failures.join("\n") : `passed: ${checks} checks`));
}
