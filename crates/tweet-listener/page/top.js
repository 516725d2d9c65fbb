// The most liked posts, merged from the list of each conference in view.

import { conflated } from './frame.js';
import { fresh, settles } from './fresh.js';
import { count, short } from './numbers.js';
import { keyOf } from './post.js';

const SHOWN = 10;
const calm = matchMedia('(prefers-reduced-motion: reduce)');

export class Top {
  #board;
  #list;
  #template = document.getElementById('top-template').content.firstElementChild;
  #lists = new Map();
  #items = new Map();
  #window = 'all';
  #draw = conflated(() => this.#show());

  constructor(board) {
    this.#board = board;
    this.#list = board.querySelector('ol');
    settles(this.#list, 'appear');
  }

  set(data) {
    if (typeof data.conference !== 'string' || !Array.isArray(data.nrs)) return;
    this.#lists.set(data.conference, data.nrs);
    this.#window = typeof data.window === 'string' && data.window ? data.window : 'all';
    this.#draw();
  }

  forget({ show = true } = {}) {
    this.#lists.clear();
    if (show) this.#draw();
  }

  /** One pass with a short sorted list: there may be ten thousand conferences. */
  #best() {
    const best = [];
    for (const entries of this.#lists.values()) {
      for (const entry of entries) {
        const likes = count(entry?.count);
        if (likes === 0 || (best.length === SHOWN && likes <= best[SHOWN - 1].likes)) continue;
        const at = best.findIndex((other) => other.likes < likes);
        best.splice(at < 0 ? best.length : at, 0, { entry, likes });
        if (best.length > SHOWN) best.pop();
      }
    }
    return best;
  }

  #show() {
    const best = this.#best();
    const before = new Map([...this.#items].map(([key, node]) => [key, node.offsetTop]));
    const items = new Map();
    for (const [index, { entry, likes }] of best.entries()) {
      const key = keyOf(entry);
      const node = this.#items.get(key) ?? fresh(this.#template);
      fill(node, entry, likes, index + 1, likes / best[0].likes);
      items.set(key, node);
    }
    this.#items = items;
    const nodes = [...items.values()];
    const same = nodes.length === this.#list.children.length && nodes.every((node, i) => node === this.#list.children[i]);
    if (!same) {
      this.#list.replaceChildren(...nodes);
      if (!calm.matches) slide(items, before);
    }
    this.#board.classList.toggle('is-empty', items.size === 0);
    this.#board.querySelector('#top-window').textContent = this.#window === 'all' ? 'of all time' : `last ${this.#window}`;
  }
}

function fill(node, entry, likes, rank, share) {
  const put = (name, text) => {
    const part = node.querySelector(name);
    if (part.textContent !== text) part.textContent = text;
  };
  node.dataset.tweetId = String(entry.tweetId);
  node.dataset.conference = String(entry.conference);
  node.style.setProperty('--share', share);
  put('.rank', String(rank));
  put('.text', entry.text || `Post ${entry.tweetId}`);
  put('.author', entry.author || entry.conference || '');
  put('.count', short(likes));
}

/** Items that changed their rank move there; new ones fade in by style. */
function slide(items, before) {
  for (const [key, node] of items) {
    const by = before.has(key) ? before.get(key) - node.offsetTop : 0;
    if (by !== 0) node.animate([{ transform: `translateY(${by}px)` }, { transform: 'none' }], { duration: 450, easing: 'ease' });
  }
}
