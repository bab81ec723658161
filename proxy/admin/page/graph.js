// Who calls whom: callers, this proxy, and whom it calls. For the eye; the list beside it has the same for the keyboard.

import { el, rate, setAttribute, setText, svg } from './dom.js';

const kMost = 8, kStep = 34, kTop = 17;

const cut = (text, most) => (text.length > most ? `${text.slice(0, Math.max(1, most - 1))}…` : text);

// Few of many: who is in trouble first, then who is asked; the order among them is that of names, so that nobody jumps about.
function few(all) {
  const busy = (node) => (node.rate > 0 ? 1 : 0), worse = { bad: 2, warn: 1 };
  const chosen = [...all].sort((a, b) => (worse[b.level] ?? 0) - (worse[a.level] ?? 0) || busy(b) - busy(a) || (a.key < b.key ? -1 : 1)).slice(0, kMost);
  const shown = chosen.sort((a, b) => (a.key < b.key ? -1 : 1));
  if (all.length > shown.length) shown.push({ key: '~more', label: `and ${all.length - shown.length} more`, level: 'none', rate: NaN });
  return shown;
}

function callers(model) {
  const known = model.peers.filter((each) => each.direction === 'inbound')
    .map((each) => ({ key: each.peer, label: each.peer, rate: each.track.now.rate, level: each.track.now.success < 0.95 ? 'warn' : 'ok' }));
  const named = known.reduce((all, each) => all + (each.rate || 0), 0);
  let all = 0, comes = false;
  for (const service of model.services)
    if (service.directions.some((each) => each !== 'outbound')) {
      comes = true;
      all += service.track.now.rate || 0;
    }
  if (comes && (all > named + 0.05 || known.length === 0)) known.push({ key: '~clients', label: 'clients', rate: Math.max(0, all - named), level: 'ok' });
  if (model.services.some((each) => each.directions.includes('outbound')))
    known.push({ key: '~app', label: 'the application', rate: NaN, level: 'ok' });
  return known;
}

export class Graph {
  constructor(choose) {
    this.choose = choose;
    this.svg = svg('svg', { role: 'img' });
    this.node = el('div', {}, this.svg);
    this.wide = 0;
    new ResizeObserver(([entry]) => {
      const wide = Math.floor(entry.contentRect.width);
      if (wide === this.wide) return;
      this.wide = wide;
      this.drawn = null;
      if (this.model) this.update(this.model, this.services, this.chosen);
    }).observe(this.node);
  }

  update(model, services, chosen) {
    Object.assign(this, { model, services, chosen });
    if (!this.wide) return;
    const left = few(callers(model));
    const right = few(services.filter((each) => each.cluster).map((each) => ({ ...each, rate: each.track.now.rate })));
    const shape = JSON.stringify([this.wide, left.map((each) => [each.key, each.label]), right.map((each) => [each.key, each.label])]);
    if (shape !== this.drawn) this.build(left, right);
    this.drawn = shape;
    for (const [i, each] of [...left, ...right].entries()) this.write(this.parts[i], each, chosen);
    const troubled = right.filter((each) => each.level === 'bad' || each.level === 'warn').map((each) => `${each.label}: ${each.state}`);
    setAttribute(this.svg, 'aria-label', `${left.length} callers, ${right.length} services called. ${troubled.join(', ') || 'None in trouble'}.`);
    return right.length;
  }

  build(left, right) {
    const rows = Math.max(left.length, right.length, 4), high = rows * kStep + 2 * kTop, middle = high / 2;
    const side = Math.min(190, Math.floor(this.wide * 0.34)), letters = Math.floor((side - 14) / 6.4);
    const half = Math.min(64, Math.floor((this.wide - 2 * side) * 0.22)), centre = this.wide / 2;
    setAttribute(this.svg, 'viewBox', `0 0 ${this.wide} ${high}`);
    setAttribute(this.svg, 'width', this.wide);
    setAttribute(this.svg, 'height', high);
    const edges = svg('g'), nodes = svg('g');
    const at = (i, all) => middle + (i - (all.length - 1) / 2) * kStep;
    const part = (each, x, y, toRight) => {
      const outer = toRight ? x : x + side, inner = toRight ? centre + half : centre - half, bend = (outer + inner) / 2;
      const edge = svg('path', { class: 'edge', d: `M${inner} ${middle}C${bend} ${middle} ${bend} ${y} ${outer} ${y}` });
      const text = svg('text', { x: x + 10, y: y - 2, class: 'label' }, cut(each.label, letters));
      const figure = svg('text', { x: x + 10, y: y + 11, class: 'figure' });
      const node = svg('g', { class: 'node', 'data-key': each.key }, svg('title', {}, each.label),
        svg('rect', { x, y: y - 15, width: side, height: 30, rx: 5 }), svg('rect', { class: 'side', x, y: y - 15, width: 4, height: 30, rx: 2 }), text, figure);
      if (each.cluster) node.addEventListener('click', () => this.choose(each.key));
      edges.append(edge);
      nodes.append(node);
      return { edge, node, figure };
    };
    this.parts = [...left.map((each, i) => part(each, 1, at(i, left), false)), ...right.map((each, i) => part(each, this.wide - side - 1, at(i, right), true))];
    const { name, mode } = this.model.overview;
    nodes.append(svg('g', { class: 'node self' }, svg('title', {}, name),
      svg('rect', { x: centre - half, y: middle - 20, width: 2 * half, height: 40, rx: 6 }),
      svg('text', { x: centre, y: middle - 1, class: 'label' }, cut(name, Math.floor((2 * half - 6) / 6.4))),
      svg('text', { x: centre, y: middle + 12, class: 'figure' }, mode)));
    this.svg.replaceChildren(edges, nodes);
  }

  write({ edge, node, figure }, each, chosen) {
    for (const part of [edge, node]) setAttribute(part, 'data-level', each.level);
    setAttribute(node, 'data-chosen', each.key === chosen ? '' : null);
    setAttribute(edge, 'stroke-width', each.rate > 0 ? (1 + Math.min(4, Math.log10(1 + each.rate))).toFixed(1) : 1);
    setAttribute(edge, 'data-still', each.rate > 0 || Number.isNaN(each.rate) ? null : '');
    const trouble = each.level === 'bad' || each.level === 'warn' ? `${each.state ?? 'failing'} · ` : '';
    setText(figure, Number.isNaN(each.rate) ? trouble.replace(' · ', '') : `${trouble}${rate(each.rate)}/s`);
  }
}
