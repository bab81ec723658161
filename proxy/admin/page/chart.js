// Lines over the last minutes, of a track of the model.

import { el, setAttribute, setText, svg } from './dom.js';
import { kKept, kShown } from './model.js';

const kWide = 240, kHigh = 56;

// The next of 1, 2, 5, 10, ... so that a scale changes seldom.
function ceiling(number) {
  const power = 10 ** Math.floor(Math.log10(Math.max(number, 1e-6)));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= number * 0.9999) ?? number;
}

// Oldest first: [x, value] for what is still on the chart.
function points(model, values, shown = kShown) {
  const all = [], last = model.tick, now = model.times[((last % kKept) + kKept) % kKept];
  for (let tick = Math.max(0, last - kKept + 1); tick <= last; ++tick) {
    const age = now - model.times[tick % kKept];
    if (age <= shown) all.push([kWide * (1 - age / shown), values[tick % kKept], age]);
  }
  return all;
}

// Broken where nothing is known; a pause in which nobody looked is such a place.
function line(all, height) {
  let path = '', before = null;
  for (const point of all) {
    const [x, value, age] = point;
    if (Number.isFinite(value)) path += `${before && before[2] - age < 5 ? 'L' : 'M'}${x.toFixed(1)} ${height(value).toFixed(1)}`;
    before = Number.isFinite(value) ? point : null;
  }
  return path;
}

export class Chart {
  // series: [field, label] each; write: a figure as text; range: from the largest and the smallest to [lowest, highest].
  constructor({ title, series, write, range = (most) => [0, ceiling(Math.max(1, most))] }) {
    Object.assign(this, { series, write, range });
    this.values = series.map(([field, label]) => {
      const value = el('b', {}, '–');
      return { value, node: el('span', { class: 'value', 'data-field': field }, label ? el('i', {}, label) : null, value) };
    });
    this.paths = series.map(([field]) => svg('path', { class: 'line', 'data-field': field }));
    this.hair = svg('line', { class: 'hair', y1: 0, y2: kHigh, hidden: '' });
    this.top = el('span', { class: 'bound' });
    this.when = el('span', { class: 'when' });
    this.plot = el('div', { class: 'plot' },
      svg('svg', { viewBox: `0 0 ${kWide} ${kHigh}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
        svg('path', { class: 'grid', d: `M0 .5H${kWide}M0 ${kHigh / 2}H${kWide}M0 ${kHigh - 0.5}H${kWide}` }), ...this.paths, this.hair),
      this.top, this.when);
    this.node = el('figure', { class: 'chart' },
      el('figcaption', {}, el('span', { class: 'title' }, title), el('span', { class: 'values' }, ...this.values.map((each) => each.node))),
      this.plot);
    this.plot.addEventListener('pointermove', (event) => {
      const box = this.plot.getBoundingClientRect();
      this.at = kWide * (event.clientX - box.left) / box.width;
      this.draw();
    });
    this.plot.addEventListener('pointerleave', () => { this.at = null; this.draw(); });
  }

  update(model, track) {
    Object.assign(this, { model, track });
    this.draw();
  }

  draw() {
    if (!this.track) return;
    const { model, track } = this;
    const drawn = this.series.map(([field]) => points(model, track[field]));
    const figures = drawn.flat().map(([, value]) => value).filter(Number.isFinite);
    const [low, high] = this.range(Math.max(0, ...figures), Math.min(Infinity, ...figures));
    const height = (value) => kHigh - 1 - (kHigh - 2) * Math.min(1, Math.max(0, (value - low) / ((high - low) || 1)));
    drawn.forEach((all, i) => setAttribute(this.paths[i], 'd', line(all, height)));
    setText(this.top, figures.length ? this.write(high) : '');
    this.read(drawn);
  }

  // What is said in figures: of now, or of where the pointer is.
  read(drawn) {
    const all = drawn[0];
    const which = this.at == null || !all.length ? -1
      : all.reduce((best, point, i) => (Math.abs(point[0] - this.at) < Math.abs(all[best][0] - this.at) ? i : best), 0);
    setAttribute(this.hair, 'hidden', which < 0 ? '' : null);
    if (which >= 0) for (const end of ['x1', 'x2']) setAttribute(this.hair, end, all[which][0].toFixed(1));
    setText(this.when, which < 0 ? '' : `${Math.round(all[which][2])} s ago`);
    this.series.forEach(([field], i) =>
      setText(this.values[i].value, this.write(which < 0 ? this.track.now[field] : drawn[i][which]?.[1])));
  }
}

// A line without words, of the last minute, for a row.
export class Spark {
  constructor(field) {
    this.field = field;
    this.path = svg('path', { class: 'line', 'data-field': field });
    this.node = svg('svg', { class: 'spark', viewBox: `0 0 ${kWide} 20`, preserveAspectRatio: 'none', 'aria-hidden': 'true' }, this.path);
    this.node.spark = this;
  }

  update(model, track) {
    const all = points(model, track[this.field], 60);
    const most = ceiling(Math.max(1, ...all.map(([, value]) => value).filter(Number.isFinite)));
    setAttribute(this.path, 'd', line(all, (value) => 19 - 18 * Math.min(1, value / most)));
  }
}
