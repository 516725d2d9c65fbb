// The most frequent hashtags, added up over the conferences in view.

import { conflated } from './frame.js';
import { count, short } from './numbers.js';

const SHOWN = 10;

export class Hashtags {
  #list;
  #conferences = new Map();
  #draw = conflated(() => this.#show());

  constructor(board) {
    this.#list = board.querySelector('ol');
  }

  set({ conference, hashtags }) {
    if (typeof conference !== 'string' || !Array.isArray(hashtags)) return;
    this.#conferences.set(conference, hashtags);
    this.#draw();
  }

  forget({ show = true } = {}) {
    this.#conferences.clear();
    if (show) this.#draw();
  }

  #show() {
    const sums = new Map();
    for (const entry of [...this.#conferences.values()].flat()) {
      if (typeof entry?.hashtag !== 'string' || entry.hashtag === '') continue;
      sums.set(entry.hashtag, (sums.get(entry.hashtag) ?? 0) + count(entry.count));
    }
    const found = [...sums].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, SHOWN);
    this.#list.replaceChildren(...found.map(([hashtag, posts]) => item(hashtag, posts, posts / found[0][1])));
  }
}

function item(hashtag, posts, share) {
  const node = document.createElement('li');
  node.className = 'hashtag-item';
  node.style.setProperty('--share', share);
  const part = (name, text) => {
    const span = document.createElement('span');
    span.className = name;
    span.textContent = text;
    return span;
  };
  const bar = part('bar', '');
  bar.ariaHidden = 'true';
  const name = part('hashtag-name', `#${hashtag}`);
  name.dir = 'auto';
  node.append(bar, name, part('hashtag-count', short(posts)), part('sr', posts === 1 ? ' post' : ' posts'));
  return node;
}
