// What test programs of Node have in common: options, packages of npm, checks, and an end with a status.
'use strict';

const { execFileSync } = require('child_process');
const fs = require('fs');
const os = require('os');
const path = require('path');

const kSkipped = 77;

function option(name) {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
}

function skip(why) {
  console.log(`skipped: ${why}`);
  process.exit(kSkipped);
}

// The packages that `from`/package.json names, put by npm into the folder --modules unless they are there; skips the test
// where they cannot be had.
function packages(from) {
  const folder = path.resolve(option('modules')), wanted = fs.readFileSync(path.join(from, 'package.json'));
  const done = path.join(folder, 'installed.json');   // written last: an installation that was cut short is begun again
  if (!fs.existsSync(done) || !fs.readFileSync(done).equals(wanted)) {
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(path.join(folder, 'package.json'), wanted);
    try {
      execFileSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock'],
        { cwd: folder, stdio: 'pipe', timeout: 240000 });
    } catch (error) {
      skip(`npm could not install what is needed: ${String(error.message).split('\n')[0]}`);
    }
    fs.writeFileSync(done, wanted);
  }
  const names = Object.keys(JSON.parse(wanted).dependencies);
  return Object.fromEntries(names.map((name) => [name, require(path.join(folder, 'node_modules', name))]));
}

const failures = [];
function check(what, good, seen) {
  console.log(`${good ? 'ok    ' : 'FAILED'} ${what}${good ? '' : `: ${JSON.stringify(seen)}`}`);
  if (!good) failures.push(what);
}

// Looks again and again; only a hang meets the limit.
async function until(what, done) {
  for (const limit = Date.now() + 60000; !await done();) {
    if (Date.now() > limit) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

// The test, with a folder of its own for files; the program ends with it.
async function main(test) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'outrider-test-'));
  process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true, maxRetries: 10 }));
  try {
    await test(folder);
  } catch (error) {
    console.error(error);
    failures.push(String(error));
  }
  console.log(failures.length ? `${failures.length} failed` : 'all good');
  process.exit(failures.length ? 1 : 0);
}

module.exports = { option, skip, packages, check, until, main };
