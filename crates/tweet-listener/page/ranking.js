// A list of the most liked posts: items move to their new rank, new ones fade in.

import { fresh, settles } from './fresh.js';
import { count, short } from './numbers.js';
import { keyOf } from './post.js';

const calm = matchMedia('(prefers-reduced-motion: reduce)');

/** The `most` best entries of several lists, each `{ entry, likes }`. One pass with a short sorted list: there may be ten thousand conferences. */
export function best(lists, most) {
  const found = [];
  for (const entries of lists) {
    for (const entry of entries) {
      const likes = count(entry?.count);
      if (likes === 0 || (found.length === most && likes <= found[most - 1].likes)) continue;
      const at = found.findIndex((other) => other.likes < likes);
      found.splice(at < 0 ? found.length : at, 0, { entry, likes });
      if (found.length > most) found.pop();
    }
  }
  return found;
}

export class Ranking {
  #board;
  #list;
  #template = document.getElementById('top-template').content.firstElementChild;
  #items = new Map();

  /** `board` holds an <ol> and, for an empty list, what is said instead. */
  constructor(board) {
    this.#board = board;
    this.#list = board.querySelector('ol');
    settles(this.#list, 'appear');
  }

  /** Shows what `best` has found. */
  show(found) {
    const before = new Map([...this.#items].map(([key, node]) => [key, node.offsetTop]));
    const items = new Map();
    for (const [index, { entry, likes }] of found.entries()) {
      const key = keyOf(entry);
      const node = this.#items.get(key) ?? fresh(this.#template);
      fill(node, entry, likes, index + 1, likes / found[0].likes);
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
