// The posts that were liked last, newest on top; a post that is liked again moves up.

import { conflated } from './frame.js';
import { fresh, settles } from './fresh.js';
import { count, short } from './numbers.js';
import { keyOf } from './post.js';

const SHOWN = 8;

export class Recent {
  #board;
  #list;
  #template = document.getElementById('recent-template').content.firstElementChild;
  #liked = new Map(); // in the order of the likes
  #nodes = new Map();
  #draw = conflated(() => this.#show());

  constructor(board) {
    this.#board = board;
    this.#list = board.querySelector('ul');
    settles(this.#list, 'appear');
  }

  add(data) {
    if (typeof data.tweetId !== 'string') return;
    const key = keyOf(data);
    this.#liked.delete(key);
    this.#liked.set(key, data);
    if (this.#liked.size > SHOWN) this.#liked.delete(this.#liked.keys().next().value);
    this.#draw();
  }

  forget() {
    this.#liked.clear();
    this.#draw();
  }

  #show() {
    const nodes = new Map();
    for (const [key, data] of [...this.#liked].reverse()) {
      const node = this.#nodes.get(key) ?? fresh(this.#template);
      fill(node, data);
      nodes.set(key, node);
    }
    this.#nodes = nodes;
    const wanted = [...nodes.values()];
    if (!wanted.every((node, i) => node === this.#list.children[i]) || wanted.length !== this.#list.children.length) {
      this.#list.replaceChildren(...wanted);
    }
    this.#board.classList.toggle('is-empty', nodes.size === 0);
  }
}

function fill(node, data) {
  node.dataset.tweetId = data.tweetId;
  const put = (name, text) => {
    const part = node.querySelector(name);
    if (part.textContent !== text) part.textContent = text;
  };
  put('.count', short(count(data.count)));
  put('.author', data.author || '');
  put('.text', data.text || `Post ${data.tweetId}`);
}
