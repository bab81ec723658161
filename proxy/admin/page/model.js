// What was polled, as figures over time. Counters only rise: what is shown are their differences.

export const kKept = 240;           // samples of each track
export const kShown = 240;          // seconds a chart is wide
const kWindow = 5;                  // samples that success and quantiles are of
const kWraps = 2 ** 32;             // where an endpoint's counts begin anew

export const kFields = ['rate', 'success', 'p50', 'p95', 'p99', 'inFlight', 'waiting'];

// How many took about so long between two looks: [[ms, count], ...] rising.
function between(before, after) {
  const known = new Map(before);
  const all = [];
  for (const [time, count] of after) {
    let more = count - (known.get(time) ?? 0);
    if (more < 0) more += kWraps;
    if (more > 0) all.push([time, more]);
  }
  return all;
}

function quantiles(times, wanted) {
  const all = times.reduce((sum, [, count]) => sum + count, 0);
  if (all === 0) return wanted.map(() => NaN);
  return wanted.map((q) => {
    let rank = Math.max(1, Math.ceil(q * all));
    for (const [time, count] of times) if ((rank -= count) <= 0) return time;
    return times[times.length - 1][0];
  });
}

// The same subject second by second; entry i of every field is of the model's i-th time.
export class Track {
  constructor() {
    for (const field of kFields) this[field] = new Float32Array(kKept).fill(NaN);
    this.now = Object.fromEntries(kFields.map((field) => [field, NaN]));   // of the last samples together
    this.raw = [];
    this.tick = -1;
  }

  // `raw`: at (s), requests, ended, failed, inFlight, waiting, times.
  add(tick, raw) {
    this.tick = tick;
    const at = tick % kKept, before = this.raw[this.raw.length - 1];
    if (before && raw.requests < before.requests) this.raw = [];   // somebody else has its name now
    this.raw.push(raw);
    if (this.raw.length > kWindow + 1) this.raw.shift();
    const first = this.raw[0], last = this.raw[this.raw.length - 2], now = this.now;
    now.inFlight = raw.inFlight;
    now.waiting = raw.waiting ?? NaN;
    now.rate = now.success = now.p50 = now.p95 = now.p99 = NaN;
    if (last) {
      now.rate = (raw.requests - first.requests) / (raw.at - first.at);
      const ended = raw.ended - first.ended;
      if (ended > 0) now.success = Math.min(1, Math.max(0, 1 - (raw.failed - first.failed) / ended));
      [now.p50, now.p95, now.p99] = quantiles(between(first.times, raw.times), [0.5, 0.95, 0.99]);
    }
    for (const field of kFields) this[field][at] = now[field];
    if (last) this.rate[at] = (raw.requests - last.requests) / (raw.at - last.at);
  }

  skip(tick) {
    this.tick = tick;
    for (const field of kFields) this[field][tick % kKept] = this.now[field] = NaN;
  }
}

const kSilent = new Track();   // of whom nothing is known

function sum(all) {
  const times = new Map(), total = { at: 0, requests: 0, ended: 0, failed: 0, inFlight: 0, waiting: 0 };
  for (const raw of all) {
    total.at = raw.at;
    for (const name of ['requests', 'ended', 'failed', 'inFlight', 'waiting']) total[name] += raw[name] ?? 0;
    for (const [time, count] of raw.times) times.set(time, (times.get(time) ?? 0) + count);
  }
  total.times = [...times].sort((a, b) => a[0] - b[0]);
  return total;
}

const worse = { bad: 0, warn: 1, none: 3, ok: 2 };
export const byTrouble = (a, b) => worse[a.level] - worse[b.level] || (a.key < b.key ? -1 : 1);

// --- what to make of it -----------------------------------------------------------------------------------------------

const kEndpointLevels = { ready: 'ok', draining: 'none', unknown: 'none', stale: 'warn', ejected: 'bad', unhealthy: 'bad' };
const kPoor = 0.95, kGood = 0.99;   // shares of success below which something is wrong, or worth a look

function failing(success) { return `${((1 - success) * 100).toFixed(1)} % fail`; }

function judgeEndpoint(endpoint, track) {
  const level = kEndpointLevels[endpoint.state] ?? 'none', { success } = track.now;
  if (level === 'ok' && success < kPoor) return ['warn', 'ready', failing(success)];
  return [level, endpoint.state, endpoint.why];
}

function judgeService(cluster, track) {
  const all = cluster.endpoints, ready = all.filter((each) => each.state === 'ready').length;
  const out = all.filter((each) => kEndpointLevels[each.state] === 'bad').length, { success } = track.now;
  if (all.length === 0 && cluster.known === 'not_yet') return ['none', 'waiting', 'not looked up yet'];
  if (all.length === 0 && cluster.known === 'fixed') return ['none', 'idle', 'its endpoints are whatever is called'];
  if (all.length === 0) return ['bad', 'nobody', cluster.why || 'it has no endpoints'];
  if (ready === 0 && out > 0) return ['bad', 'down', cluster.why || `none of ${all.length} is ready`];
  if (cluster.panic) return ['bad', 'panic', 'so few are well that all are asked'];
  if (success < kPoor) return ['bad', 'failing', failing(success)];
  if (out > 0) return ['warn', 'degraded', `${out} of ${all.length} out`];
  if (cluster.known === 'stale') return ['warn', 'stale', cluster.why || 'the registry has not confirmed it'];
  if (success < kGood) return ['warn', 'degraded', failing(success)];
  return ['ok', 'ok', cluster.why];
}

// What is counted and is no cluster.
const kLabels = { '': 'led nowhere', __other__: 'all others' };
const kNoService = {
  '': ['none', 'no cluster', 'no rule led anywhere'],
  __other__: ['none', 'together', 'beyond telemetry.metrics.max_series they are counted together'],
};

// --------------------------------------------------------------------------------------------------------------------

export class Model {
  constructor() {
    this.times = new Float64Array(kKept).fill(NaN);   // when each sample came, in seconds of this page's clock
    this.reset();
  }

  reset() {
    this.tick = -1;
    this.times.fill(NaN);
    this.tracks = new Map();
    this.all = new Track();
    this.services = [];
    this.endpoints = [];
    this.peers = [];
  }

  // After a pause rates begin anew, for nobody knows how they were in between.
  pause() {
    this.all.raw = [];
    for (const track of this.tracks.values()) track.raw = [];
  }

  track(key) {
    if (!this.tracks.has(key)) this.tracks.set(key, new Track());
    return this.tracks.get(key);
  }

  // `listed`: of /services, or null while that is not known.
  take(now, overview, clusters, listed) {
    if (this.overview && overview.uptime_s < this.overview.uptime_s) this.reset();   // another process
    this.overview = overview;
    const tick = ++this.tick, at = overview.uptime_s;
    this.times[tick % kKept] = now;
    this.takeServices(tick, at, overview, clusters, listed);
    this.takePeers(tick, at, overview.peers);
    for (const [key, track] of this.tracks) {   // who is gone stays on the charts as long as they are wide
      if (track.tick === tick) continue;
      track.missed = (track.missed ?? 0) + 1;
      if (track.missed > kKept) this.tracks.delete(key);
      else track.skip(tick);
    }
  }

  takeServices(tick, at, overview, clusters, listed) {
    const traffic = new Map(), waiting = new Map(overview.upstream.map((each) => [each.cluster, each.pending]));
    for (const each of overview.traffic) {
      const raw = { at, requests: each.requests, ended: each.requests, failed: each.failures, inFlight: each.in_flight, times: each.duration_ms };
      if (!traffic.has(each.cluster)) traffic.set(each.cluster, { raw: [], directions: [] });
      traffic.get(each.cluster).raw.push(raw);
      traffic.get(each.cluster).directions.push(each.direction);
    }
    this.all.add(tick, { ...sum([...traffic.values()].flatMap((each) => each.raw)), at, waiting: [...waiting.values()].reduce((a, b) => a + b, 0) });
    this.services = [];
    this.endpoints = [];
    // What is counted of endpoints stands in for services beyond telemetry.metrics.max_series, which have no counters of their own.
    const add = (name, cluster, ofEndpoints = []) => {
      const { raw = ofEndpoints, directions = [] } = traffic.get(name) ?? {};
      traffic.delete(name);
      const key = `service ${name}`, track = this.track(key);
      track.add(tick, { ...sum(raw), at, waiting: waiting.get(name) ?? 0 });
      const [level, state, why] = cluster ? judgeService(cluster, track) : kNoService[name] ?? ['none', 'gone', 'it is configured no more'];
      this.services.push({ key, name, label: kLabels[name] ?? name, cluster, track, directions, level, state, why });
    };
    for (const cluster of clusters) {
      add(cluster.name, cluster, cluster.endpoints.map((endpoint) => this.takeEndpoint(tick, at, cluster.name, endpoint)));
    }
    for (const name of [...traffic.keys()])
      if (traffic.get(name).raw.some((each) => each.requests > 0)) add(name, null);
    const known = new Set(this.services.map((each) => each.name));
    for (const each of listed ?? [])
      if (!known.has(each.name) && each.role !== 'announced')
        this.services.push({ key: `service ${each.name}`, name: each.name, label: each.name, cluster: null, directions: [], level: 'none',
          track: kSilent, state: 'listed', why: 'nobody here has asked for it' });
    this.services.sort(byTrouble);
    this.endpoints.sort(byTrouble);
  }

  takeEndpoint(tick, at, service, endpoint) {
    const key = `endpoint ${service} ${endpoint.address} ${endpoint.identity}`, track = this.track(key);
    const answers = endpoint.first_byte_ms.reduce((all, [, count]) => all + count, 0);
    const raw = { at, requests: endpoint.requests, ended: answers + endpoint.unanswered, failed: endpoint.errors + endpoint.unanswered,
      inFlight: endpoint.in_flight, times: endpoint.first_byte_ms };
    track.add(tick, raw);
    const [level, state, why] = judgeEndpoint(endpoint, track);
    this.endpoints.push({ key, service, name: endpoint.address, label: endpoint.address, endpoint, track, level, state, why });
    return raw;
  }

  takePeers(tick, at, peers) {
    this.peers = peers.map((each) => {
      const track = this.track(`peer ${each.direction} ${each.peer}`);
      track.add(tick, { at, requests: each.requests, ended: each.requests, failed: each.failures, inFlight: NaN, times: [] });
      return { ...each, track };
    });
  }
}
