// The one owner of the EventSource: snapshot, stream, resume, and the state of the connection.
//
// A browser reconnects an EventSource by itself only after a broken connection; on an unexpected status it gives up for good. And a connection
// that died without a word (a laptop that slept, a network that changed) looks open for ever. So this keeps the last id itself, makes a new
// EventSource with `?lastEventId=` when the old one is closed or has been silent for too long, and asks for pings, because the server's
// id-only heartbeats fire no event in a browser.

import { Backoff } from './backoff.js';

const SILENCE_MS = 40_000; // more than two heartbeats of at most 18 s
const NO_ANSWER_MS = 30_000; // longer than a server that drains asks to wait
const LOOK_EVERY_MS = 2_000;
const SETTLED_MS = 1_000; // an answer that only says "come back later" opens and closes at once; that is not live
const RESET_SPREAD_MS = 300; // a reset may reach every open page in the same instant
const RESETS_APART_MS = 30_000;
const NAMED = ['tweetLikes', 'tweetLiked', 'tweetWindow', 'reset', 'ping'];

export class Stream {
  #load;
  #address;
  #handlers;
  #onState;
  #onReset;

  #run = new AbortController();
  #source = null;
  #lastId = '';
  #live = false;
  #wasLive = false;
  #heardAt = 0;
  #openedAt = 0;
  #resetAt = -Infinity;
  #settling = 0;
  #wake = () => {};
  #malformed = 0;
  #backoff = new Backoff();

  /**
   * `load(signal)` shows the snapshot and answers its lastEventId; `address(lastEventId)` is the stream's URL; `handlers` has a function per
   * eventType; `onState(state, malformed)` hears connecting, live, reconnecting, stale; `onReset(data)` hears that the place was lost.
   */
  constructor({ load, address, handlers, onState, onReset }) {
    this.#load = load;
    this.#address = address;
    this.#handlers = handlers;
    this.#onState = onState;
    this.#onReset = onReset;
    setInterval(() => this.#look(), LOOK_EVERY_MS);
    addEventListener('online', () => this.#wake());
    document.addEventListener('visibilitychange', () => this.#look());
    addEventListener('pageshow', (event) => event.persisted && this.#open());
  }

  /** Begins anew, for instance with another filter. */
  start() {
    this.#wasLive = false;
    this.#heardAt = performance.now();
    this.#begin(0);
  }

  async #begin(delay) {
    this.#close();
    this.#run.abort();
    this.#run = new AbortController();
    const { signal } = this.#run;
    this.#show();
    for (let wait = delay; ; wait = this.#backoff.next()) {
      await this.#pause(wait);
      if (signal.aborted) return;
      try {
        this.#lastId = await this.#load(signal);
        if (!signal.aborted) this.#open();
        return;
      } catch (error) {
        if (signal.aborted) return;
        console.warn('The posts could not be fetched; another attempt follows.', error);
        this.#show();
      }
    }
  }

  #open() {
    this.#close();
    this.#openedAt = performance.now();
    const source = new EventSource(this.#address(this.#lastId));
    this.#source = source;
    source.onopen = () => {
      this.#settling = setTimeout(() => this.#heard(), SETTLED_MS);
    };
    source.onerror = () => {
      clearTimeout(this.#settling);
      this.#live = false;
      this.#show();
      if (source.readyState === EventSource.CLOSED) this.#reopen();
    };
    source.onmessage = (event) => this.#receive(event);
    for (const name of NAMED) source.addEventListener(name, (event) => this.#receive(event));
  }

  async #reopen() {
    const { signal } = this.#run;
    this.#close();
    await this.#pause(this.#backoff.next());
    if (!signal.aborted && this.#source === null) this.#open();
  }

  #close() {
    clearTimeout(this.#settling);
    this.#source?.close();
    this.#source = null;
    this.#live = false;
  }

  #receive(event) {
    this.#heard();
    if (event.lastEventId) this.#lastId = event.lastEventId;
    let data;
    try {
      data = JSON.parse(event.data);
    } catch {
      data = null;
    }
    if (data === null || typeof data !== 'object') {
      this.#malformed += 1;
      this.#show();
    } else if (data.eventType === 'reset' || event.type === 'reset') {
      this.#reset(data);
    } else if (Object.hasOwn(this.#handlers, data.eventType)) {
      this.#handlers[data.eventType](data);
    }
  }

  #reset(data) {
    const now = performance.now();
    const again = now - this.#resetAt < RESETS_APART_MS;
    this.#resetAt = now;
    this.#onReset(data);
    this.#begin(again ? this.#backoff.next() : Math.random() * RESET_SPREAD_MS);
  }

  #heard() {
    this.#heardAt = performance.now();
    if (this.#live) return;
    clearTimeout(this.#settling);
    this.#live = true;
    this.#wasLive = true;
    if (this.#heardAt - this.#resetAt > RESETS_APART_MS) this.#backoff.reset();
    this.#show();
  }

  #look() {
    const now = performance.now();
    const patience = this.#source?.readyState === EventSource.OPEN ? SILENCE_MS : NO_ANSWER_MS;
    if (this.#source && now - Math.max(this.#heardAt, this.#openedAt) > patience) this.#open();
    this.#show();
  }

  #show() {
    const silent = performance.now() - this.#heardAt > SILENCE_MS;
    const down = this.#wasLive ? 'reconnecting' : 'connecting';
    this.#onState(silent ? 'stale' : this.#live ? 'live' : down, this.#malformed);
  }

  #pause(milliseconds) {
    if (milliseconds <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
      setTimeout(resolve, milliseconds);
    });
  }
}
