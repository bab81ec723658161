// What is called, and what came of it as plain values: the same with a proxy in between as without one.
'use strict';

const crypto = require('crypto');
const { until } = require('../support/script.js');
const { kMethods, kOptions } = require('./service.js');

const hash = (bytes) => crypto.createHash('sha256').update(bytes).digest('hex');
const codeOf = (error) => (error ? error.code : 0);

class Calls {
  constructor(grpc, port) {
    this.grpc = grpc;
    const Client = grpc.makeGenericClientConstructor(kMethods, 'Calls');
    this.client = new Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), kOptions);
  }

  close() { this.client.close(); }

  metadata(fields) {
    const metadata = new this.grpc.Metadata();
    for (const [name, value] of Object.entries(fields || {})) metadata.add(name, value);
    return metadata;
  }

  // A unary call, or a client's stream that `feed` writes to.
  call(name, request, { fields, options, feed, started } = {}) {
    return new Promise((resolve) => {
      let head, code, details, trailing;
      const done = (error, answer) => {
        code = codeOf(error);
        details = error ? error.details : '';
        this.after(call, () => resolve({ code, details, answer, head, trailing }));
      };
      const call = feed ? this.client[name](this.metadata(fields), options || {}, done)
        : this.client[name](request, this.metadata(fields), options || {}, done);
      call.on('metadata', (metadata) => { head = metadata; });
      call.on('status', (status) => { trailing = status.metadata; });
      if (feed) feed(call);
      if (started) started(call);
    });
  }

  // The status follows the callback.
  after(call, then) { setImmediate(then); }

  // A stream of the server's: its messages until its end.
  stream(name, request, { fields, options, each, started } = {}) {
    return new Promise((resolve) => {
      const messages = [];
      const call = request === undefined ? this.client[name](this.metadata(fields), options || {})
        : this.client[name](request, this.metadata(fields), options || {});
      call.on('data', (message) => {
        messages.push(message);
        if (each) each(call, messages.length, message);
      });
      call.on('error', () => {});
      call.on('status', (status) => resolve({ code: status.code, details: status.details, messages }));
      if (started) started(call);
    });
  }
}

const kScenarios = {
  async 'unary, with metadata both ways'(calls) {
    const every = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    const { code, answer, head, trailing } = await calls.call('Echo', Buffer.from('hello'),
      { fields: { 'x-text': 'some text', 'x-bytes-bin': every } });
    return [code, answer.toString(), head.get('x-text'), hash(head.get('x-bytes-bin')[0]),
      trailing.get('trailing-x-text'), hash(trailing.get('trailing-x-bytes-bin')[0])];
  },

  async 'every status, with its message and trailing metadata'(calls) {
    const seen = [];
    for (let code = 1; code <= 16; ++code) {
      const end = await calls.call('Fail', Buffer.from(`100 % bad\n\u00fc\u{1f600} ${code}`), { fields: { code: String(code) } });
      seen.push([end.code, end.details, end.trailing.get('x-why')]);
    }
    return seen;
  },

  async 'a method that is not served'(calls) {
    return (await calls.call('Missing', Buffer.from('x'))).code;
  },

  async 'no message, and messages of every small size'(calls) {
    const seen = [];
    for (let size = 0; size < 20; ++size) seen.push((await calls.call('Echo', Buffer.alloc(size, 'a'))).answer.length);
    return seen;
  },

  async 'a stream of the server'(calls) {
    const { code, messages } = await calls.stream('Count', Buffer.from('3000'));
    return [code, messages.length, hash(Buffer.concat(messages))];
  },

  async 'a stream of the client'(calls) {
    const end = await calls.call('Sum', undefined, {
      feed(call) {
        for (let i = 0; i < 3000; ++i) call.write(Buffer.from(String(i)));
        call.end();
      },
    });
    return [end.code, end.answer.toString()];
  },

  async 'a conversation, message by message'(calls) {
    const { code, messages } = await calls.stream('Talk', undefined, {
      started(call) { call.write(Buffer.from('0')); },
      each(call, count) { count < 300 ? call.write(Buffer.from(String(count))) : call.end(); },
    });
    return [code, messages.map(String).join(' ')];
  },

  async 'a server that aborts a conversation'(calls) {
    const { code, details, messages } = await calls.stream('Talk', undefined, {
      started(call) { call.write(Buffer.from('one')); },
      each(call) { call.write(Buffer.from('abort')); },
    });
    return [code, details, messages.length];
  },

  async 'a client that cancels a conversation'(calls, service) {
    const before = service.cancelled;
    const { code } = await calls.stream('Linger', undefined, {
      started(call) { call.write(Buffer.from('one')); },
      each(call) { call.cancel(); },
    });
    await until('the server hears of the cancellation', () => service.cancelled === before + 1);
    return code;
  },

  async 'a client that cancels before any answer'(calls, service) {
    const before = service.cancelled, known = service.calls;
    const end = calls.call('Hold', Buffer.from('x'), {
      started(call) { until('the call arrives', () => service.calls === known + 1).then(() => call.cancel()); },
    });
    const { code } = await end;
    await until('the server hears of the cancellation', () => service.cancelled === before + 1);
    return code;
  },

  async 'a deadline that passes before any answer'(calls, service) {
    const before = service.cancelled;
    const { code } = await calls.call('Hold', Buffer.from('x'), { options: { deadline: Date.now() + 1000 } });
    await until('the server hears of the deadline', () => service.cancelled === before + 1);
    return code;
  },

  async 'a deadline that passes in a conversation'(calls, service) {
    const before = service.cancelled;
    const { code } = await calls.stream('Linger', undefined, {
      options: { deadline: Date.now() + 1000 }, started(call) { call.write(Buffer.from('one')); },
    });
    await until('the server hears of the deadline', () => service.cancelled === before + 1);
    return code;
  },

  async 'a message of 16 MiB there and back'(calls) {
    const message = Buffer.alloc(16 << 20);
    for (let i = 0; i < message.length; i += 4) message.writeUInt32LE((i * 2654435761) >>> 0, i);
    const { code, answer } = await calls.call('Echo', message);
    return [code, answer && hash(answer) === hash(message)];
  },

  async '1,000 calls at a time on one connection'(calls) {
    const all = await Promise.all(Array.from({ length: 1000 }, (_, i) => calls.call('Echo', Buffer.from(`call ${i}`))));
    return all.map(({ code, answer }, i) => code === 0 && answer.toString() === `call ${i}`).filter(Boolean).length;
  },

  async '1,000 conversations at a time on one connection'(calls) {
    const all = await Promise.all(Array.from({ length: 1000 }, (_, i) => calls.stream('Talk', undefined, {
      started(call) { call.write(Buffer.from(`${i}`)); },
      each(call, count) { count < 3 ? call.write(Buffer.from(`${i}`)) : call.end(); },
    })));
    return all.map(({ code, messages }, i) => code === 0 && messages.map(String).join() === `${i},${i},${i}`).filter(Boolean).length;
  },
};

module.exports = { Calls, kScenarios };
