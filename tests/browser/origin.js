// What the browser visits: a page, a place that sends back what it is sent, and WebSockets that do the same.
'use strict';

const http = require('http');
const { kHost } = require('../support/proxy.js');

class Origin {
  constructor({ WebSocketServer }) {
    this.closes = [];       // the codes WebSockets were closed with
    this.requests = [];     // "METHOD path"
    this.server = http.createServer((request, answer) => {
      this.requests.push(`${request.method} ${request.url}`);
      if (request.url === '/echo') {
        answer.writeHead(200, { 'content-type': 'application/octet-stream' });
        request.pipe(answer);
      } else {
        answer.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
        answer.end('<!doctype html><link rel="icon" href="data:,"><title>loaded</title><p>hello');
      }
    });
    const sockets = new WebSocketServer({ server: this.server, maxPayload: 16 << 20, perMessageDeflate: false });
    sockets.on('connection', (socket) => {
      socket.on('message', (data, binary) => {
        if (String(data.subarray(0, 5)) === 'close') return socket.close(Number(String(data.subarray(6))), 'as you wish');
        if (socket.bufferedAmount > 4 << 20) socket.pause();
        socket.send(data, { binary }, () => socket.resume());
      });
      socket.on('close', (code) => this.closes.push(code));
    });
  }

  start() {
    return new Promise((resolve) => this.server.listen(0, kHost, () => resolve(this.server.address().port)));
  }
}

module.exports = { Origin };
