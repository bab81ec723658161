// A client of gRPC-Web as browsers have one: no trailers, and bytes or base64 for a body.
'use strict';

const crypto = require('crypto');
const http = require('http');
const { kHost } = require('../support/proxy.js');
const { check, until } = require('../support/script.js');

// Messages of a body, one by one, and the trailers in its last.
class Reader {
  constructor(text) {
    this.text = text;
    this.left = this.bytes = Buffer.alloc(0);
    this.messages = [];
  }

  add(part) {
    if (this.text) {        // four characters at a time: there may be padding anywhere
      const all = Buffer.concat([this.left, part]), whole = all.length - all.length % 4;
      this.left = all.subarray(whole);
      const groups = String(all.subarray(0, whole)).match(/[^=]+=*/g) || [];
      part = Buffer.concat(groups.map((group) => Buffer.from(group, 'base64')));
    }
    this.bytes = Buffer.concat([this.bytes, part]);
    for (;;) {
      const end = this.bytes.length < 5 ? Infinity : 5 + this.bytes.readUInt32BE(1);
      if (this.bytes.length < end) return;
      const content = this.bytes.subarray(5, end);
      if (this.bytes[0] === 0x80) this.trailers = Object.fromEntries(String(content).trim().split('\r\n').map((line) => line.split(': ')));
      else this.messages.push(content);
      this.bytes = this.bytes.subarray(end);
    }
  }
}

function frame(message) {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

// `each`: called with the open call after every message that has come.
function call(port, name, message, { text = false, fields = {}, each = () => {} } = {}) {
  const type = text ? 'application/grpc-web-text' : 'application/grpc-web+proto';
  return new Promise((resolve, reject) => {
    const request = http.request({
      host: kHost, port, path: `/test.Calls/${name}`, method: 'POST', agent: false,
      headers: { 'content-type': type, accept: type, 'x-grpc-web': '1', ...fields },
    }, (answer) => {
      const reader = new Reader(text);
      const end = () => {
        const trailers = reader.trailers || answer.headers;
        resolve({
          code: Number(trailers['grpc-status']), details: decodeURIComponent(trailers['grpc-message'] || ''), trailers,
          type: answer.headers['content-type'], messages: reader.messages, head: answer.headers,
        });
      };
      answer.on('data', (part) => {
        const before = reader.messages.length;
        reader.add(part);
        if (reader.messages.length > before) each(request, reader.messages.length);
      });
      answer.on('end', end);
      answer.on('error', end);
    });
    request.on('error', reject);
    const body = frame(message);
    request.end(text ? body.toString('base64') : body);
  });
}

async function webScenarios(port, way, service) {
  for (const text of [false, true]) {
    const with_ = (what) => `gRPC-Web ${text ? 'as text' : 'as bytes'}, ${way}: ${what}`;
    const echo = await call(port, 'Echo', Buffer.from('hello'), { text, fields: { 'x-text': 'some text' } });
    check(with_('unary, with metadata both ways'), echo.code === 0 && String(echo.messages) === 'hello' &&
      echo.head['x-text'] === 'some text' && echo.trailers['trailing-x-text'] === 'some text' &&
      echo.type.startsWith(text ? 'application/grpc-web-text' : 'application/grpc-web'), echo);
    const failed = await call(port, 'Fail', Buffer.from('100 % b\u00e4d'), { text, fields: { code: '9' } });
    check(with_('a status with its message and trailing metadata'), failed.code === 9 && failed.details === '100 % b\u00e4d' &&
      failed.trailers['x-why'] === 'asked for' && failed.messages.length === 0, failed);
    const missing = await call(port, 'Missing', Buffer.from('x'), { text });
    check(with_('a method that is not served'), missing.code === 12, missing);
    const counted = await call(port, 'Count', Buffer.from('3000'), { text });
    check(with_('a stream of the server'), counted.code === 0 && counted.messages.length === 3000 &&
      counted.messages.every((message, i) => String(message) === String(i)), counted.messages.length);
    const large = crypto.randomBytes(16 << 20);
    const back = await call(port, 'Echo', large, { text });
    check(with_('a message of 16 MiB there and back'), back.code === 0 && back.messages[0].equals(large), back.code);
    const before = service.cancelled;
    const gone = await call(port, 'Count', Buffer.from('1000000000'), { text, each: (request) => request.destroy() });
    await until('the server hears that the client has gone', () => service.cancelled > before);
    check(with_('a client that goes in the middle of a stream'), gone.messages.length < 1000000, gone.messages.length);
  }
}

// Who only passes gRPC-Web on can but cut a stream at its deadline: this is for the one that has the filter.
async function webDeadlines(port) {
  for (const text of [false, true]) {
    const late = await call(port, 'Linger', Buffer.from('first'), { text, fields: { 'grpc-timeout': '300m' } });
    check(`gRPC-Web: a deadline in a stream, ${text ? 'as text' : 'as bytes'}`, late.code === 4, late);
  }
}

module.exports = { webDeadlines, webScenarios };
