// An agent of SPIFFE's Workload API, as a library of gRPC serves one, and a proxy that gets its identity there.
'use strict';

const { execFileSync } = require('child_process');
const crypto = require('crypto');
const fs = require('fs');
const path = require('path');
const { Proxy } = require('../support/proxy.js');
const { option, check, until } = require('../support/script.js');

const kId = 'spiffe://mesh.local/ns/default/sa/web';

function field(number, bytes) {
  const head = [number << 3 | 2];
  let size = bytes.length;
  for (; size >= 128; size >>= 7) head.push(size & 127 | 128);
  return Buffer.concat([Buffer.from([...head, size]), bytes]);
}

const der = (file) => new crypto.X509Certificate(fs.readFileSync(file)).raw;

class Agent {
  constructor(grpc, folder) {
    this.grpc = grpc;
    this.ca = path.join(folder, 'agent-ca');
    this.out = path.join(folder, 'agent-id');
    this.socket = path.join(folder, 'agent.sock');
    this.calls = new Set();
    execFileSync(option('outrider'), ['identity', 'dev-ca', this.ca]);
    this.issue();
  }

  issue() {
    execFileSync(option('outrider'), ['identity', 'issue', '--ca', this.ca, '--id', kId, '--out', this.out]);
    const key = crypto.createPrivateKey(fs.readFileSync(path.join(this.out, 'tls.key')));
    this.answer = field(1, Buffer.concat([field(1, Buffer.from(kId)), field(2, der(path.join(this.out, 'tls.crt'))),
      field(3, key.export({ type: 'pkcs8', format: 'der' })), field(4, der(path.join(this.ca, 'ca.crt')))]));
    this.calls.forEach((call) => call.write(this.answer));
  }

  async start() {
    const raw = (bytes) => bytes;
    this.server = new this.grpc.Server();
    this.server.addService({ Fetch: {
      path: '/SpiffeWorkloadAPI/FetchX509SVID', requestStream: false, responseStream: true,
      requestSerialize: raw, requestDeserialize: raw, responseSerialize: raw, responseDeserialize: raw,
    } }, { Fetch: (call) => {
      if (call.metadata.get('workload.spiffe.io')[0] !== 'true')
        return call.emit('error', { code: this.grpc.status.INVALID_ARGUMENT, details: 'security header missing' });
      this.calls.add(call);
      call.on('cancelled', () => this.calls.delete(call));
      return call.write(this.answer);
    } });
    await new Promise((resolve, reject) => this.server.bindAsync(`unix:${this.socket}`,
      this.grpc.ServerCredentials.createInsecure(), (error) => (error ? reject(error) : resolve())));
  }

  stop() {
    this.server.forceShutdown();
    this.calls.clear();
    fs.rmSync(this.socket, { force: true });
  }
}

async function workloadApi(grpc, folder) {
  const agent = new Agent(grpc, folder);
  await agent.start();
  const proxy = await new Proxy(folder).start([1], '', '[]', `identity: {workload_api: "unix:${agent.socket}"}\n`);
  const identity = await proxy.metric('outrider_identity_info', `spiffe_id="${kId}"`);
  check('an agent gives the identity', identity === 1, identity);
  const renewals = (count) => until(`${count} renewals`, async () =>
    await proxy.metric('outrider_identity_rotations_total', 'result="success"') === count);
  agent.issue();
  await renewals(1);
  agent.stop();
  await agent.start();
  agent.issue();
  await renewals(2);
  check('and each new one, also when it has been away', agent.calls.size === 1, agent.calls.size);
  await proxy.stop();
  agent.stop();
}

module.exports = { workloadApi };
