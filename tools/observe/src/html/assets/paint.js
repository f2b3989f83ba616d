// Colours and patterns: every state and every family has both, so that nothing is told by colour alone.

const paint = {
  colours: {},
  cache: new Map(),

  // Read the theme's colours from the style sheet.
  refresh() {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(name).trim();
    this.colours = {};
    for (const name of ["ink", "muted", "line", "card", "page", "accent", "well", "dark-ink", "light-ink"]) this.colours[name] = read("--" + name);
    for (const state of STATES) this.colours["s-" + state.key] = read("--s-" + state.key);
    for (const family of FAMILIES) this.colours["f-" + family.key] = read("--f-" + family.key);
    this.colours.mark = read("--mark");
    this.cache.clear();
  },

  // Black or white, whichever is easier to read on a colour of the theme.
  inkOn(name) {
    const channels = /^#(..)(..)(..)$/.exec(this.colours[name]) || [0, "88", "88", "88"];
    const [red, green, blue] = channels.slice(1).map((hex) => (parseInt(hex, 16) / 255) ** 2.2);
    const light = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    return this.colours[(light + 0.05) / 0.062 > 1.05 / (light + 0.05) ? "dark-ink" : "light-ink"];
  },

  family(index) {
    const family = FAMILIES[index];
    return family.key === "reserved" ? this.pattern("reserved", this.colours["f-reserved"]) : this.colours["f-" + family.key];
  },

  state(index) {
    const key = STATES[index].key;
    return this.pattern(key, this.colours["s-" + key]);
  },

  // A tile of 8 by 8 in the colour, with the state's marks.
  pattern(key, colour) {
    if (!this.cache.has(key)) {
      const tile = el("canvas", { width: 16, height: 16 });
      const context = tile.getContext("2d");
      context.scale(2, 2);
      context.fillStyle = colour;
      context.fillRect(0, 0, 8, 8);
      context.strokeStyle = context.fillStyle = this.colours.mark;
      context.lineWidth = 1;
      (MARKS[key] || (() => {}))(context, this.colours);
      const made = context.createPattern(tile, "repeat");
      made.setTransform(new DOMMatrix().scale(0.5));
      this.cache.set(key, made);
    }
    return this.cache.get(key);
  },
};

function strokes(context, ...lines) {
  context.beginPath();
  for (const [x0, y0, x1, y1] of lines) {
    context.moveTo(x0, y0);
    context.lineTo(x1, y1);
  }
  context.stroke();
}

const RISING = [[-2, 10, 10, -2], [-2, 2, 2, -2], [6, 10, 10, 6]];
const FALLING = [[-2, -2, 10, 10], [6, -2, 10, 2], [-2, 6, 2, 10]];

const MARKS = {
  dirty: (context) => strokes(context, ...RISING),
  huge: (context) => strokes(context, [0, 2, 8, 2], [0, 6, 8, 6]),
  cow: (context) => context.fillRect(3, 3, 2, 2),
  zero: (context, colours) => {
    context.strokeStyle = colours.muted;
    context.globalAlpha = 0.7;
    context.beginPath();
    context.arc(4, 4, 1.7, 0, 7);
    context.stroke();
  },
  swap: (context) => strokes(context, ...RISING, ...FALLING),
  guard: (context) => strokes(context, [2, 2, 6, 6], [6, 2, 2, 6]),
  unknown: (context, colours) => {
    context.strokeStyle = colours.muted;
    context.globalAlpha = 0.45;
    strokes(context, ...FALLING);
  },
  reserved: (context, colours) => {
    context.strokeStyle = colours.muted;
    context.globalAlpha = 0.4;
    strokes(context, ...RISING);
  },
};

// A swatch for a legend, drawn with the same brush as the map.
function swatch(brush) {
  const canvas = el("canvas", { width: 44, height: 32, "aria-hidden": "true", class: "swatch" });
  const paintSwatch = () => {
    const context = canvas.getContext("2d");
    context.setTransform(2, 0, 0, 2, 0, 0);
    context.clearRect(0, 0, 22, 16);
    context.fillStyle = brush();
    context.fillRect(0, 0, 22, 16);
  };
  paintSwatch();
  swatchPainters.set(canvas, paintSwatch);
  return canvas;
}

// A state in a legend: its pattern, its letter, and the text.
function stateKey(index, text) {
  const { letter, means } = STATES[index];
  return el("span", { class: "key", title: means }, swatch(() => paint.state(index)), el("b", { class: "letter" }, letter), text);
}

const swatchPainters = new WeakMap();
const themeListeners = [];
const onTheme = (listener) => themeListeners.push(listener);

// The theme changed: read its colours, then draw all again.
function repaint() {
  paint.refresh();
  for (const canvas of document.querySelectorAll("canvas.swatch")) swatchPainters.get(canvas)();
  for (const listener of themeListeners) listener();
}
