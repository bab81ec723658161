// The page: what is asked for, what is chosen, and who draws what.

import { Chart } from './chart.js';
import { byId, count, milliseconds, percent, rate, setAttribute, setText, span } from './dom.js';
import { Graph } from './graph.js';
import { Grid } from './grid.js';
import { endpointColumns, serviceColumns } from './lists.js';
import { Model } from './model.js';
import { Poller, Seldom, json, text } from './poll.js';
import * as sections from './sections.js';

const model = new Model();
let chosen = null;              // the key of a service or an endpoint
let filter = '';

// --- what there is to see ---------------------------------------------------------------------------------------------

const charts = [
  new Chart({ title: 'Requests per second', series: [['rate', '']], write: rate }),
  new Chart({ title: 'Success', series: [['success', '']], write: percent,
    range: (most, least) => [Math.min(0.95, Number.isFinite(least) ? Math.floor(least * 20) / 20 : 1), 1] }),
  new Chart({ title: 'Latency', series: [['p50', 'p50'], ['p95', 'p95'], ['p99', 'p99']], write: milliseconds }),
  new Chart({ title: 'Saturation', series: [['inFlight', 'in flight'], ['waiting', 'waiting']], write: count }),
];
byId('charts').append(...charts.map((chart) => chart.node));

const services = new Grid({ label: 'Services', columns: serviceColumns(model), most: 400, choose });
const endpoints = new Grid({ label: 'Endpoints', columns: endpointColumns(model), most: 200, choose });
const graph = new Graph((key) => choose(key === chosen ? null : key));
byId('services').append(services.node);
byId('endpoints').append(endpoints.node);
byId('graph').append(graph.node);

const fits = (item) => !filter || item.label.toLowerCase().includes(filter) || (item.service ?? '').toLowerCase().includes(filter);
const found = (key) => model.services.find((each) => each.key === key) ?? model.endpoints.find((each) => each.key === key);

function choose(key) {
  chosen = key;
  draw();
}

function tell(noun, all, shown) {
  const bad = shown.filter((each) => each.level === 'bad').length, warn = shown.filter((each) => each.level === 'warn').length;
  return [shown.length === all.length ? `${all.length} ${noun}` : `${shown.length} of ${all.length} ${noun}`,
    bad ? `${bad} in trouble` : '', warn ? `${warn} to look at` : ''].filter(Boolean).join(', ');
}

function draw() {
  if (!model.overview) return;
  const subject = chosen && found(chosen), service = subject?.service ?? subject?.name;
  setText(byId('subject'), subject ? subject.label : 'All traffic');
  setText(byId('subject-note'), subject ? [subject.service, subject.state, subject.why].filter(Boolean).join(' · ') : '');
  byId('back').hidden = !chosen;
  for (const chart of charts) chart.update(model, subject ? subject.track : model.all);

  const shown = model.services.filter((each) => fits(each) || model.endpoints.some((one) => one.service === each.name && fits(one)));
  services.chosen = subject?.service === undefined ? chosen : `service ${subject.service}`;
  services.update(shown, filter ? 'No service has that in its name.' : 'There are no services yet.');
  setText(byId('services-note'), tell('', model.services, shown).replace(/ (?=,|$)/, ''));
  const below = model.endpoints.filter((each) => (subject ? each.service === service : fits(each)));
  endpoints.chosen = chosen;
  endpoints.update(below, subject ? 'It has no endpoints.' : filter ? 'No endpoint fits the filter.' : 'There are no endpoints.');
  setText(byId('endpoints-note'), `${subject ? `of ${service}: ` : ''}${tell('', below, below).replace(/ (?=,|$)/, '')}`);
  graph.update(model, shown, services.chosen);
  byId('main').classList.toggle('few', model.services.length < 6);
}

// --- what is said of it -----------------------------------------------------------------------------------------------

const levels = new Map();       // of each endpoint, as it was last seen
function announce() {
  const news = [];
  for (const each of model.endpoints) {
    const before = levels.get(each.key);
    if (before && before !== each.state) news.push(`${each.service} ${each.label}: ${each.state}${each.why ? `, ${each.why}` : ''}`);
    levels.set(each.key, each.state);
  }
  if (news.length) setText(byId('said'), news.slice(0, 3).join('. ') + (news.length > 3 ? ` and ${news.length - 3} more` : ''));
}

function head(overview) {
  document.title = `${overview.name} – Outrider`;
  setText(byId('name'), overview.name);
  const warned = overview.parts.some((part) => part.warning);
  setAttribute(byId('ready'), 'data-level', !overview.ready ? 'bad' : warned ? 'warn' : 'ok');
  setText(byId('ready'), !overview.ready ? 'not ready' : warned ? 'ready, with warnings' : 'ready');
  byId('overload').hidden = overview.overload.level === 0;
  setText(byId('overload'), `overload ${overview.overload.level}`);
  setAttribute(byId('overload'), 'title', overview.overload.why);
  sections.about(overview);
}

function onState(state, seconds, error) {
  const node = byId('link');
  setAttribute(node, 'data-level', { live: 'ok', paused: 'none', lost: 'bad' }[state]);
  setText(node, { live: 'live', paused: 'paused', lost: `no answer for ${span(seconds)}` }[state]);
  setAttribute(document.body, 'data-state', state);
  if (state !== 'live') model.pause();
  if (error && !(error instanceof TypeError || error.name === 'TimeoutError')) console.error(error);   // not of the network
}

// --- what is asked ----------------------------------------------------------------------------------------------------

let pages = [];
const has = (path) => pages.includes(path);
const asked = {
  services: new Seldom(10, () => json('services')),      // to ask is to have the registry go on reading: not each second
  registry: new Seldom(2, () => json('registry')),
  explain: new Seldom(2, () => (has('/explain') ? json('explain?limit=100') : null)),
  history: new Seldom(10, () => (has('/config/history') ? json('config/history') : null)),
};
let shownConfig = null;         // the digest of what #yaml shows

async function look(now) {
  const [overview, clusters] = await Promise.all([json('overview'), json('clusters?times')]);
  pages = overview.pages;
  const changed = overview.config !== model.overview?.config;
  const listed = asked.services.last?.services;
  model.take(now, overview, clusters.clusters, listed);
  head(overview);
  draw();
  announce();
  sections.readiness(overview);
  sections.certificates(overview);
  const [known, registry, explained, past] = await Promise.all([asked.services.get(now), asked.registry.get(now), asked.explain.get(now),
    asked.history.get(now, changed)]);
  sections.registry({ ...registry, services: known.services });
  sections.errors(explained?.decisions ?? null, filter);
  sections.history(past?.versions);
  if (byId('configuration').open && shownConfig !== overview.config) await showConfig();
}

async function showConfig() {
  shownConfig = model.overview?.config;
  sections.yaml(await text('config'));
}

// --- keys and clicks --------------------------------------------------------------------------------------------------

byId('configuration').addEventListener('toggle', () => {
  if (byId('configuration').open && shownConfig !== model.overview?.config) showConfig().catch(() => { shownConfig = null; });
});
byId('back').addEventListener('click', () => {
  choose(null);
  services.focus();
});
byId('filter').addEventListener('input', (event) => {
  filter = event.target.value.trim().toLowerCase();
  chosen = null;
  draw();
});
byId('filter').addEventListener('keydown', (event) => {
  if (event.key === 'ArrowDown' || event.key === 'Enter') {
    services.focus();
    event.preventDefault();
  }
});
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === '/' && event.target !== byId('filter')) {
    byId('filter').focus();
    byId('filter').select();
    event.preventDefault();
  } else if (event.key === 'Escape' && chosen) choose(null);
  else if (event.key === 'Escape' && filter) {
    byId('filter').value = filter = '';
    draw();
  } else if (event.key === 'Escape') document.activeElement?.blur();
});

new Poller(look, onState);
