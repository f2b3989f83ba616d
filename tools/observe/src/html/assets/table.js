// A table of any length: only the rows in view exist. Sorted by any column, moved through with the keys.

class VirtualTable {
  // `columns`: { key, name, title, value(row), cell(row), order: 1|-1, isText }; rows are numbers into the caller's data.
  constructor(root, { label, columns, onselect, isDescendingFirst }) {
    this.columns = columns;
    this.onselect = onselect;
    this.isDescendingFirst = isDescendingFirst;
    this.rows = [];
    this.selected = -1;
    this.sortKey = null;
    this.direction = 1;
    this.head = el("div", { role: "row", class: "row head", "aria-rowindex": "1" }, ...columns.map((column) => this.header(column)));
    this.body = el("div", { class: "rows" });
    this.view = el("div", { class: "view", tabindex: "0", role: "rowgroup", "aria-label": label }, this.body);
    this.empty = el("p", { class: "hint empty", hidden: true }, "Nothing matches.");
    root.setAttribute("role", "grid");
    root.setAttribute("aria-label", label);
    root.append(el("div", { role: "rowgroup" }, this.head), this.view, this.empty);
    this.root = root;
    this.made = new Map();
    this.view.addEventListener("scroll", () => this.later(), { passive: true });
    this.view.addEventListener("keydown", (event) => this.key(event));
    this.body.addEventListener("click", (event) => {
      const row = event.target.closest("[data-row]");
      if (row) this.onselect(Number(row.dataset.row));
    });
    new ResizeObserver(() => this.measure()).observe(this.view);
    this.measure();
  }

  header(column) {
    const button = el("button", { type: "button", title: column.title || column.name }, column.name);
    button.addEventListener("click", () => this.sort(column.key));
    return el("div", { role: "columnheader", class: "cell c-" + column.key, "aria-sort": "none" }, button);
  }

  measure() {
    const probe = getComputedStyle(this.root).getPropertyValue("--row");
    const height = parseFloat(probe) || 30;
    if (height !== this.rowHeight) {
      this.rowHeight = height;
      this.clear();
    }
    this.layout();
  }

  setRows(rows) {
    this.rows = rows;
    this.applySort();
    this.clear();
    this.empty.hidden = rows.length > 0;
    this.view.hidden = rows.length === 0;
    this.root.setAttribute("aria-rowcount", rows.length + 1);
    this.layout();
  }

  clear() {
    this.made.clear();
    this.body.replaceChildren();
  }

  sort(key, direction) {
    const column = this.columns.find((each) => each.key === key);
    const first = column.isText ? 1 : -1;
    this.direction = direction || (this.sortKey === key ? -this.direction : first);
    this.sortKey = key;
    this.columns.forEach((each, index) => {
      const sorted = each.key === key ? (this.direction > 0 ? "ascending" : "descending") : "none";
      this.head.children[index].setAttribute("aria-sort", sorted);
    });
    this.applySort();
    this.clear();
    this.layout();
    say(`sorted by ${column.name}`);
  }

  // Unknown figures come last in either direction.
  applySort() {
    const column = this.columns.find((each) => each.key === this.sortKey);
    if (!column) return;
    const values = new Map(this.rows.map((row) => [row, column.value(row)]));
    const compare = column.isText ? (a, b) => (a < b ? -1 : a > b ? 1 : 0) : (a, b) => a - b;
    this.rows.sort((a, b) => {
      const [x, y] = [values.get(a), values.get(b)];
      if (isKnown(x) !== isKnown(y)) return isKnown(x) ? -1 : 1;
      return (isKnown(x) ? compare(x, y) * this.direction : 0) || a - b;
    });
  }

  later() {
    if (this.isPending) return;
    this.isPending = true;
    requestAnimationFrame(() => {
      this.isPending = false;
      this.layout();
    });
  }

  // Make the rows in view, drop those that are not.
  layout() {
    const height = this.rowHeight;
    this.body.style.height = this.rows.length * height + "px";
    const first = Math.max(0, Math.floor(this.view.scrollTop / height) - 6);
    const last = Math.min(this.rows.length, Math.ceil((this.view.scrollTop + this.view.clientHeight) / height) + 6);
    for (const [at, node] of this.made) {
      if (at >= first && at < last) continue;
      node.remove();
      this.made.delete(at);
    }
    for (let at = first; at < last; at += 1) {
      if (this.made.has(at)) continue;
      const node = this.row(this.rows[at], at);
      this.made.set(at, node);
      this.body.append(node);
    }
  }

  row(row, at) {
    const cells = this.columns.map((column) => el("div", { role: "gridcell", class: "cell c-" + column.key }, column.cell(row)));
    const isSelected = row === this.selected;
    const attributes = { role: "row", class: "row", "data-row": row, "aria-rowindex": at + 2, "aria-selected": String(isSelected) };
    return el("div", { ...attributes, style: { transform: `translateY(${at * this.rowHeight}px)` } }, ...cells);
  }

  select(row) {
    this.selected = row;
    for (const node of this.made.values()) node.setAttribute("aria-selected", String(Number(node.dataset.row) === row));
    const at = this.rows.indexOf(row);
    if (at < 0) return;
    const top = at * this.rowHeight;
    const bottom = top + this.rowHeight;
    const { scrollTop, clientHeight } = this.view;
    if (top < scrollTop) this.view.scrollTop = top;
    else if (bottom > scrollTop + clientHeight) this.view.scrollTop = bottom - clientHeight;
    this.layout();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.rows.length) return;
    const page = Math.max(1, Math.floor(this.view.clientHeight / this.rowHeight) - 1);
    const steps = { ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page, Home: -Infinity, End: Infinity };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const now = this.rows.indexOf(this.selected);
    this.onselect(this.rows[clamp(Math.max(now, 0) + step, 0, this.rows.length - 1)]);
  }
}
