// The columns of services and of endpoints.

import { Spark } from './chart.js';
import { count, el, mark, milliseconds, percent, rate, setAttribute, setText, span } from './dom.js';

const state = {
  title: 'State', class: 'state',
  make: () => {
    const node = el('span', { class: 'said' });
    node.append(node.mark = mark(), node.word = el('span'));
    return node;
  },
  write: (node, item) => {
    node.mark.setLevel(item.level);
    setText(node.word, item.state);
  },
};

const name = (title) => ({ title, class: 'name', write: (item) => item.label });
const why = {
  title: 'Why', class: 'why', make: () => el('span'),
  write: (node, item) => {
    setText(node, item.why || '');
    setAttribute(node, 'title', item.why || null);
  },
};

const figure = (title, field, write) => ({ title, class: `figure ${field}`, write: (item) => write(item.track.now[field]) });
const spark = (model, title, field) => ({
  title, class: `line-of ${field}`, seen: true, make: () => new Spark(field).node, write: (node, item) => node.spark.update(model, item.track),
});

const signals = [
  figure('req/s', 'rate', rate), figure('success', 'success', percent), figure('p50', 'p50', milliseconds),
  figure('p95', 'p95', milliseconds), figure('p99', 'p99', milliseconds), figure('in flight', 'inFlight', count),
];

export const serviceColumns = (model) => [
  state, name('Service'),
  { title: 'Ready', class: 'figure ready', write: ({ cluster }) => (cluster ? `${cluster.ready}/${cluster.endpoints.length}` : '–') },
  spark(model, 'Requests', 'rate'), ...signals, why,
];

export const endpointColumns = (model) => [
  state, name('Endpoint'), { title: 'Service', class: 'of', write: (item) => item.service },
  spark(model, 'Requests', 'rate'), ...signals, why, spark(model, 'p95', 'p95'),
  { title: 'load', class: 'figure load', write: ({ endpoint }) => percent(endpoint.load) },
  { title: 'weight', class: 'figure weight', write: ({ endpoint }) => String(endpoint.weight) },
  { title: 'Version', class: 'version', write: ({ endpoint }) => [endpoint.version, endpoint.zone].filter(Boolean).join(' · ') },
  { title: 'since', class: 'figure since', write: ({ endpoint }) => span(endpoint.since_s) },
];
