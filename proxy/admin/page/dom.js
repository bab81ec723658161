// Elements and figures. Text from the network becomes text nodes and attributes here, never markup.

const kSvg = 'http://www.w3.org/2000/svg';

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) setAttribute(node, name, value);
  node.append(...children.filter((child) => child != null));
  return node;
}

export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(kSvg, tag), attributes, children);
}

// Both write only what is another: a page that looks every second changes little each time.
export function setText(node, text) {
  if (node.said !== text) node.textContent = node.said = text;
}

export function setAttribute(node, name, value) {
  if (value == null || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

export const byId = (id) => document.getElementById(id);

// --- figures ----------------------------------------------------------------------------------------------------------

const kNothing = '–';
const isFigure = (number) => number != null && Number.isFinite(number);

export function count(number) {
  if (!isFigure(number)) return kNothing;
  if (number >= 1e6) return `${(number / 1e6).toFixed(1)}M`;
  if (number >= 1e4) return `${(number / 1e3).toFixed(1)}k`;
  return String(Math.round(number));
}

export function rate(number) {
  if (!isFigure(number)) return kNothing;
  return number >= 100 || number === 0 ? count(number) : number.toFixed(1);
}

// 100 % is said of nothing but what never failed.
export function percent(share) {
  if (!isFigure(share)) return kNothing;
  if (share === 1 || share === 0) return `${share * 100} %`;
  return `${(Math.floor(share * 1e4) / 100).toFixed(share > 0.99 ? 2 : 1)} %`;
}

export function milliseconds(number) {
  if (!isFigure(number)) return kNothing;
  if (number >= 10000) return `${(number / 1000).toFixed(0)} s`;
  if (number >= 1000) return `${(number / 1000).toFixed(1)} s`;
  return `${number >= 100 ? number.toFixed(0) : number >= 10 ? number.toFixed(1) : number.toFixed(2)} ms`;
}

export function span(seconds) {
  if (!isFigure(seconds)) return kNothing;
  const whole = Math.floor(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 172800) return `${Math.floor(whole / 3600)} h ${Math.floor(whole / 60) % 60} min`;
  return `${Math.floor(whole / 86400)} d`;
}

export function clock(unixSeconds) {
  return new Date(unixSeconds * 1000).toLocaleTimeString([], { hour12: false });
}

// --- states -----------------------------------------------------------------------------------------------------------

// Colour is never alone: each level has a shape, and a word stands beside it.
const kShapes = {
  ok: 'M6 1.5a4.5 4.5 0 1 1 0 9a4.5 4.5 0 1 1 0-9z',
  warn: 'M6 1L11.5 10.5H.5z',
  bad: 'M1.5 1.5h9v9h-9z',
  none: 'M6 2.3a3.7 3.7 0 1 1 0 7.4a3.7 3.7 0 1 1 0-7.4z',
};

export function mark(level = 'none') {
  const path = svg('path', { d: kShapes[level] });
  const node = svg('svg', { class: 'mark', viewBox: '0 0 12 12', 'aria-hidden': 'true', 'data-level': level }, path);
  node.setLevel = (next) => {
    setAttribute(node, 'data-level', next);
    setAttribute(path, 'd', kShapes[next]);
  };
  return node;
}
