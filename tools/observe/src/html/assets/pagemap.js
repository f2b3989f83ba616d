// The pages of one region as a grid of cells; a cell is a page, or as many as must share one.

const CELL_ROOM = 300; // pixels of height at most
const CELLS = [22, 18, 14, 11, 9, 7];

class PageMap {
  constructor(model) {
    this.model = model;
    this.index = -1;
    this.cursor = -1;
    this.surface = new Surface($("pagemap"), 40, (context) => this.paintCells(context));
    this.surface.onresize = () => this.arrange();
    const canvas = this.surface.canvas;
    canvas.addEventListener("pointermove", (event) => this.point(event));
    canvas.addEventListener("pointerdown", (event) => this.point(event));
    canvas.addEventListener("pointerleave", (event) => tip.leave(event));
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  show(index) {
    this.index = index;
    this.cursor = -1;
    this.arrange();
    this.describe();
    this.surface.draw();
  }

  // The largest cell at which all pages fit, or the smallest cell and several pages in each.
  arrange() {
    if (this.index < 0 || !this.surface.width) return;
    this.pages = this.model.pagesIn(this.index);
    const fits = (cell) => Math.floor(this.surface.width / cell) * Math.floor(CELL_ROOM / cell);
    this.cell = CELLS.find((cell) => fits(cell) >= this.pages) || CELLS.at(-1);
    this.bucket = 2 ** Math.max(0, Math.ceil(Math.log2(this.pages / fits(this.cell))));
    this.across = Math.floor(this.surface.width / this.cell);
    this.cells = Math.ceil(this.pages / this.bucket);
    this.surface.resize(Math.max(1, Math.ceil(this.cells / this.across)) * this.cell + 2);
    this.surface.draw();
  }

  range(cell) {
    return [cell * this.bucket, Math.min((cell + 1) * this.bucket, this.pages)];
  }

  paintCells(context) {
    if (this.index < 0 || !this.cells) return;
    const side = this.cell - (this.cell > 7 ? 2 : 1);
    const hasLetters = this.cell >= 18;
    context.font = "600 10px ui-monospace, Menlo, Consolas, monospace";
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (let cell = 0; cell < this.cells; cell += 1) {
      const x = (cell % this.across) * this.cell + 1;
      const y = Math.floor(cell / this.across) * this.cell + 1;
      const [from, to] = this.range(cell);
      const shares = this.model.tally(this.index, from, to, new Float64Array(STATES.length));
      const only = shares.findIndex((pages) => pages === to - from);
      const isLettered = hasLetters && only >= 0;
      let bottom = y + side;
      shares.forEach((pages, state) => {
        const part = (pages / (to - from)) * side;
        if (part <= 0) return;
        context.fillStyle = isLettered ? paint.colours["s-" + STATES[state].key] : paint.state(state);
        context.fillRect(x, bottom - part, side, part);
        bottom -= part;
      });
      if (isLettered) {
        context.fillStyle = paint.inkOn("s-" + STATES[only].key);
        context.fillText(STATES[only].letter, x + side / 2, y + side / 2 + 0.5);
      }
      if (cell === this.cursor) {
        context.strokeStyle = paint.colours.accent;
        context.lineWidth = 2;
        context.strokeRect(x, y, side, side);
      }
    }
  }

  words(cell) {
    const [from, to] = this.range(cell);
    const start = this.model.start[this.index];
    const address = (page) => hexOf(start + page * this.model.pageGrains);
    if (to - from === 1) {
      return [`page ${address(from)}`, pageWords(this.model.runs.bits[this.model.runAt(this.index, from)])];
    }
    const shares = this.model.tally(this.index, from, to, new Float64Array(STATES.length));
    const parts = STATES.map((state, index) => (shares[index] ? `${count(shares[index])} ${state.name}` : null));
    return [`${plural(to - from, "page")} from ${address(from)}`, ...parts];
  }

  point(event) {
    if (this.index < 0 || !this.across) return;
    const column = Math.floor((event.offsetX - 1) / this.cell);
    const cell = Math.floor((event.offsetY - 1) / this.cell) * this.across + column;
    if (column < 0 || column >= this.across || cell < 0 || cell >= this.cells) return tip.hide();
    this.cursor = cell;
    this.surface.draw();
    return tip.show(this.words(cell), event.clientX, event.clientY);
  }

  key(event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.across, ArrowDown: this.across, Home: -Infinity, End: Infinity };
    const step = steps[event.key];
    if (step === undefined || !this.cells) return;
    event.preventDefault();
    this.cursor = clamp(this.cursor + step, 0, this.cells - 1);
    this.surface.draw();
    $("pagemap-text").textContent = this.words(this.cursor).filter(Boolean).join(", ");
  }

  describe() {
    const pages = this.pages || this.model.pagesIn(this.index);
    const each = this.bucket > 1 ? `, ${plural(this.bucket, "page")} in a cell` : "";
    $("pagemap-text").textContent = `${plural(pages, "page")} of ${size(this.model.pageBytes)}${each}`;
    const shares = this.model.sharesOf(this.index);
    const items = STATES.map((state, index) =>
      shares[index] ? stateKey(index, `${state.name} ${count(shares[index])}`) : null,
    );
    $("pagemap-counts").replaceChildren(...items.filter(Boolean));
  }
}
