// Start: read the data, fill the page, connect its parts.

const problems = [];
addEventListener("error", (event) => problems.push(String(event.message)));
addEventListener("unhandledrejection", (event) => problems.push(String(event.reason)));
addEventListener("securitypolicyviolation", (event) => problems.push(`blocked: ${event.violatedDirective}`));

function startTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const wanted = /theme=(dark|light)/.exec(location.hash);
  let theme = wanted ? wanted[1] : "auto";
  const show = () => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    $("theme").textContent = { auto: "Theme: system", light: "Theme: light", dark: "Theme: dark" }[theme];
    repaint();
  };
  $("theme").addEventListener("click", () => {
    const opposite = dark.matches ? "light" : "dark";
    theme = theme === "auto" ? opposite : theme === opposite ? (opposite === "dark" ? "light" : "dark") : "auto";
    show();
  });
  dark.addEventListener("change", show);
  show();
}

function startRegions(model) {
  const page = { model, space: null, table: null, pagemap: null, runFilter: null };
  page.select = (index) => {
    if (index < 0 || index >= model.length) return;
    page.selected = index;
    page.space.select(index);
    page.table.select(index);
    page.pagemap.show(index);
    fillDetail(model, index);
    say(`${model.label(index)}, ${size(model.regions[index].size)}`);
  };
  page.table = regionTable(model, page.select);
  page.pagemap = new PageMap(model);
  page.space = new Space(model, page.select);
  page.runFilter = fillFilters(model, (rows) => page.table.setRows(rows));
  page.diffTable = fillDiff(model, page.select);
  fillTypes(model, (type) => {
    $("filter-type").value = type;
    page.runFilter();
    $("regions").scrollIntoView({ block: "start" });
  });
  startTools(page);
  for (const id of ["space-card", "detail-card", "regions"]) $(id).hidden = model.length === 0;
  const largest = model.regions.reduce((best, region, index) => ((region.resident ?? 0) > (model.regions[best].resident ?? 0) ? index : best), 0);
  if (model.length) page.select(largest);
  return page;
}

function startTools(page) {
  const { space } = page;
  const choose = (isLinear) => {
    $("scale-linear").setAttribute("aria-checked", String(isLinear));
    $("scale-log").setAttribute("aria-checked", String(!isLinear));
    $("scale-linear").tabIndex = isLinear ? 0 : -1;
    $("scale-log").tabIndex = isLinear ? -1 : 0;
    space.setLinear(isLinear);
  };
  $("scale-linear").addEventListener("click", () => choose(true));
  $("scale-log").addEventListener("click", () => choose(false));
  for (const id of ["scale-linear", "scale-log"]) {
    $(id).addEventListener("keydown", (event) => {
      if (!event.key.startsWith("Arrow")) return;
      event.preventDefault();
      choose(id === "scale-log");
      $(id === "scale-log" ? "scale-linear" : "scale-log").focus();
    });
  }
  // To scale, one huge reservation would leave a pixel for all that is used.
  const isReserved = (index) => FAMILIES[page.model.family[index]].key === "reserved";
  const reserved = page.model.grains.reduce((sum, grains, index) => sum + (isReserved(index) ? grains : 0), 0);
  if (reserved > page.model.grains.reduce((sum, grains) => sum + grains, 0) * 0.9) choose(false);
  $("zoom-in").addEventListener("click", () => space.zoom(2));
  $("zoom-out").addEventListener("click", () => space.zoom(0.5));
  $("zoom-fit").addEventListener("click", () => space.fit());
  $("zoom-selected").addEventListener("click", () => space.zoomTo(page.selected));
  const { holeCount } = space.layout;
  $("space-hint").textContent = holeCount ? `${plural(holeCount, "large hole")} collapsed, marked //` : "";
}

async function start() {
  const [doc, pages, diff] = await Promise.all(["data-vmmap", "data-pages", "data-diff"].map(readBlock));
  paint.refresh();
  const model = new Model(doc || {}, pages, diff);
  fillHeader(model);
  fillLegends(model);
  fillZones(model);
  const page = startRegions(model);
  onTheme(() => {
    page.space.redraw();
    page.pagemap.surface.draw();
  });
  startTheme();
  $("foot").textContent = `${model.doc.schema ?? "?"}. Sizes are 1024-based; \u201c?\u201d is not known. This page is complete in itself and loads nothing.`;
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
  if (location.hash.includes("selftest")) await selfTest(page, problems);
}

start().catch((error) => {
  problems.push(String(error));
  $("notices").replaceChildren(el("p", { class: "notice" }, `This page could not be drawn: ${error.message}`));
  document.documentElement.dataset.ready = "failed";
  throw error;
});
