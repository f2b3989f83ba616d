// The address space: regions in proportion to their size, large holes collapsed and marked, zoom and pan, an overview.
//
// A place is measured in weights: grains when to scale, the logarithm of pages otherwise. A collapsed hole is as wide as
// `holeWeight`, but never wider than HOLE_PIXELS, so that zooming in does not fill the screen with nothing.

const HOLE_PIXELS = 34;
const [LANE_TYPES, LANE_PAGES, LANE_AXIS] = [[8, 46], [60, 46], [114, 34]];

class Layout {
  constructor(model, isLinear) {
    const n = model.length;
    this.model = model;
    this.weight = new Float64Array(n);
    this.before = new Float64Array(n); // weight before the region
    this.holes = new Float64Array(n); // collapsed holes before the region
    for (let i = 0; i < n; i += 1) {
      this.weight[i] = isLinear ? model.grains[i] : 1 + Math.log2(Math.max(1, model.grains[i] / model.pageGrains));
    }
    const gap = (i) => (i === 0 ? 0 : Math.max(0, model.start[i] - model.start[i - 1] - model.grains[i - 1]));
    const mapped = this.weight.reduce((sum, weight) => sum + weight, 0);
    this.holeWeight = isLinear ? this.largestGap(n, gap, mapped * 0.2) : 2;
    let [sum, holes] = [0, 0];
    for (let i = 0; i < n; i += 1) {
      if (gap(i) > (isLinear ? this.holeWeight : model.pageGrains * 16)) holes += 1;
      else sum += isLinear ? gap(i) : gap(i) > 0 ? 0.25 : 0;
      this.before[i] = sum;
      this.holes[i] = holes;
      sum += this.weight[i];
    }
    this.total = sum;
    this.holeCount = holes;
  }

  // The largest gap that is drawn to scale: all gaps, none wider than it, take at most this weight together.
  largestGap(n, gap, budget) {
    let [low, high] = [0, budget];
    for (let step = 0; step < 60; step += 1) {
      const middle = (low + high) / 2;
      let sum = 0;
      for (let i = 1; i < n; i += 1) sum += Math.min(gap(i), middle);
      if (sum > budget) high = middle;
      else low = middle;
    }
    return Math.max(low, 1e-6);
  }

  holeWidth(scale) {
    return Math.min(scale * this.holeWeight, HOLE_PIXELS);
  }

  width(scale) {
    return scale * this.total + this.holeCount * this.holeWidth(scale);
  }

  // The scale at which all is exactly this wide.
  fit(width) {
    const wide = (width - this.holeCount * HOLE_PIXELS) / this.total;
    if (wide > 0 && wide * this.holeWeight >= HOLE_PIXELS) return wide;
    return width / (this.total + this.holeCount * this.holeWeight);
  }

  // Pixels from the left end of everything to a part of a region.
  x(index, part, scale) {
    return scale * (this.before[index] + part * this.weight[index]) + this.holes[index] * this.holeWidth(scale);
  }

  // The region at, or else before, a pixel.
  at(x, scale) {
    let [low, high] = [0, this.model.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.x(middle, 0, scale) <= x) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  // What is at a pixel: a part of a region; above 1 it is behind the region, in a gap or a hole.
  locate(x, scale) {
    const index = this.at(x, scale);
    const start = this.x(index, 0, scale);
    const width = scale * this.weight[index];
    const isHole = index + 1 < this.model.length && this.holes[index + 1] > this.holes[index] && x > start + width;
    if (isHole) return { index, part: 1, inHole: clamp((x - start - width) / this.holeWidth(scale), 0, 1) };
    return { index, part: (x - start) / width, inHole: null };
  }

  xOf(place, scale) {
    return this.x(place.index, place.part, scale) + (place.inHole === null ? 0 : place.inHole * this.holeWidth(scale));
  }
}

class Space {
  constructor(model, onselect) {
    this.model = model;
    this.onselect = onselect;
    this.selected = -1;
    this.hovered = null;
    this.offset = 0;
    this.scale = 0;
    this.isLinear = true;
    this.layout = new Layout(model, true);
    this.surface = new Surface($("space"), 150, (context, width) => this.paintMap(context, width));
    this.overview = new Surface($("overview"), 26, (context, width) => this.paintOverview(context, width));
    this.surface.onresize = () => this.clampView();
    this.fit();
    this.listen();
  }

  get width() {
    return this.surface.width || 1;
  }

  redraw() {
    this.surface.draw();
    this.overview.draw();
  }

  setLinear(isLinear) {
    this.isLinear = isLinear;
    this.layout = new Layout(this.model, isLinear);
    this.fit();
    if (this.selected >= 0) this.reveal(this.selected);
  }

  fit() {
    this.scale = this.layout.fit(this.width);
    this.offset = 0;
    this.redraw();
  }

  isFit() {
    return this.scale <= this.layout.fit(this.width) * 1.001;
  }

  clampView() {
    const most = (64 * (this.isLinear ? 1 / this.model.pageGrains : 16));
    const least = this.layout.fit(this.width);
    this.scale = clamp(this.scale, least, Math.max(least, most));
    this.offset = clamp(this.offset, 0, Math.max(0, this.layout.width(this.scale) - this.width));
    this.redraw();
  }

  zoom(factor, x = this.width / 2) {
    const place = this.layout.locate(x + this.offset, this.scale);
    const most = 64 * (this.isLinear ? 1 / this.model.pageGrains : 16);
    const least = this.layout.fit(this.width);
    this.scale = clamp(this.scale * factor, least, Math.max(least, most));
    this.offset = this.layout.xOf(place, this.scale) - x;
    this.clampView();
  }

  pan(pixels) {
    this.offset += pixels;
    this.clampView();
  }

  // Make a region as wide as two thirds of the view, or as far as zoom goes.
  zoomTo(index) {
    if (index < 0) return;
    this.scale = (this.width * 0.66) / this.layout.weight[index];
    this.clampView();
    this.offset = this.layout.x(index, 0.5, this.scale) - this.width / 2;
    this.clampView();
  }

  // Bring a region into view without changing the scale.
  reveal(index) {
    const [left, right] = [this.layout.x(index, 0, this.scale), this.layout.x(index, 1, this.scale)];
    if (right < this.offset + 8 || left > this.offset + this.width - 8) {
      this.offset = (left + right) / 2 - this.width / 2;
    }
    this.clampView();
  }

  select(index) {
    this.selected = index;
    if (index >= 0) this.reveal(index);
  }

  // The region under a pixel of the canvas, or the nearest within a few pixels.
  hit(x) {
    const place = this.layout.locate(x + this.offset, this.scale);
    const end = this.layout.x(place.index, 1, this.scale) - this.offset;
    const next = place.index + 1;
    if (place.inHole === null && place.part <= 1) return { ...place, region: place.index };
    const toNext = next < this.model.length ? this.layout.x(next, 0, this.scale) - this.offset - x : Infinity;
    if (Math.min(x - end, toNext) <= 3) return { ...place, region: x - end <= toNext ? place.index : next };
    return { ...place, region: -1 };
  }

  listen() {
    const canvas = this.surface.canvas;
    const fingers = new Map();
    let travelled = 0;
    let spread = 0;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, event.offsetX);
      travelled = 0;
      spread = 0;
    });
    canvas.addEventListener("pointermove", (event) => {
      const before = fingers.get(event.pointerId);
      if (before === undefined) return this.hover(event);
      fingers.set(event.pointerId, event.offsetX);
      if (fingers.size === 1) {
        travelled += Math.abs(event.offsetX - before);
        if (travelled > 4) {
          tip.hide();
          this.pan(before - event.offsetX);
        }
        return undefined;
      }
      travelled = 100;
      tip.hide();
      const [a, b] = [...fingers.values()];
      const now = Math.abs(a - b);
      if (spread > 8 && now > 8) this.zoom(now / spread, (a + b) / 2);
      spread = now;
      return undefined;
    });
    const lift = (event) => {
      const wasDown = fingers.delete(event.pointerId);
      if (event.type === "pointerup" && wasDown && travelled <= 4) this.click(event);
    };
    canvas.addEventListener("pointerup", lift);
    canvas.addEventListener("pointercancel", lift);
    canvas.addEventListener("pointerleave", (event) => {
      this.hovered = null;
      tip.leave(event);
      this.surface.draw();
    });
    canvas.addEventListener("dblclick", (event) => this.zoom(4, event.offsetX));
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
    this.listenOverview();
  }

  listenOverview() {
    const canvas = this.overview.canvas;
    const centre = (event) => {
      const place = this.layout.locate(event.offsetX, this.layout.fit(this.overview.width));
      this.offset = this.layout.xOf(place, this.scale) - this.width / 2;
      this.clampView();
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      centre(event);
    });
    canvas.addEventListener("pointermove", (event) => event.buttons && centre(event));
  }

  wheel(event) {
    const isSideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
    const unit = event.deltaMode === 1 ? 16 : 1;
    if (isSideways) {
      this.pan((event.deltaX || event.deltaY) * unit);
      event.preventDefault();
      return;
    }
    // At the end of zooming out the wheel scrolls the page again.
    if (event.deltaY > 0 && this.isFit()) return;
    event.preventDefault();
    this.zoom(Math.exp(-event.deltaY * unit * 0.0022), event.offsetX);
    this.hover(event);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = (by) => this.onselect(clamp(this.selected + by, 0, this.model.length - 1));
    const actions = {
      ArrowLeft: () => this.pan(-this.width / 6),
      ArrowRight: () => this.pan(this.width / 6),
      PageUp: () => this.pan(-this.width * 0.9),
      PageDown: () => this.pan(this.width * 0.9),
      ArrowUp: () => step(-1),
      ArrowDown: () => step(1),
      Home: () => this.onselect(0),
      End: () => this.onselect(this.model.length - 1),
      Enter: () => this.zoomTo(this.selected),
      Escape: () => this.fit(),
      "+": () => this.zoom(1.6),
      "=": () => this.zoom(1.6),
      "-": () => this.zoom(1 / 1.6),
      0: () => this.fit(),
    };
    const action = actions[event.key];
    if (!action || !this.model.length) return;
    event.preventDefault();
    action();
  }

  hover(event) {
    if (!this.model.length) return;
    const hit = this.hit(event.offsetX);
    this.hovered = hit.region;
    tip.show(this.tipLines(hit, event.offsetX, event.offsetY), event.clientX, event.clientY);
    this.surface.draw();
  }

  click(event) {
    if (!this.model.length) return;
    const hit = this.hit(event.offsetX);
    if (hit.region >= 0) this.onselect(hit.region);
    tip.show(this.tipLines(hit, event.offsetX, event.offsetY), event.clientX, event.clientY);
  }

  tipLines(hit, x, y) {
    const { model } = this;
    if (hit.region < 0) {
      const end = model.start[hit.index] + model.grains[hit.index];
      const next = hit.index + 1 < model.length ? model.start[hit.index + 1] : end;
      return ["hole", `${hexOf(end)}\u2013${hexOf(next)}`, size((next - end) * GRAIN) + (hit.inHole === null ? "" : ", not to scale")];
    }
    const region = model.regions[hit.region];
    const lines = [region.type + (region.is_guess ? " ?" : ""), region.detail, model.where(hit.region)];
    lines.push(`${size(region.size)}, ${size(region.resident)} resident, ${size(region.dirty)} dirty`);
    if (y >= LANE_PAGES[0] && y < LANE_AXIS[0] && hit.region === hit.index && hit.part <= 1 && hit.inHole === null) {
      const page = clamp(Math.floor(hit.part * model.pagesIn(hit.index)), 0, model.pagesIn(hit.index) - 1);
      const run = model.runAt(hit.index, page);
      if (run < model.first[hit.index + 1]) {
        lines.push(`page ${hexOf(model.start[hit.index] + page * model.pageGrains)}: ${pageWords(model.runs.bits[run])}`);
      }
    }
    const others = this.layout.at(x + 0.5 + this.offset, this.scale) - this.layout.at(x - 0.5 + this.offset, this.scale);
    if (others > 1) lines.push(`${plural(others + 1, "region")} in this pixel: zoom in`);
    return lines;
  }

  // Calls `draw(index, left, right)` for the regions in view that are a pixel wide; narrower ones are summed up in `narrow`.
  eachInView(width, draw, narrow) {
    const { layout, scale, offset, model } = this;
    if (!model.length) return;
    for (let i = layout.at(offset, scale); i < model.length; i += 1) {
      const left = layout.x(i, 0, scale) - offset;
      if (left > width) break;
      const right = layout.x(i, 1, scale) - offset;
      if (right - left >= 1) draw(i, left, right);
      else narrow(i, clamp(Math.floor(left), 0, Math.ceil(width) - 1), right - left);
    }
  }

  paintMap(context, width) {
    const colours = paint.colours;
    for (const lane of [LANE_TYPES, LANE_PAGES]) {
      context.fillStyle = colours.well;
      context.fillRect(0, lane[0], width, lane[1]);
    }
    if (!this.model.length) return;
    this.paintHoles(context, width);
    this.paintTypes(context, width);
    this.paintPages(context, width);
    this.paintAxis(context, width);
    this.paintMark(context, this.hovered ?? -1, colours.muted, 1);
    this.paintMark(context, this.selected, colours.accent, 2);
  }

  paintTypes(context, width) {
    const [top, height] = LANE_TYPES;
    const columns = new Float32Array(Math.ceil(width) * FAMILIES.length);
    const labels = [];
    this.eachInView(
      width,
      (i, left, right) => {
        const gap = right - left > 4 ? 1 : 0;
        context.fillStyle = paint.family(this.model.family[i]);
        context.fillRect(left, top, right - left - gap, height);
        if (right - left > 24) labels.push([i, Math.max(left, 0), Math.min(right, width)]);
      },
      (i, column, part) => {
        columns[column * FAMILIES.length + this.model.family[i]] += part + 1e-6;
      },
    );
    for (let column = 0; column < width; column += 1) {
      let best = -1;
      for (let family = 0, most = 0; family < FAMILIES.length; family += 1) {
        const part = columns[column * FAMILIES.length + family];
        if (part > most) [best, most] = [family, part];
      }
      if (best < 0) continue;
      context.fillStyle = paint.family(best);
      context.fillRect(column, top, 1, height);
    }
    for (const [i, left, right] of labels) this.paintLabel(context, i, left, right, top, height);
  }

  paintLabel(context, index, left, right, top, height) {
    const region = this.model.regions[index];
    const family = FAMILIES[this.model.family[index]];
    const room = right - left - 12;
    context.save();
    context.beginPath();
    context.rect(left, top, right - left - 2, height);
    context.clip();
    context.fillStyle = paint.inkOn("f-" + family.key);
    context.textBaseline = "middle";
    if (room < 44) {
      context.font = "600 11px system-ui, sans-serif";
      context.textAlign = "center";
      if (room > 4) context.fillText(family.code, (left + right) / 2 - 1, top + height / 2);
    } else {
      context.font = "600 12px system-ui, sans-serif";
      context.fillText(region.type, left + 7, top + 16);
      context.font = "11px system-ui, sans-serif";
      context.fillText(`${size(region.size)}  ${region.detail ? region.detail.split("/").pop() : ""}`, left + 7, top + 32);
    }
    context.restore();
  }

  // Each column of pixels is a stack of the states of the pages in it.
  paintPages(context, width) {
    const [top, height] = LANE_PAGES;
    const n = STATES.length;
    const columns = new Float32Array((Math.ceil(width) + 1) * n);
    const spread = (from, to, state) => {
      const [first, last] = [Math.floor(Math.max(from, 0)), Math.floor(Math.min(to, width - 1e-3))];
      for (let column = first; column <= last; column += 1) {
        columns[column * n + state] += Math.min(to, column + 1) - Math.max(from, column);
      }
    };
    const grid = [];
    this.eachInView(
      width,
      (i, left, right) => {
        const pages = this.model.pagesIn(i);
        const each = (right - left) / pages;
        let page = Math.max(0, Math.floor(-left / each));
        for (let run = this.model.runAt(i, page); run < this.model.first[i + 1]; run += 1) {
          const end = this.model.runs.end[run];
          if (left + page * each > width) break;
          spread(left + page * each, left + end * each, this.model.stateOfRun(run));
          page = end;
        }
        if (each >= 7) grid.push([i, left, right, each]);
      },
      (i, column, part) => {
        const shares = this.model.sharesOf(i);
        const pages = this.model.pagesIn(i);
        for (let state = 0; state < n; state += 1) columns[column * n + state] += (shares[state] / pages) * (part + 1e-6);
      },
    );
    this.paintStacks(context, columns, Math.ceil(width), top, height);
    for (const [i, left, right, each] of grid) this.paintCells(context, i, left, right, each, width);
  }

  paintStacks(context, columns, width, top, height) {
    const n = STATES.length;
    for (let column = 0; column < width; column += 1) {
      let sum = 0;
      for (let state = 0; state < n; state += 1) sum += columns[column * n + state];
      if (sum < 1e-9) continue;
      // A column that is all of one state is drawn together with its neighbours.
      const only = STATES.findIndex((_, state) => columns[column * n + state] > sum * 0.999);
      let end = column + 1;
      while (only >= 0 && end < width && isOnly(columns, end, only)) end += 1;
      let bottom = top + height;
      for (let state = 0; state < n; state += 1) {
        const part = (columns[column * n + state] / sum) * height;
        if (part < 0.05) continue;
        context.fillStyle = paint.state(state);
        context.fillRect(column, bottom - part, end - column, part);
        bottom -= part;
      }
      column = end - 1;
    }
  }

  // Single pages, far zoomed in: a line between them and the letter of each.
  paintCells(context, index, left, right, each, width) {
    const { model } = this;
    const [top, height] = LANE_PAGES;
    const first = Math.max(0, Math.floor(-left / each));
    const last = Math.min(model.pagesIn(index), Math.ceil((width - left) / each));
    context.fillStyle = paint.colours.card;
    for (let page = first; page <= last; page += 1) context.fillRect(left + page * each - 0.5, top, 1, height);
    if (each < 14) return;
    context.font = "600 11px ui-monospace, Menlo, Consolas, monospace";
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (let page = first; page < last; page += 1) {
      const { letter, key } = STATES[model.stateOfRun(model.runAt(index, page))];
      const x = left + (page + 0.5) * each;
      context.fillStyle = paint.colours["s-" + key];
      context.fillRect(x - 7, top + height / 2 - 9, 14, 18);
      context.fillStyle = paint.inkOn("s-" + key);
      context.fillText(letter, x, top + height / 2);
    }
  }

  paintHoles(context, width) {
    const { layout, model, scale, offset } = this;
    const hole = layout.holeWidth(scale);
    const bottom = LANE_PAGES[0] + LANE_PAGES[1];
    if (hole < 3) return;
    for (let i = layout.at(offset, scale); i + 1 < model.length; i += 1) {
      if (layout.holes[i + 1] === layout.holes[i]) continue;
      const left = layout.x(i, 1, scale) - offset;
      if (left > width) break;
      context.fillStyle = paint.colours.card;
      context.fillRect(left, LANE_TYPES[0], hole, bottom - LANE_TYPES[0]);
      context.strokeStyle = paint.colours.muted;
      context.lineWidth = 1;
      const middle = left + hole / 2;
      const slant = Math.min(4, hole / 5);
      const y = (LANE_TYPES[0] + bottom) / 2;
      strokes(context, [middle - slant * 1.6, y + 9, middle + slant * 0.2, y - 9], [middle - slant * 0.2, y + 9, middle + slant * 1.6, y - 9]);
    }
  }

  // Addresses of starts where there is room, and sizes of holes.
  paintAxis(context, width) {
    const { layout, model, scale, offset } = this;
    const top = LANE_AXIS[0];
    context.font = "11px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace";
    context.textBaseline = "top";
    context.textAlign = "left";
    const hole = layout.holeWidth(scale);
    const [free, holeFree] = [{ x: -1 }, { x: -1 }];
    const put = (text, x, y, line, colour) => {
      const half = context.measureText(text).width;
      if (x < line.x || x + half > width) return false;
      context.fillStyle = colour;
      context.fillText(text, x, y);
      line.x = x + half + 14;
      return true;
    };
    const tick = (x) => {
      context.fillStyle = paint.colours.line;
      context.fillRect(Math.round(x), top - 4, 1, 8);
    };
    const first = layout.at(offset, scale);
    for (let i = first; i < model.length; i += 1) {
      const left = layout.x(i, 0, scale) - offset;
      if (left > width) break;
      const right = layout.x(i, 1, scale) - offset;
      if (left >= 0 && left >= free.x && put(hexOf(model.start[i]), left, top + 5, free, paint.colours.muted)) tick(left);
      if (right - Math.max(left, 0) > 260) this.paintTicks(i, left, right, width, put, tick, free);
      if (i + 1 < model.length && layout.holes[i + 1] > layout.holes[i]) {
        const text = size((model.start[i + 1] - model.start[i] - model.grains[i]) * GRAIN) + " hole";
        const x = right + hole / 2 - context.measureText(text).width / 2;
        if (right < width && right + hole > 0) put(text, clamp(x, 0, width), top + 20, holeFree, paint.colours.muted);
      }
    }
  }

  // Round numbers of pages inside a wide region.
  paintTicks(index, left, right, width, put, tick, free) {
    const { model } = this;
    const each = (right - left) / model.pagesIn(index);
    const step = 2 ** Math.max(0, Math.ceil(Math.log2(150 / each)));
    const first = Math.max(step, Math.ceil(-left / each / step) * step);
    for (let page = first; page < model.pagesIn(index); page += step) {
      const x = left + page * each;
      if (x > width) break;
      if (put(hexOf(model.start[index] + page * model.pageGrains), x, LANE_AXIS[0] + 5, free, paint.colours.muted)) tick(x);
    }
  }

  paintMark(context, index, colour, thickness) {
    if (index < 0) return;
    const left = this.layout.x(index, 0, this.scale) - this.offset;
    const right = this.layout.x(index, 1, this.scale) - this.offset;
    const wide = Math.max(right - left, 3);
    const bottom = LANE_PAGES[0] + LANE_PAGES[1];
    context.strokeStyle = colour;
    context.lineWidth = thickness;
    context.strokeRect(left - 1, LANE_TYPES[0] - 2, wide + 1, bottom - LANE_TYPES[0] + 4);
    if (thickness < 2) return;
    context.fillStyle = colour;
    const middle = clamp((left + right) / 2, 5, this.width - 5);
    context.beginPath();
    context.moveTo(middle - 5, 0);
    context.lineTo(middle + 5, 0);
    context.lineTo(middle, 6);
    context.fill();
  }

  paintOverview(context, width) {
    const { layout, model } = this;
    if (!model.length) return;
    const scale = layout.fit(width);
    context.fillStyle = paint.colours.well;
    context.fillRect(0, 4, width, 18);
    let drawn = -1;
    for (let i = 0; i < model.length; i += 1) {
      const left = layout.x(i, 0, scale);
      const right = layout.x(i, 1, scale);
      if (right - left < 1 && Math.floor(left) === drawn) continue;
      drawn = Math.floor(left);
      context.fillStyle = paint.family(model.family[i]);
      context.fillRect(left, 4, Math.max(1, right - left), 18);
    }
    const from = layout.xOf(layout.locate(this.offset, this.scale), scale);
    const to = layout.xOf(layout.locate(this.offset + this.width, this.scale), scale);
    context.fillStyle = paint.colours.card;
    context.globalAlpha = 0.62;
    context.fillRect(0, 4, from, 18);
    context.fillRect(to, 4, width - to, 18);
    context.globalAlpha = 1;
    context.strokeStyle = paint.colours.accent;
    context.lineWidth = 2;
    context.strokeRect(clamp(from, 1, width - 5), 2, clamp(to - from, 4, width - 2), 22);
  }
}

function isOnly(columns, column, state) {
  const n = STATES.length;
  let others = 0;
  for (let other = 0; other < n; other += 1) if (other !== state) others += columns[column * n + other];
  return columns[column * n + state] > 1e-9 && others < columns[column * n + state] * 0.001;
}
