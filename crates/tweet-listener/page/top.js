// The most liked posts of all time, merged from the list of each conference in view.

import { conflated } from './frame.js';
import { Ranking, best } from './ranking.js';

const SHOWN = 10;

export class Top {
  #board;
  #ranking;
  #lists = new Map();
  #window = 'all';
  #draw = conflated(() => this.#show());

  constructor(board) {
    this.#board = board;
    this.#ranking = new Ranking(board);
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

  #show() {
    this.#ranking.show(best(this.#lists.values(), SHOWN));
    this.#board.querySelector('#top-window').textContent = this.#window === 'all' ? 'of all time' : `last ${this.#window}`;
  }
}
