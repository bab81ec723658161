// Chromium at the admin address: the page is walked by keyboard while traffic runs, and shows at once who has been killed.
// node page.js --outrider PROGRAM --modules FOLDER --chromium PROGRAM [--pictures FOLDER]
//   --modules: where npm's packages are, or are put. Ends with 77 where they cannot be had, or where there is no Chromium.
'use strict';

const path = require('path');
const { Proxy, freePort, kHost } = require('../support/proxy.js');
const { option, skip, packages, check, until, main } = require('../support/script.js');
const { launch } = require('./launch.js');
const { Replica, Traffic } = require('./replicas.js');

const kMarkup = '<img src=x onerror=alert(1)>';

// --- what it looks at -------------------------------------------------------------------------------------------------

// services: name -> replicas, each an endpoint.
async function proxyOf(folder, services) {
  const names = Object.keys(services), proxy = new Proxy(folder);
  proxy.port = await freePort();
  proxy.adminPort = await freePort();
  const endpoints = (all) => all.map(({ address }, i) => `{address: "${address}", zone: "z${i}", labels: {version: "${kMarkup}"}}`).join(', ');
  const health = 'health_check: {http: /health, interval: 250ms, timeout: 200ms}';
  return proxy.run(({ port, adminPort, metricsPort }) => `
version: 1
registry: {kind: none}
listeners: {edge: {address: "${kHost}:${port}"}}
routes: {edge: [${names.map((name) => `{match: {host: ${name}.test}, cluster: ${name}}`).join(', ') || '{respond: {status: 200}}'}]}
clusters: {${names.map((name) => `${name}: {endpoints: [${endpoints(services[name])}], ${health}}`).join(', ')}}
telemetry: {metrics: {address: "${kHost}:${metricsPort}"}, log: {level: error}}
admin: {address: "${kHost}:${adminPort}", health: off}
lifecycle: {drain: {delay: 0}}
overload: {threads: 1}
`);
}

// A page that keeps what it should never have to say.
async function open(browser, proxy, width = 1440) {
  const page = await browser.newPage(), origin = `http://${kHost}:${proxy.adminPort}`;
  page.complaints = [];
  page.asked = 0;
  page.on('console', (message) => { if (['error', 'warn'].includes(message.type())) page.complaints.push(message.text()); });
  page.on('pageerror', (error) => page.complaints.push(String(error)));
  page.on('dialog', (dialog) => { page.complaints.push(`a dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on('request', (request) => {
    ++page.asked;
    if (!request.url().startsWith(`${origin}/`)) page.complaints.push(`asked ${request.url()}`);
  });
  await page.evaluateOnNewDocument(() => {
    window.shifted = 0;
    new PerformanceObserver((list) => list.getEntries().forEach((each) => { if (!each.hadRecentInput) window.shifted += each.value; }))
      .observe({ type: 'layout-shift', buffered: true });
  });
  await page.setViewport({ width, height: 900 });
  page.answer = await page.goto(`${origin}/`);
  await page.waitForFunction(() => document.body.dataset.state === 'live');
  return page;
}

const texts = (page, selector) => page.$$eval(selector, (all) => all.map((each) => each.textContent));
const text = (page, selector) => page.$eval(selector, (node) => node.textContent);
const names = (page, list) => page.$$eval(`${list} .rows [role=row]`, (all) => all.map((each) => each.dataset.name).sort().join());
const shows = (page, run, ...given) => page.waitForFunction(run, { polling: 'mutation' }, ...given);

// --- what is looked for -----------------------------------------------------------------------------------------------

async function opens(page) {
  check('the page is there, and says whose it is', page.answer.status() === 200 && (await page.title()).endsWith('Outrider'), await page.title());
  check('every service is there', await names(page, '#services') === 'cart,shop', await names(page, '#services'));
  check('every endpoint is there', (await page.$$('#endpoints .rows [role=row]')).length === 5, await names(page, '#endpoints'));
  await page.waitForFunction(() => document.querySelector('.chart .line').getAttribute('d').includes('L'));
  await page.waitForFunction(() => [...document.querySelectorAll('.chart .value b')].slice(0, 5).every((each) => /\d/.test(each.textContent)));
  check('every signal has a figure and a line', true);
  await page.waitForFunction(() => document.querySelector('#graph svg').getAttribute('aria-label')?.includes('2 services called'));
  check('the graph is told in words', true);
  check('what is not built says so', (await text(page, '#history')).length > 0 && (await text(page, '#errors')).length > 0);
  check('text of the configuration is text', (await text(page, '#endpoints')).includes(kMarkup) && !(await page.$('main img')));
}

async function filters(page) {
  await page.keyboard.press('/');
  await page.keyboard.type('cart');
  check('the filter leaves one service', await names(page, '#services') === 'cart', await names(page, '#services'));
  check('and its endpoints', (await page.$$('#endpoints .rows [role=row]')).length === 3);
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  check('Enter chooses it', await text(page, '#subject') === 'cart' && await page.$eval('#services [data-name=cart]', (row) => row.ariaSelected) === 'true',
    await text(page, '#subject'));
  await page.keyboard.press('Escape');
  check('Esc goes back to all', await text(page, '#subject') === 'All traffic', await text(page, '#subject'));
  await page.keyboard.press('Escape');
  check('and once more drops the filter', await names(page, '#services') === 'cart,shop', await names(page, '#services'));
  await page.focus('#services [tabindex="0"]');
  await page.keyboard.press('Home');
  const first = await page.evaluate(() => document.activeElement.dataset.key);
  await page.keyboard.press('ArrowDown');
  const second = await page.evaluate(() => document.activeElement.dataset.key);
  check('arrows move in the list', first !== second && second, [first, second]);
}

async function kills(page, victim) {
  await shows(page, () => [...document.querySelectorAll('#endpoints .rows [role=row]')].every((each) => each.dataset.level === 'ok'));
  const path = '.state .mark path', row = `#endpoints [data-name="${victim.address}"]`;
  const well = await page.$eval(`${row} ${path}`, (node) => node.getAttribute('d'));
  const red = shows(page, (selector) => document.querySelector(selector)?.dataset.level === 'bad', row);
  const begun = performance.now();
  await victim.kill();
  await red;
  console.log(`      red ${Math.round(performance.now() - begun)} ms after the endpoint was killed`);
  const state = await text(page, `${row} .state`), why = await text(page, `${row} .why`);
  const ill = await page.$eval(`${row} ${path}`, (node) => node.getAttribute('d'));
  check('who was killed is red, by word and shape as well, and why', /ejected|unhealthy/.test(state) && why !== '' && ill !== well, [state, why]);
  check('and is the first of the list', (await text(page, '#endpoints .rows [role=row]')).includes(victim.address));
  check('its service is degraded', await page.$eval('#services [data-name=cart]', (node) => node.dataset.level) === 'warn');
  check('and that is said aloud', (await text(page, '#said')).includes(victim.address), await text(page, '#said'));
  await victim.again();
  await shows(page, (selector) => document.querySelector(selector)?.dataset.level === 'ok', row);
  check('who is back is well again', true);
}

// Until others have been asked so often that some seconds must have gone by, the page asks nothing.
async function pauses(page, replicas) {
  const asked = () => replicas.reduce((sum, each) => sum + each.asked, 0);  // one of them may be left alone, for another is quicker
  await page.evaluate(() => {
    Object.defineProperty(document, 'hidden', { get: () => true, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await shows(page, () => document.querySelector('#link').textContent === 'paused');
  await page.waitForNetworkIdle();
  const before = page.asked, far = asked() + 300;
  await until('others have been asked', () => asked() > far);
  check('nobody is asked while nobody looks', page.asked === before, page.asked - before);
  await page.evaluate(() => {
    delete document.hidden;
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await shows(page, () => document.querySelector('#link').textContent === 'live');
  check('and it goes on when somebody does', true);
}

// --- for everybody ----------------------------------------------------------------------------------------------------

async function hasNames(page) {
  const client = await page.createCDPSession();
  const { nodes } = await client.send('Accessibility.getFullAXTree');
  const wanted = ['button', 'link', 'searchbox', 'textbox', 'grid', 'region', 'image', 'row', 'heading', 'columnheader', 'DisclosureTriangle'];
  const known = new Map(nodes.map((each) => [each.nodeId, each]));
  // A row of a plain table is what its cells say.
  const isPlain = (node) => {
    for (let at = node; at; at = known.get(at.parentId)) if (['grid', 'table'].includes(at.role?.value)) return at.role.value === 'table';
    return false;
  };
  const nameless = nodes.filter((each) => !each.ignored && wanted.includes(each.role?.value) && !each.name?.value?.trim() &&
    !(each.role.value === 'row' && isPlain(each)));
  check('everything that is used has a name', nameless.length === 0, nameless.map((each) => [each.role.value, each.backendDOMNodeId]));
  const seen = await page.evaluate(() => {
    const ids = [...document.querySelectorAll('[id]')].map((each) => each.id);
    return [ids.length === new Set(ids).size, document.querySelectorAll('h1').length, document.documentElement.lang,
      [...document.images].every((each) => each.hasAttribute('alt')), document.querySelectorAll('[tabindex]:not([tabindex="0"]):not([tabindex="-1"])').length];
  });
  check('ids, headings, language and order are as they should be', JSON.stringify(seen) === '[true,1,"en",true,0]', seen);
}

async function tabs(page) {
  await page.focus('.skip');
  const way = [];
  for (let i = 0; i < 8; ++i) {
    await page.keyboard.press('Tab');
    way.push(await page.evaluate(() => {
      const node = document.activeElement, style = getComputedStyle(node);
      const list = node.closest('#services, #endpoints');
      return [list ? list.id : node.id || node.localName, style.outlineStyle !== 'none' && style.outlineWidth !== '0px'];
    }));
  }
  const order = way.map(([where]) => where).filter((where) => ['filter', 'services', 'endpoints'].includes(where)).slice(0, 3).join();
  check('Tab goes from the filter to the services to the endpoints', order === 'filter,services,endpoints', way);
  check('where the focus is can be seen', way.filter(([where]) => where !== 'body').every(([, seen]) => seen), way);
}

// WCAG's ratio of luminances, of every text to what is behind it.
function dimmest() {
  const channels = (color) => color.match(/[\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const color = channels(getComputedStyle(node).backgroundColor);
      if (color.length === 3) return color;
    }
    return [255, 255, 255];
  };
  const all = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (!node.data.trim() || !parent.checkVisibility() || parent.closest('svg, noscript')) continue;
    const [a, b] = [luminance(channels(getComputedStyle(parent).color)), luminance(behind(parent))];
    all.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), node.data.trim().slice(0, 30)]);
  }
  return all.sort((a, b) => a[0] - b[0])[0];
}

async function readable(page) {
  for (const scheme of ['light', 'dark']) {
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }, { name: 'prefers-reduced-motion', value: 'reduce' }]);
    const [ratio, where] = await page.evaluate(dimmest);
    check(`${scheme}: all text stands out from its ground`, ratio >= 4.5, [ratio, where]);
    for (const width of [1440, 1000, 360]) {
      await page.setViewport({ width, height: 800 });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      check(`${scheme}: ${width} pixels are enough`, wide <= width, wide);
    }
    await picture(page, `phone-${scheme}`);
    await page.setViewport({ width: 1440, height: 900 });
  }
  const moves = await page.evaluate(() => [...document.querySelectorAll('*')].filter((each) => parseFloat(getComputedStyle(each).transitionDuration) > 0).length);
  check('nothing moves for who wants that', moves === 0, moves);
}

async function picture(page, name) {
  if (option('pictures')) await page.screenshot({ path: path.join(option('pictures'), `${name}.png`) });
}

const quiet = (page, when) => check(`${when}: nothing to complain of, and nobody else was asked`, page.complaints.length === 0, page.complaints);

// --------------------------------------------------------------------------------------------------------------------

async function walk(browser, folder) {
  const cart = [new Replica({ delay: 2 }), new Replica(), new Replica({ delay: 4 })], shop = [new Replica(), new Replica()];
  for (const each of [...cart, ...shop]) await each.start();
  const proxy = await proxyOf(folder, { cart, shop });
  const traffic = new Traffic(proxy.port, ['cart.test', 'shop.test']);
  const page = await open(browser, proxy);
  await opens(page);
  await filters(page);
  await kills(page, cart[1]);
  await pauses(page, shop);
  await hasNames(page);
  await tabs(page);
  const shifted = await page.evaluate(() => window.shifted);
  check('nothing has jumped about', shifted < 0.1, shifted);
  await page.click('#configuration summary');
  await shows(page, () => document.querySelector('#yaml').textContent.includes('health_check'));
  check('the configuration is there, with where it is from', (await text(page, '#yaml')).includes('.yaml:'));
  await picture(page, 'light');
  await readable(page);
  quiet(page, 'a walk');
  traffic.stop();
  await proxy.stop();
  await shows(page, () => document.body.dataset.state === 'lost');
  check('that nobody answers is said', (await text(page, '#link')).startsWith('no answer'), await text(page, '#link'));
  await page.close();
}

async function many(browser, folder) {
  const one = new Replica();
  await one.start();
  const services = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`service-${i}`, [one]]));
  const proxy = await proxyOf(folder, services);
  const page = await open(browser, proxy);
  check('300 services are there', (await page.$$('#services .rows [role=row]')).length === 300);
  check('of their endpoints as many as can be read', (await texts(page, '#endpoints .empty')).join() === 'and 100 more: filter to see them');
  await page.type('#filter', 'service-299');
  check('each of them is found', await names(page, '#services') === 'service-299' && (await page.$$('#endpoints .rows [role=row]')).length === 1);
  quiet(page, '300 services');
  await picture(page, 'many');
  await page.close();
  await proxy.stop();
}

async function none(browser, folder) {
  const proxy = await proxyOf(folder, {});
  const page = await open(browser, proxy, 360);
  check('where there is nothing, that is said', (await texts(page, '#services .empty')).join() === 'There are no services yet.');
  check('and takes no more room', await page.evaluate(() => document.documentElement.scrollWidth) <= 360);
  quiet(page, 'no services');
  await picture(page, 'none');
  await page.close();
  await proxy.stop();
}

main(async (folder) => {
  if (!option('chromium')) skip('there is no Chromium');
  const { 'puppeteer-core': puppeteer } = packages(__dirname);
  const browser = await launch(puppeteer, folder);
  await walk(browser, folder);
  await many(browser, folder);
  await none(browser, folder);
  await browser.close();
});
