// The proxy as an object, for test programs of Node.
'use strict';

const { spawn } = require('child_process');
const fs = require('fs');
const http = require('http');
const net = require('net');
const path = require('path');
const { option, until } = require('./script.js');

const kHost = '127.0.0.1';

// What is begun here ends with this program, whatever happens.
const children = [];
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));
function begin(...command) {
  children.push(spawn(...command));
  return children[children.length - 1];
}

// Below the range that the system gives out by itself.
async function freePort() {
  for (;;) {
    const port = 20000 + Math.floor(Math.random() * 12000);
    const free = await new Promise((resolve) => {
      const server = net.createServer().once('error', () => resolve(false));
      server.listen(port, kHost, () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
}

class Proxy {
  constructor(folder) { this.folder = folder; }

  // `cluster`: further keys of it, behind a comma. `filters`: a list of them. `more`: further blocks.
  async start(endpoints, cluster = '', filters = '[]', more = '') {
    this.port = await freePort();
    this.metricsPort = await freePort();
    return this.run(`
version: 1
registry: {kind: none}
listeners: {edge: {address: "${kHost}:${this.port}", http: {max_body: off}}}
routes: {edge: [{cluster: web}]}
filters: {edge: ${filters}}
clusters: {web: {endpoints: [${endpoints.map((port) => `"${kHost}:${port}"`).join(', ')}]${cluster}}}
telemetry: {metrics: {address: "${kHost}:${this.metricsPort}"}, log: {level: error}}
admin: {address: off, health: off}
lifecycle: {drain: {delay: 0}}
overload: {threads: 1}
${more}`);
  }

  // By a configuration of the test's own, which has `metricsPort`.
  async run(configuration) {
    this.metricsPort ??= await freePort();
    const file = path.join(this.folder, `${this.metricsPort}.yaml`);
    fs.writeFileSync(file, typeof configuration === 'function' ? configuration(this) : configuration);
    this.process = begin(option('outrider'), ['run', '-c', file], { stdio: ['ignore', 'inherit', 'inherit'] });
    this.process.on('exit', (code, signal) => { this.exited = signal || String(code); });
    await until('the proxy listens', () => {
      if (this.exited) throw new Error(`the proxy has ended: ${this.exited}`);
      this.page().then((page) => { this.up = page !== ''; });
      return this.up;
    });
    return this;
  }

  page() {
    return new Promise((resolve) => http.get({ host: kHost, port: this.metricsPort, path: '/metrics' }, (answer) => {
      let text = '';
      answer.on('data', (part) => { text += part; });
      answer.on('end', () => resolve(text));
    }).on('error', () => resolve('')));
  }

  // The sum of all series of that name with these labels.
  async metric(name, labels = '') {
    let sum = 0;
    for (const line of (await this.page()).split('\n'))
      if (line.startsWith(`${name}{`) && line.includes(labels)) sum += Number(line.split(' ').pop());
    return sum;
  }

  async stop() {
    if (!this.exited) this.process.kill('SIGTERM');
    await until('the proxy ends', () => this.exited);
    if (this.exited !== '0') throw new Error(`the proxy ended with ${this.exited}`);
  }
}

module.exports = { Proxy, begin, freePort, kHost };
