// The service the calls are made to, without a schema: messages are bytes.
'use strict';

const raw = (bytes) => bytes;
const method = (name, requestStream, responseStream) => ({
  path: `/test.Calls/${name}`, requestStream, responseStream,
  requestSerialize: raw, requestDeserialize: raw, responseSerialize: raw, responseDeserialize: raw,
});

const kMethods = {
  Echo: method('Echo', false, false),       // what was sent, and the metadata that came with it
  Fail: method('Fail', false, false),       // with the status the metadata ask for
  Hold: method('Hold', false, false),       // never answers
  Count: method('Count', false, true),      // as many messages as the request says
  Sum: method('Sum', true, false),          // how many bytes and messages came
  Talk: method('Talk', true, true),         // each message comes back; "abort" ends it with a status
  Linger: method('Linger', true, true),     // the same, but it does not end when the client has said all
  Missing: method('Missing', false, false), // not served
};

// Every message is at most this large, both ways.
const kOptions = {
  'grpc.max_receive_message_length': 64 << 20, 'grpc.max_send_message_length': 64 << 20, 'grpc.enable_retries': 0,
};

class Service {
  constructor(grpc) {
    this.grpc = grpc;
    this.calls = 0;
    this.cancelled = 0;     // calls whose end was heard of by the server
    this.server = new grpc.Server(kOptions);
    const { Missing, ...served } = kMethods;
    this.server.addService(served, {
      Echo: (call, done) => this.echo(call, done),
      Fail: (call, done) => this.fail(call, done),
      Hold: (call) => this.follow(call),
      Count: (call) => this.count(call),
      Sum: (call, done) => this.sum(call, done),
      Talk: (call) => this.talk(call),
      Linger: (call) => this.talk(call, true),
    });
    // grpc.health.v1.Health: one field, the status; 1 is SERVING. The request's one field is the service's name.
    this.serving = true;
    const check = method('Check', false, false);
    check.path = '/grpc.health.v1.Health/Check';
    this.checked = [];
    this.server.addService({ Check: check }, {
      Check: (call, done) => {
        this.checked.push(call.request.subarray(2).toString());
        done(null, Buffer.from([8, this.serving ? 1 : 2]));
      },
    });
  }

  start(port = 0) {
    return new Promise((resolve, reject) => this.server.bindAsync(
      `127.0.0.1:${port}`, this.grpc.ServerCredentials.createInsecure(), (error, at) => error ? reject(error) : resolve(at)));
  }

  stop() { this.server.forceShutdown(); }

  follow(call) {
    ++this.calls;
    call.on('cancelled', () => { ++this.cancelled; });
  }

  echo(call, done) {
    ++this.calls;
    const head = new this.grpc.Metadata(), trailing = new this.grpc.Metadata();
    for (const name of ['x-text', 'x-bytes-bin'])
      for (const value of call.metadata.get(name)) {
        head.add(name, value);
        trailing.add(`trailing-${name}`, value);
      }
    call.sendMetadata(head);
    done(null, call.request, trailing);
  }

  fail(call, done) {
    ++this.calls;
    const trailing = new this.grpc.Metadata();
    trailing.set('x-why', 'asked for');
    done({ code: Number(call.metadata.get('code')[0]), details: call.request.toString(), metadata: trailing });
  }

  async count(call) {
    this.follow(call);
    let goOn;
    for (const event of ['drain', 'cancelled']) call.on(event, () => goOn && goOn());
    for (let i = 0; i < Number(call.request.toString()) && !call.cancelled; ++i)
      if (!call.write(Buffer.from(String(i)))) await new Promise((resolve) => { goOn = resolve; });
    call.end();
  }

  sum(call, done) {
    this.follow(call);
    let bytes = 0, messages = 0;
    call.on('data', (message) => { bytes += message.length; ++messages; });
    call.on('end', () => done(null, Buffer.from(`${messages} messages, ${bytes} bytes`)));
  }

  talk(call, lingers = false) {
    this.follow(call);
    call.on('data', (message) => {
      if (message.toString() === 'abort') call.emit('error', { code: this.grpc.status.ABORTED, details: 'as you wish' });
      else call.write(message);
    });
    call.on('end', () => { if (!lingers) call.end(); });
    call.on('error', () => {});
  }
}

module.exports = { Service, kMethods, kOptions };
