// What stands below the lists: readiness, registry, certificates, errors, configuration.

import { byId, clock, el, mark, milliseconds, setText, span } from './dom.js';

// Drawn anew only when it says something else, so that what is selected or open in it stays.
const drawn = new Map();
function draw(id, facts, make) {
  const key = JSON.stringify(facts);
  if (drawn.get(id) === key) return;
  drawn.set(id, key);
  byId(id).replaceChildren(...[make()].flat());
}

const said = (level, word) => el('span', { class: 'said' }, mark(level), el('span', {}, word));
const nothing = (text) => el('p', { class: 'empty' }, text);

function facts(rows) {
  return el('dl', { class: 'facts' }, ...rows.map(([name, ...value]) => el('div', {}, el('dt', {}, name), el('dd', {}, ...value))));
}

function table(label, titles, rows) {
  return el('div', { class: 'scroll-x', tabindex: 0, role: 'region', 'aria-label': label },
    el('table', {}, el('thead', {}, el('tr', {}, ...titles.map((title) => el('th', { scope: 'col' }, title)))),
      el('tbody', {}, ...rows.map((cells) => el('tr', {}, ...cells.map((cell) => el('td', {}, cell)))))));
}

export function readiness({ parts }) {
  draw('readiness', parts, () => facts(parts.map((part) => [part.name,
    said(!part.ok ? 'bad' : part.warning ? 'warn' : 'ok', !part.ok ? 'not ready' : part.warning ? 'warning' : 'ok'), el('span', { class: 'detail' }, part.detail)])));
}

const kDay = 86400;
export function certificates({ certificates: all }) {
  const left = (seconds) => (seconds <= 0 ? 'expired' : seconds < 2 * kDay ? `${Math.floor(seconds / 3600)} h left` : `${Math.floor(seconds / kDay)} days left`);
  const level = (seconds) => (seconds <= 3600 ? 'bad' : seconds < 7 * kDay ? 'warn' : 'ok');
  const rows = all.map((each) => [each.owner, each.what, each.owner === 'identity' && each.left_s > 3600 ? 'ok' : level(each.left_s), left(each.left_s)]);
  draw('certificates', rows, () => (rows.length === 0 ? nothing('No certificate is shown or trusted.')
    : facts(rows.map(([owner, what, level, text]) => [owner, said(level, text), el('span', { class: 'detail' }, what)]))));
}

export function registry(view) {
  if (view.kind === 'none') return draw('registry', 'none', () => nothing('There is no registry: endpoints are from the configuration, files or DNS.'));
  const yes = (truth, word) => said(truth ? 'ok' : 'warn', truth ? word : `not ${word}`);
  const staleness = view.services.filter((each) => each.age_s != null).sort((a, b) => b.age_s - a.age_s);
  const old = staleness[0], stale = view.services.filter((each) => each.known === 'stale').length;
  const lease = (each) => Math.round(each.lease_left_s);
  const rows = [
    ['state', view.ready ? 'ok' : 'warn', view.ready ? 'ready' : 'not ready', view.detail], view.peers, view.sealed, view.signed, view.seeds, view.node_id, view.address,
    view.announced.map((each) => [each.service, each.address, each.sequence, lease(each)]), view.services.length, stale, old ? Math.floor(old.age_s) : -1];
  draw('registry', rows, () => [
    facts([
      ['state', said(rows[0][1], rows[0][2]), el('span', { class: 'detail' }, view.detail)],
      ['peers', String(view.peers)],
      ['packets', yes(view.sealed, 'sealed')],
      ['records', yes(view.signed, 'signed')],
      ['services', `${view.services.length} known`, stale ? said('warn', `${stale} stale`) : null],
      ['confirmed', old ? `longest ago ${span(old.age_s)}` : '–', old ? el('span', { class: 'detail' }, old.name) : null],
      ['seeds', ...(view.seeds.length ? view.seeds.map((each) => el('span', { class: 'detail' }, `${each.address} ${each.state}`)) : ['none'])],
      ['node', el('span', { class: 'detail' }, `${view.node_id} ${view.address}`)],
    ]),
    el('h3', {}, 'Own records'),
    view.announced.length ? table('Own records', ['service', 'address', 'sequence', 'lease'],
      view.announced.map((each) => [each.service, each.address, String(each.sequence), `${lease(each)} s`])) : nothing('Nothing is announced.'),
  ]);
}

// --- errors -----------------------------------------------------------------------------------------------------------

const isError = (each) => each.status === 0 || each.status >= 500 || (each.flag && each.flag !== 'none');

// `decisions`: of /explain, or null where there is no such page.
export function errors(decisions, filter) {
  if (!decisions) return draw('errors', null, () => nothing('This proxy does not explain its decisions (no /explain).'));
  const all = decisions.filter(isError).filter((each) => !filter || `${each.cluster} ${each.endpoint}`.toLowerCase().includes(filter)).slice(0, 20);
  const open = new Set([...byId('errors').querySelectorAll('details[open]')].map((each) => each.dataset.id));
  draw('errors', all, () => (all.length === 0 ? nothing('None among the last requests that were explained.')
    : el('ul', { class: 'errors' }, ...all.map((each) => el('li', {}, el('details', { 'data-id': each.id, open: open.has(String(each.id)) ? '' : null },
      el('summary', {}, mark(each.status === 0 || each.status >= 500 ? 'bad' : 'warn'), el('time', {}, clock(each.when)),
        el('b', {}, each.status ? String(each.status) : 'no answer'), el('span', { class: 'flag' }, each.flag && each.flag !== 'none' ? each.flag : ''),
        el('span', { class: 'what' }, `${each.method ?? ''} ${each.path ?? ''}`), el('span', { class: 'detail' }, [each.cluster, each.endpoint].filter(Boolean).join(' ')),
        el('span', { class: 'detail' }, milliseconds(each.duration_ms))),
      el('ol', {}, ...(each.sentences ?? []).map((sentence) => el('li', {}, sentence)))))))));
}

// --- configuration ----------------------------------------------------------------------------------------------------

// `versions`: of /config/history, or null where there is none.
export function history(versions) {
  if (!versions?.length) return draw('history', null, () => nothing('There is no history: this is the configuration the process was started with.'));
  draw('history', versions, () => table('History of the configuration', ['state', 'version', 'since', 'author', 'from', 'verdict', 'digest'],
    versions.map((each) => [each.current ? said('ok', 'in force') : 'before', String(each.number), new Date(each.time * 1000).toLocaleString([], { hour12: false }),
      each.author ?? '', each.source ?? '', each.verdict ?? '', String(each.digest ?? '').slice(0, 12)])));
}

// Each line with its comment, which says where its value is from, set apart.
export function yaml(text) {
  draw('yaml', text, () => text.split('\n').flatMap((line) => {
    const at = line.search(/(^|\s)#\s/);
    const code = at < 0 ? line : line.slice(0, at), origin = at < 0 ? null : el('i', {}, line.slice(at));
    return [code, origin, '\n'].filter((part) => part != null);
  }));
}

export function about({ version, revision, mode, uptime_s: uptime, config }) {
  const rows = { version: [version, revision].filter(Boolean).join(' '), mode, config: config.slice(0, 12), up: span(uptime) };
  const node = byId('about');
  if (!node.children.length) node.append(...Object.keys(rows).map((name) => el('div', {}, el('dt', {}, name), el('dd', { 'data-of': name }))));
  for (const [name, text] of Object.entries(rows)) setText(node.querySelector(`[data-of=${name}]`), text);
}
