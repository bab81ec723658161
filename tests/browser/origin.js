// What the browser visits: a page, a place that sends back what it is sent, and WebSockets that do the same.
'use strict';

const http = require('http');
const http2 = require('http2');
const { kHost } = require('../support/proxy.js');

const kPage = '<!doctype html><link rel="icon" href="data:,"><title>loaded</title><p>hello';

function listen(server) {
  return new Promise((resolve) => server.listen(0, kHost, () => resolve(server.address().port)));
}

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
        answer.end(kPage);
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

  start() { return listen(this.server); }
}

// The same page by HTTP/2 alone, and a call of gRPC that answers with one message.
class GrpcOrigin {
  constructor() {
    this.server = http2.createServer();
    this.server.on('stream', (stream, request) => {
      if (request[':path'] === '/') {
        stream.respond({ ':status': 200, 'content-type': 'text/html; charset=utf-8' });
        return stream.end(kPage);
      }
      const good = request['content-type'] === 'application/grpc+proto' && request.te === 'trailers';
      stream.respond({ ':status': 200, 'content-type': 'application/grpc+proto' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': good ? '0' : '2' }));
      stream.resume();
      stream.end(Buffer.from('\0\0\0\0\x03one'));
    });
  }

  start() { return listen(this.server); }
}

module.exports = { GrpcOrigin, Origin };
