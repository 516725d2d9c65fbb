// The posts, newest on top in the order of their arrival, each once, at most 500 in the page.

import { conflated } from './frame.js';
import { settles } from './fresh.js';
import { Post, readTweet } from './post.js';

const MOST_ROWS = 500;
const REMEMBERED = 5_000; // keys of posts that have left the page, against repeats
const GENTLY = 5; // more than this at once do not slide in
const MANY = 50; // more than this at once do not fade in either
const TIMES_EVERY_MS = 30_000;

export class Feed {
  #list;
  #place;
  #likes;
  #onChange;
  #rows = new Map();
  #seen = new Set();
  #pending = []; // oldest first
  #overflowed = false;
  #unread = 0;
  #likesChanged = new Set();
  #draw = conflated(() => this.#flush());

  /** `onChange({ rows, unread })` is called after each drawing. */
  constructor({ list, place, likes, onChange }) {
    this.#list = list;
    this.#place = place;
    this.#likes = likes;
    this.#onChange = onChange;
    setInterval(() => this.#refreshTimes(), TIMES_EVERY_MS);
    addEventListener('scroll', () => (this.#unread > 0 || this.#pending.length > 0) && this.#draw(), { passive: true });
    settles(list, 'just-came');
    list.addEventListener('focusout', () => this.#draw());
  }

  add(data) {
    const tweet = readTweet(data);
    if (!tweet || this.#seen.has(tweet.key)) return;
    this.#remember(tweet.key);
    this.#pending.push(tweet);
    if (this.#pending.length > 2 * MOST_ROWS) {
      this.#unread += this.#pending.splice(0, MOST_ROWS).length;
      this.#overflowed = true;
    }
    this.#draw();
  }

  likeChanged(key) {
    this.#likesChanged.add(key);
    this.#draw();
  }

  /**
   * Makes the page agree with a snapshot (newest first). Rows that continue it downwards stay; if none of its posts is known, the rows
   * before it belong to a past that does not join, and go.
   */
  rebuild(snapshot) {
    if (this.#pending.length > 0) this.#insert(this.#pending.splice(0).slice(-MOST_ROWS), true);
    const tweets = snapshot.map(readTweet).filter(Boolean);
    const keys = new Set(tweets.map((tweet) => tweet.key));
    const shown = [...this.#rows.keys()];
    const joint = shown.findLastIndex((key) => keys.has(key));
    const older = joint < 0 ? [] : shown.slice(joint + 1).filter((key) => !keys.has(key));
    const order = [...keys, ...older].slice(0, MOST_ROWS);
    const byKey = new Map(tweets.map((tweet) => [tweet.key, tweet]));

    const rows = new Map();
    for (const key of order) rows.set(key, this.#rows.get(key) ?? this.#build(byKey.get(key)));
    this.#place.keep(() => this.#list.replaceChildren(...[...rows.values()].map((row) => row.node)));
    if (joint >= 0) this.#unread += order.filter((key) => !this.#rows.has(key)).length;
    this.#rows = rows;
    this.#overflowed = false;
    this.#seen = new Set([...rows.keys()].reverse());
    this.#list.setAttribute('aria-busy', 'false');
    for (const key of rows.keys()) this.#likesChanged.add(key);
    this.#draw();
  }

  clear() {
    this.#rows = new Map();
    this.#pending = [];
    this.#overflowed = false;
    this.#seen.clear();
    this.#unread = 0;
    this.#list.replaceChildren();
    this.#list.setAttribute('aria-busy', 'true');
  }

  toNewest() {
    this.#place.toNewest();
    this.#draw();
  }

  post(node) {
    return node ? this.#rows.get(`${node.dataset.conference}/${node.dataset.tweetId}`) : undefined;
  }

  #flush() {
    const reading = this.#place.reading;
    const tweets = this.#take(reading);
    if (tweets.length > 0) this.#insert(tweets, reading);
    for (const key of this.#likesChanged) this.#rows.get(key)?.showLike(this.#likes.of(key));
    this.#likesChanged.clear();
    this.#unread = reading ? this.#unread + tweets.length : 0;
    this.#onChange({ rows: this.#rows.size, unread: reading ? this.#unread + this.#pending.length : 0 });
  }

  /** The pending posts that may be shown now. While someone reads far down, the rows in sight are not pushed over the limit. */
  #take(reading) {
    const pending = this.#pending;
    if (pending.length === 0) return pending;
    let room = MOST_ROWS;
    if (reading) {
      const free = MOST_ROWS - this.#rows.size;
      if (pending.length > free) room = Math.max(free, MOST_ROWS - this.#place.reach);
      // After an overflow the oldest pending post no longer joins the newest row: all of them or none.
      if (this.#overflowed) room = 0;
      this.#pending = pending.splice(Math.max(0, room));
      return pending;
    }
    this.#pending = [];
    this.#overflowed = false;
    return pending.slice(-MOST_ROWS);
  }

  #insert(tweets, reading) {
    const fragment = document.createDocumentFragment();
    const rows = new Map();
    for (const tweet of tweets.reverse()) {
      const row = this.#build(tweet);
      if (tweets.length <= MANY) row.node.classList.add('fresh');
      rows.set(tweet.key, row);
      fragment.append(row.node);
    }
    for (const [key, row] of this.#rows) rows.set(key, row);
    this.#rows = rows;
    const change = () => {
      this.#list.prepend(fragment);
      this.#trim();
    };
    if (reading) this.#place.keep(change);
    else if (tweets.length <= GENTLY) this.#place.push(change);
    else change();
  }

  #trim() {
    const surplus = [...this.#rows.keys()].slice(MOST_ROWS);
    for (const key of surplus) {
      this.#rows.get(key).node.remove();
      this.#rows.delete(key);
    }
  }

  #build(tweet) {
    return new Post(tweet, this.#likes.of(tweet.key));
  }

  #remember(key) {
    this.#seen.add(key);
    if (this.#seen.size > REMEMBERED) this.#seen.delete(this.#seen.values().next().value);
  }

  #refreshTimes() {
    const now = Date.now();
    for (const row of this.#rows.values()) row.refreshTime(now);
  }
}
