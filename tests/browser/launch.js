// Chromium without a screen.
'use strict';

const path = require('path');
const { option } = require('../support/script.js');

const kLimit = 60000;   // of any wait for a browser: only a hang meets it

// Debian's Chromium cannot build its sandbox inside most containers; what it visits here is ours.
const launch = (puppeteer, folder) => puppeteer.launch({
  executablePath: option('chromium'), userDataDir: path.join(folder, 'profile'), timeout: kLimit, protocolTimeout: kLimit,
  args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking', '--no-proxy-server'],
});

module.exports = { kLimit, launch };
