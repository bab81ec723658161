// Clients and servers of gRPC with a proxy in between: everything must come out as it does without one.
// node run.js --outrider PROGRAM --modules FOLDER [--calls PROGRAM]
//   --modules: where @grpc/grpc-js is, or is put by npm; ends with 77 where it cannot be had. --calls: calls.cc, built.
'use strict';

const { execFile } = require('child_process');
const readline = require('readline');
const { isDeepStrictEqual } = require('util');
const { Proxy, begin, freePort } = require('../support/proxy.js');
const { option, packages, check, until, main } = require('../support/script.js');
const { workloadApi } = require('./agent.js');
const { Calls, kScenarios } = require('./calls.js');
const { Service } = require('./service.js');
const { webDeadlines, webScenarios } = require('./web.js');

// Each scenario without and with the proxy. `service`: its port, and what it has heard.
async function compare(grpc, folder, between, port, service) {
  const proxy = await new Proxy(folder).start([port]);
  const direct = new Calls(grpc, port), proxied = new Calls(grpc, proxy.port);
  for (const [name, scenario] of Object.entries(kScenarios)) {
    const wanted = await scenario(direct, service), seen = await scenario(proxied, service);
    check(`${between}: ${name}`, isDeepStrictEqual(seen, wanted), { wanted, seen });
  }
  const connections = await proxy.metric('outrider_connections_total', 'listener="edge"');
  check(`${between}: one connection from the client carried all of them`, connections === 1, connections);
  const good = await proxy.metric('outrider_grpc_responses_total', 'grpc_status="0"');
  check(`${between}: calls are counted by their status`, good >= 2000, good);
  direct.close();
  proxied.close();
  await proxy.stop();
}

// The service in C++, and what it says it has heard.
class Served {
  constructor(program) {
    this.calls = this.cancelled = 0;
    this.process = begin(program, ['serve'], { stdio: ['pipe', 'pipe', 'inherit'] });
    readline.createInterface({ input: this.process.stdout }).on('line', (line) => {
      if (line === 'call') ++this.calls;
      else if (line === 'cancelled') ++this.cancelled;
      else this.port = Number(line.split(' ')[1]);
    });
  }

  async start() {
    await until('the service in C++ listens', () => this.port);
    return this.port;
  }

  stop() { this.process.stdin.end(); }
}

// What the client in C++ says, without and with the proxy.
async function compareLines(folder, between, port) {
  const proxy = await new Proxy(folder).start([port]);
  const lines = (at) => new Promise((resolve) => execFile(option('calls'), ['call', String(at)], { timeout: 240000 },
    (error, out) => resolve([error ? String(error) : 'ended well', ...out.split('\n')])));
  const wanted = await lines(port), seen = await lines(proxy.port);
  check(`${between}: ends well`, wanted[0] === 'ended well' && wanted.length > 20, wanted);
  wanted.forEach((line, i) => check(`${between}: ${line.slice(0, 60)}`, seen[i] === line, { wanted: line, seen: seen[i] }));
  await proxy.stop();
}

async function brokenServer(grpc, folder) {
  const service = new Service(grpc);
  const proxy = await new Proxy(folder).start([await service.start()]);
  const calls = new Calls(grpc, proxy.port);
  const { code, messages } = await calls.stream('Talk', undefined, {
    started(call) { call.write(Buffer.from('one')); }, each() { service.stop(); },
  });
  const after = await calls.call('Echo', Buffer.from('x'));
  check('a server that dies in a conversation, and one that is not there, are unavailable',
    code === grpc.status.UNAVAILABLE && messages.length === 1 && after.code === grpc.status.UNAVAILABLE, [code, after.code]);
  calls.close();
  await proxy.stop();
}

const counts = (services) => services.map((service) => service.calls);
const since = (services, before) => services.map((service, i) => service.calls - before[i]);
const within = (seen, least, most) => seen.every((count) => count >= least && count <= most);

// One connection of one client: every call goes where the balancer says.
async function spread(grpc, folder) {
  const services = Array.from({ length: 4 }, () => new Service(grpc));
  const ports = [];
  for (const service of services) ports.push(await service.start());
  for (const [balancer, least, most] of [['round_robin', 99, 101], ['random', 60, 140], ['least_request', 60, 140]]) {
    const proxy = await new Proxy(folder).start(ports, `, lb: ${balancer}`);
    const calls = new Calls(grpc, proxy.port);
    const before = counts(services);
    for (let i = 0; i < 4; ++i) await Promise.all(Array.from({ length: 100 }, () => calls.call('Echo', Buffer.from('x'))));
    const seen = since(services, before);
    check(`${balancer} spreads the calls of one connection`, within(seen, least, most), seen);
    calls.close();
    await proxy.stop();
  }
  // Calls that stay: of two endpoints the one with fewer of them.
  const proxy = await new Proxy(folder).start(ports, ', lb: least_request');
  const calls = new Calls(grpc, proxy.port);
  const before = counts(services), open = [];
  await Promise.all(Array.from({ length: 120 }, () => new Promise((resolve) => calls.stream('Talk', undefined, {
    started(call) { open.push(call); call.write(Buffer.from('x')); }, each: resolve,
  }))));
  const seen = since(services, before);
  check('least_request spreads calls that stay', within(seen, 24, 36), seen);
  open.forEach((call) => call.end());
  calls.close();
  await proxy.stop();
  services.forEach((service) => service.stop());
}

// An endpoint is asked how it is by grpc.health.v1; one that joins has its share, one that does not serve has none.
async function health(grpc, folder) {
  const services = Array.from({ length: 5 }, () => new Service(grpc));
  const ports = [];
  for (const service of services.slice(0, 4)) ports.push(await service.start());
  ports.push(await freePort());
  const proxy = await new Proxy(folder).start(ports,
    ', lb: round_robin, health_check: {grpc: test.Calls, interval: 1s, timeout: 1s, healthy: 1}');
  const stateIs = (name, count) => until(`${count} are ${name}`,
    async () => await proxy.metric('outrider_cluster_endpoints', `state="${name}"`) === count);
  await stateIs('unhealthy', 1);
  await stateIs('ready', 4);
  const calls = new Calls(grpc, proxy.port);
  const rounds = async (count) => {
    const before = counts(services), ends = [];
    for (let i = 0; i < count; ++i) ends.push((await calls.call('Echo', Buffer.from('x'))).code);
    check(`${count} calls, one after the other, all end well`, ends.every((code) => code === 0), ends);
    return since(services, before);
  };
  const without = await rounds(80);
  check('who is not there is not asked', without[4] === 0 && within(without.slice(0, 4), 19, 21), without);
  await services[4].start(ports[4]);
  await stateIs('ready', 5);
  const joined = await rounds(100);
  check('who joins has its share', within(joined, 19, 21), joined);
  check('the check names the service', services.every((service) => service.checked.includes('test.Calls')), services.map((s) => s.checked[0]));
  services[0].serving = false;
  await stateIs('unhealthy', 1);
  const left = await rounds(80);
  check('who does not serve is not asked', left[0] === 0 && within(left.slice(1), 19, 21), left);
  calls.close();
  await proxy.stop();
  services.forEach((service) => service.stop());
}

// From a client that has no trailers: by one proxy, and by one with another before it that sends its calls on by HTTP/2.
async function web(folder, port, service) {
  const bridge = await new Proxy(folder).start([port], '', '[{grpc_web: {}}]');
  const before = await new Proxy(folder).start([bridge.port], ', protocol: http2');
  await webScenarios(bridge.port, 'over HTTP/1', service);
  await webScenarios(before.port, 'over HTTP/2', service);
  await webDeadlines(bridge.port);
  const counts = {};
  for (const status of [0, 1, 4, 9, 12]) counts[status] = await bridge.metric('outrider_grpc_responses_total', `grpc_status="${status}"`);
  check('gRPC-Web is counted by its status', isDeepStrictEqual(counts, { 0: 12, 1: 4, 4: 2, 9: 4, 12: 4 }), counts);
  await before.stop();
  await bridge.stop();
}

main(async (folder) => {
  const grpc = packages(__dirname)['@grpc/grpc-js'];
  const service = new Service(grpc);
  const port = await service.start();
  await compare(grpc, folder, 'JavaScript to JavaScript', port, service);
  if (option('calls')) {
    const served = new Served(option('calls'));
    await compare(grpc, folder, 'JavaScript to C++', await served.start(), served);
    await compareLines(folder, 'C++ to C++', served.port);
    await compareLines(folder, 'C++ to JavaScript', port);
    served.stop();
  } else {
    console.log('without C++: libgrpc++-dev is not installed');
  }
  await web(folder, port, service);
  service.stop();
  await brokenServer(grpc, folder);
  await spread(grpc, folder);
  await health(grpc, folder);
  await workloadApi(grpc, folder);
});
