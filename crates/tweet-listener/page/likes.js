// Counts as the server tells them, one's own likes as this browser keeps them, and the way of a like to the server.
//
// A press shows at once. The server's next count for the post replaces the guess; a refusal takes the press back and says why.

import { count } from './numbers.js';
import { problem } from './snapshot.js';
import { keep, recall, whenChangedElsewhere } from './storage.js';

const MOST_COUNTS = 20_000;
const MOST_OWN = 5_000;
const TIMEOUT_MS = 10_000;
const GUESS_MS = 5_000; // a like that changed nothing at the server brings no new count

export class Likes {
  #counts = new Map();
  #own = new Set();
  #wanted = new Map();
  #guess = new Map();
  #line = Promise.resolve();
  #onChange;
  #onRefused;

  /** `onChange(key)` when a post's count or mark may look different; `onRefused(message)` when a like was taken back. */
  constructor({ onChange, onRefused }) {
    this.#onChange = onChange;
    this.#onRefused = onRefused;
    this.#recallOwn();
    whenChangedElsewhere('likes', () => {
      const before = this.#own;
      this.#recallOwn();
      for (const key of new Set([...before, ...this.#own])) {
        if (before.has(key) !== this.#own.has(key)) this.#onChange(key);
      }
    });
  }

  of(key) {
    return {
      liked: this.#wanted.get(key) ?? this.#own.has(key),
      count: Math.max(0, (this.#counts.get(key) ?? 0) + (this.#guess.get(key) ?? 0)),
    };
  }

  counted(entry) {
    const key = `${entry?.conference}/${entry?.tweetId}`;
    this.#counts.delete(key);
    this.#counts.set(key, count(entry?.count));
    if (this.#counts.size > MOST_COUNTS) this.#counts.delete(this.#counts.keys().next().value);
    this.#guess.delete(key);
    this.#onChange(key);
  }

  toggle({ key, conference, tweetId }) {
    const waiting = this.#wanted.has(key);
    const wanted = !this.of(key).liked;
    this.#wanted.set(key, wanted);
    this.#guess.set(key, wanted === this.#own.has(key) ? 0 : wanted ? 1 : -1);
    this.#onChange(key);
    // One request at a time: two first likes at once would be given two visitors, and one of them would be lost.
    if (!waiting) this.#line = this.#line.then(() => this.#settle(key, conference, tweetId));
  }

  async #settle(key, conference, tweetId) {
    try {
      while (this.#wanted.get(key) !== this.#own.has(key)) {
        const liked = this.#wanted.get(key);
        await send(conference, tweetId, liked);
        this.#keepOwn(key, liked);
      }
      setTimeout(() => this.#dropGuess(key), GUESS_MS);
    } catch (error) {
      this.#guess.delete(key);
      this.#onRefused(error instanceof Refused ? error.message : 'The server cannot be reached. Your like was not kept.');
    }
    this.#wanted.delete(key);
    this.#onChange(key);
  }

  #dropGuess(key) {
    if (this.#wanted.has(key) || !this.#guess.delete(key)) return;
    this.#onChange(key);
  }

  #recallOwn() {
    const kept = recall('likes', null);
    if (Array.isArray(kept)) this.#own = new Set(kept);
  }

  #keepOwn(key, liked) {
    this.#recallOwn(); // another tab may have kept more since
    if (liked) this.#own.add(key);
    else this.#own.delete(key);
    keep('likes', [...this.#own].slice(-MOST_OWN));
  }
}

class Refused extends Error {}

async function send(conference, tweetId, liked) {
  const address = `likes/${encodeURIComponent(tweetId)}?${new URLSearchParams({ conference })}`;
  const request = () =>
    fetch(address, {
      method: liked ? 'PUT' : 'DELETE',
      headers: { accept: 'application/json' },
      credentials: 'same-origin',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  let response = await request();
  // A browser without a visitor cookie is given one with the refusal.
  if (response.status === 401) response = await request();
  if (!response.ok) throw new Refused(`Your like was not kept. ${await reason(response)}`);
}

async function reason(response) {
  if (response.status === 401) return 'This browser does not keep the cookie that likes need.';
  if (response.status === 404) return 'The post is no longer there.';
  if (response.status === 429 || response.status === 503) return 'The server is busy; please try again in a moment.';
  return problem(response);
}
