// Helpers that know nothing of memory: elements, numbers as text, drawing surfaces.

const $ = (id) => document.getElementById(id);

// An element. Text is only ever set as text: no name in the data can become markup.
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "style") Object.assign(node.style, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const isKnown = (value) => value !== null && value !== undefined;
const grouped = new Intl.NumberFormat("en-US");
const count = (value) => (isKnown(value) ? grouped.format(value) : "?");

// Bytes as the report prints them: 1024-based, three digits, and "?" for what nobody knows.
function size(bytes) {
  if (!isKnown(bytes)) return "?";
  if (bytes < 0) return "\u2212" + size(-bytes);
  if (bytes < 1024) return bytes === 0 ? "0" : bytes + " B";
  let value = bytes;
  let unit = -1;
  const units = ["K", "M", "G", "T", "P", "E"];
  do {
    value /= 1024;
    unit += 1;
  } while (value >= 999.5 && unit < units.length - 1);
  const digits = value >= 99.95 || Number.isInteger(value) ? 0 : 1;
  return value.toFixed(digits) + " " + units[unit];
}

const exact = (bytes) => (isKnown(bytes) ? count(bytes) + " bytes" : "not known");

function signed(bytes) {
  if (!isKnown(bytes)) return "?";
  if (bytes === 0) return "0";
  return (bytes > 0 ? "+" : "\u2212") + size(Math.abs(bytes));
}

const plural = (number, word) => `${count(number)} ${word}${number === 1 ? "" : "s"}`;

// Addresses are counted in grains of 4096 bytes: a number holds all of them exactly, up to the last page.
const GRAIN = 4096;

function grainOf(hex) {
  const digits = hex.replace(/^0x/, "");
  return digits.endsWith("000") ? parseInt(digits.slice(0, -3) || "0", 16) : parseInt(digits, 16) / GRAIN;
}

function hexOf(grain) {
  const whole = Math.floor(grain);
  return whole.toString(16) + Math.round((grain - whole) * GRAIN).toString(16).padStart(3, "0");
}

// A canvas that is as sharp as the screen. Draws when its size, its data or the theme changed, once a frame.
class Surface {
  constructor(canvas, height, draw) {
    this.canvas = canvas;
    this.wantedHeight = height;
    this.drawNow = draw;
    this.isPending = false;
    this.width = 0;
    this.height = height;
    new ResizeObserver(() => this.measure()).observe(canvas);
    this.measure();
  }

  measure() {
    const width = this.canvas.clientWidth;
    if (!width || width === this.width) return;
    this.width = width;
    this.resize(this.wantedHeight);
    if (this.onresize) this.onresize();
    this.draw();
  }

  resize(height) {
    const ratio = window.devicePixelRatio || 1;
    this.height = height;
    this.ratio = ratio;
    this.canvas.style.height = height + "px";
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(height * ratio);
  }

  draw() {
    if (this.isPending) return;
    this.isPending = true;
    requestAnimationFrame(() => this.flush());
  }

  flush() {
    this.isPending = false;
    if (!this.width) return;
    const context = this.canvas.getContext("2d");
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    this.drawNow(context, this.width, this.height);
  }
}

// The tooltip: lines of text beside a point of the window, inside the window.
const tip = {
  show(lines, x, y) {
    const node = $("tip");
    node.replaceChildren(...lines.filter(Boolean).map((line, index) => el(index ? "span" : "b", {}, line)));
    node.hidden = false;
    const box = node.getBoundingClientRect();
    const left = clamp(x + 14, 8, Math.max(8, innerWidth - box.width - 8));
    const below = y + 18;
    const top = below + box.height > innerHeight - 8 ? y - box.height - 12 : below;
    node.style.left = left + "px";
    node.style.top = Math.max(8, top) + "px";
  },
  hide() {
    $("tip").hidden = true;
  },
  // A finger leaves with each tap: what it showed stays until the next one.
  leave(event) {
    if (event.pointerType !== "touch") this.hide();
  },
};

document.addEventListener("scroll", () => tip.hide(), { passive: true });
document.addEventListener("pointerdown", (event) => event.target.closest("canvas") || tip.hide());

const say = (text) => {
  $("live").textContent = text;
};
