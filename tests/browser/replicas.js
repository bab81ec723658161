// Endpoints that can be killed, and somebody who asks for them all the time.
'use strict';

const http = require('http');
const { kHost } = require('../support/proxy.js');

class Replica {
  constructor({ delay = 0, fails = 0 } = {}) {
    this.asked = 0;
    this.server = http.createServer((request, answer) => {
      const bad = request.url !== '/health' && ++this.asked * fails % 1 + fails >= 1;
      setTimeout(() => {
        answer.writeHead(bad ? 500 : 200);
        answer.end(bad ? 'no' : 'yes');
      }, delay);
    });
  }

  start(port = 0) {
    return new Promise((resolve) => this.server.listen(port, kHost, () => {
      this.address = `${kHost}:${this.server.address().port}`;
      resolve(this.address);
    }));
  }

  // Where it was before.
  again() {
    this.server = http.createServer(this.server.listeners('request')[0]);
    return this.start(Number(this.address.split(':')[1]));
  }

  // As a machine that loses power, but that its kernel says so.
  kill() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }
}

// One request after the other for each host, and whatever comes back is well.
class Traffic {
  constructor(port, hosts, { every = 10, paths = ['/'] } = {}) {
    this.agent = new http.Agent({ keepAlive: true });
    this.timer = setInterval(() => {
      for (const host of hosts)
        http.get({ host: kHost, port, agent: this.agent, path: paths[Math.floor(Math.random() * paths.length)], headers: { host } },
          (answer) => answer.resume()).on('error', () => {});
    }, every);
  }

  stop() {
    clearInterval(this.timer);
    this.agent.destroy();
  }
}

module.exports = { Replica, Traffic };
