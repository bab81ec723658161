// Chromium behind the proxy: pages, fetch and WebSocket, through one proxy and through two with HTTP/2 between them; a call of
// gRPC; and 100 MiB there and back over one WebSocket.
// node run.js --outrider PROGRAM --modules FOLDER --chromium PROGRAM
//   --modules: where npm's packages are, or are put. Ends with 77 where they cannot be had, or where there is no Chromium.
'use strict';

const crypto = require('crypto');
const { Proxy, kHost } = require('../support/proxy.js');
const { option, skip, packages, check, until, main } = require('../support/script.js');
const { kLimit, launch } = require('./launch.js');
const { GrpcOrigin, Origin } = require('./origin.js');

// --- what runs inside the page --------------------------------------------------------------------------------------

async function fetched() {
  const answer = await fetch('/page');
  return [answer.status, (await answer.text()).endsWith('hello')];
}

// getRandomValues() gives 64 KiB at most.
function randomBytes(size) {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 65536) crypto.getRandomValues(bytes.subarray(at, Math.min(at + 65536, size)));
  return bytes;
}

async function posted(size) {
  const sent = randomBytes(size);
  const answer = await fetch('/echo', { method: 'POST', body: sent });
  const back = new Uint8Array(await answer.arrayBuffer());
  return [answer.status, back.length === size && back.every((byte, i) => byte === sent[i])];
}

// A text and a megabyte come back as they were sent. `wish`: whether the server is asked to close, else the page does.
function talked(wish) {
  return new Promise((resolve) => {
    const socket = new WebSocket(`ws://${location.host}/socket`), sent = randomBytes(1 << 20), seen = [];
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => socket.send('gr\u00fc\u00df dich');
    socket.onmessage = ({ data }) => {
      if (typeof data === 'string') {
        seen.push(data);
        return socket.send(sent);
      }
      const back = new Uint8Array(data);
      seen.push(back.length, back.every((byte, i) => byte === sent[i]));
      if (wish) socket.send('close 1000');
      else socket.close(1000, 'done');
    };
    socket.onclose = ({ code, reason, wasClean }) => resolve([...seen, code, reason, wasClean]);
  });
}

async function called() {
  const answer = await fetch('/test.Calls/Say', {
    method: 'POST', headers: { 'content-type': 'application/grpc-web+proto' }, body: new Uint8Array(5),
  });
  const bytes = new Uint8Array(await answer.arrayBuffer());
  return [answer.headers.get('content-type'), String.fromCharCode(...bytes)];
}

// --------------------------------------------------------------------------------------------------------------------

async function open(browser, port, way) {
  const page = await browser.newPage();
  page.setDefaultTimeout(kLimit);
  const answer = await page.goto(`http://${kHost}:${port}/`);
  check(`${way}: a page is loaded`, answer.status() === 200 && await page.title() === 'loaded', answer.status());
  return page;
}

async function evaluate(page, what, run, argument, wanted) {
  const seen = await page.evaluate(run, argument);
  check(what, JSON.stringify(seen) === JSON.stringify(wanted), seen);
}

async function browse(browser, origin, port, way) {
  const page = await open(browser, port, way);
  await page.addScriptTag({ content: String(randomBytes) });
  await evaluate(page, `${way}: fetch`, fetched, undefined, [200, true]);
  await evaluate(page, `${way}: fetch with a body of 5 MB`, posted, 5000000, [200, true]);
  const back = ['gr\u00fc\u00df dich', 1 << 20, true, 1000];
  await evaluate(page, `${way}: WebSocket, closed by the page`, talked, false, [...back, 'done', true]);
  await evaluate(page, `${way}: WebSocket, closed by the server`, talked, true, [...back, 'as you wish', true]);
  await until('the server knows of both ends', () => origin.closes.length === 2);
  check(`${way}: the server has seen the same`, origin.closes.splice(0).join() === '1000,1000' &&
    origin.requests.splice(0).join() === 'GET /,GET /page,POST /echo', origin.requests);
  await page.close();
}

async function call(browser, folder) {
  const proxy = await new Proxy(folder).start([await new GrpcOrigin().start()], ', protocol: http2', '[{grpc_web: {}}]');
  const page = await open(browser, proxy.port, 'gRPC-Web');
  await evaluate(page, 'gRPC-Web: a message and its trailers', called, undefined,
    ['application/grpc-web+proto', '\0\0\0\0\x03one\x80\0\0\0\x10grpc-status: 0\r\n']);
  await page.close();
  await proxy.stop();
}

// One message after the other, a few of them under way.
function echoed({ WebSocket }, port, count) {
  const sent = crypto.createHash('sha256'), back = crypto.createHash('sha256');
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://${kHost}:${port}/socket`, { perMessageDeflate: false, maxPayload: 16 << 20 });
    let begun = 0, done = 0;
    const send = () => {
      if (begun++ >= count) return;
      const message = crypto.randomBytes(1 << 20);
      sent.update(message);
      socket.send(message);
    };
    socket.on('open', () => { for (let i = 0; i < 8; ++i) send(); });
    socket.on('message', (data) => {
      back.update(data);
      if (++done === count) socket.close(1000);
      else send();
    });
    socket.on('close', (code) => resolve([code, done, sent.digest('hex') === back.digest('hex')]));
    socket.on('error', reject);
  });
}

main(async (folder) => {
  if (!option('chromium')) skip('there is no Chromium');
  const { 'puppeteer-core': puppeteer, ws } = packages(__dirname);
  const origin = new Origin(ws);
  const last = await new Proxy(folder).start([await origin.start()]);
  const first = await new Proxy(folder).start([last.port], ', protocol: http2');
  const ways = [['one proxy', last.port], ['two with HTTP/2 between', first.port]];
  for (const [way, port] of ways) {
    const seen = await echoed(ws, port, 100);
    check(`${way}: 100 MiB come back over a WebSocket`, seen.join() === '1000,100,true', seen);
  }
  await until('the server knows of both ends', () => origin.closes.length === 2);
  origin.closes.splice(0);
  const browser = await launch(puppeteer, folder);
  for (const [way, port] of ways) await browse(browser, origin, port, way);
  await call(browser, folder);
  await browser.close();
  // To the second of two proxies they are requests of HTTP/2, whose tunnels open with 200.
  const opened = await last.metric('outrider_requests_total', 'code="101"');
  check('between two proxies WebSockets have no connection to themselves', opened === 3, opened);
  await first.stop();
  await last.stop();
});
