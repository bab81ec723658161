// A list of rows with columns: one stop for Tab, arrows inside it, Enter to choose.

import { el, setAttribute, setText } from './dom.js';

// columns: {title, class, write(item): text}, or with make(): node and write(node, item); `seen`: what is drawn only where it can be
// seen. A row is made once per key and moves only when the order is another.
export class Grid {
  constructor({ label, columns, most, choose }) {
    Object.assign(this, { columns, most, choose });
    this.rows = new Map();
    this.chosen = null;
    this.watch = new IntersectionObserver((all) => all.forEach(({ target, isIntersecting }) => this.onSeen(target, isIntersecting)), { rootMargin: '100px' });
    const titles = columns.map((each) => el('span', { role: 'columnheader', class: each.class }, each.title));
    this.body = el('div', { role: 'rowgroup', class: 'rows' });
    this.more = el('p', { class: 'empty', hidden: '' });
    this.grid = el('div', { role: 'grid', 'aria-label': label, class: 'grid' }, el('div', { role: 'rowgroup' }, el('div', { role: 'row', class: 'row titles' }, ...titles)), this.body);
    this.node = el('div', {}, this.grid, this.more);
    this.body.addEventListener('keydown', (event) => this.onKey(event));
    this.body.addEventListener('click', (event) => this.pick(event.target.closest('[role=row]')));
    this.body.addEventListener('focusin', (event) => this.stop(event.target.closest('[role=row]')));
  }

  row(item) {
    const cells = this.columns.map((each) => el('span', { role: 'gridcell', class: each.class }, ...(each.make ? [each.make()] : [])));
    const node = el('div', { role: 'row', class: 'row', tabindex: -1, 'data-key': item.key, 'data-name': item.name }, ...cells);
    this.watch.observe(node);
    return { node, cells, seen: false };
  }

  onSeen(node, seen) {
    const row = this.rows.get(node.dataset.key);
    if (!row) return;
    row.seen = seen;
    if (seen) this.write(row);
  }

  write({ cells, item, seen }) {
    this.columns.forEach((each, c) => {
      if (each.seen && !seen) return;
      if (each.make) each.write(cells[c].firstChild, item);
      else setText(cells[c], each.write(item));
    });
  }

  update(items, empty) {
    const shown = items.slice(0, this.most), left = new Set(this.rows.keys());
    shown.forEach((item, i) => {
      if (!this.rows.has(item.key)) this.rows.set(item.key, this.row(item));
      left.delete(item.key);
      const row = this.rows.get(item.key), { node } = row;
      row.item = item;
      if (this.body.children[i] !== node) this.place(node, i);
      setAttribute(node, 'data-level', item.level);
      setAttribute(node, 'aria-selected', String(item.key === this.chosen));
      this.write(row);
    });
    for (const key of left) {
      this.watch.unobserve(this.rows.get(key).node);
      this.rows.get(key).node.remove();
      this.rows.delete(key);
    }
    setAttribute(this.grid, 'aria-rowcount', items.length + 1);
    this.grid.classList.toggle('long', shown.length > 60);
    const hidden = items.length - shown.length;
    setText(this.more, hidden > 0 ? `and ${hidden} more: filter to see them` : items.length ? '' : empty);
    this.more.hidden = !this.more.textContent;
    if (!this.body.querySelector('[tabindex="0"]')) this.stop(this.body.firstElementChild);
  }

  // What is moved would lose the focus.
  place(node, i) {
    const focused = node === document.activeElement;
    this.body.insertBefore(node, this.body.children[i] ?? null);
    if (focused) node.focus({ preventScroll: true });
  }

  stop(row) {
    if (!row) return;
    for (const other of this.body.querySelectorAll('[tabindex="0"]')) if (other !== row) setAttribute(other, 'tabindex', -1);
    setAttribute(row, 'tabindex', 0);
  }

  pick(row) {
    if (row) this.choose(row.dataset.key === this.chosen ? null : row.dataset.key);
  }

  onKey(event) {
    const row = event.target.closest('[role=row]');
    const to = { ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling, Home: this.body.firstElementChild, End: this.body.lastElementChild }[event.key];
    if (event.key === 'Enter' || event.key === ' ') this.pick(row);
    else if (to === undefined) return;
    else to?.focus();
    event.preventDefault();
  }

  focus() { this.body.querySelector('[tabindex="0"]')?.focus(); }
}
