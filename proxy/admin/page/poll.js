// Asks about once a second, and not at all while nobody looks.

const kEvery = 1000, kLimit = 5000;   // milliseconds

async function ask(path) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(kLimit), cache: 'no-store' });
  if (answer.status === 404) return null;
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer;
}

export const json = async (path) => (await ask(path))?.json() ?? null;
export const text = async (path) => (await ask(path))?.text() ?? null;

// What is asked for less often keeps what it said last.
export class Seldom {
  constructor(every, load) { Object.assign(this, { every, load, due: 0, last: undefined }); }

  async get(now, again = false) {
    if (now < this.due && !again) return this.last;
    this.due = now + this.every;
    this.last = await this.load();
    return this.last;
  }
}

// look(now): asks and draws; on_state('live' | 'paused' | 'lost', seconds since it was last live).
export class Poller {
  constructor(look, onState) {
    Object.assign(this, { look, onState, seen: performance.now() });
    document.addEventListener('visibilitychange', () => (document.hidden ? this.pause() : this.begin()));
    if (!document.hidden) this.begin();
    else this.pause();
  }

  pause() {
    clearTimeout(this.timer);
    this.paused = true;
    this.onState('paused', 0);
  }

  begin() {
    this.paused = false;
    if (!this.looking) this.turn();
  }

  async turn() {
    clearTimeout(this.timer);
    const begun = performance.now();
    this.looking = true;
    try {
      await this.look(begun / 1000);
      this.seen = performance.now();
      if (!this.paused) this.onState('live', 0);
    } catch (error) {
      if (!this.paused) this.onState('lost', (performance.now() - this.seen) / 1000, error);
    }
    this.looking = false;
    if (!this.paused) this.timer = setTimeout(() => this.turn(), Math.max(100, kEvery - (performance.now() - begun)));
  }
}
