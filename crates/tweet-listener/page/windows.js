// The most liked posts of the newest window of each size, with its time and whether it is over. Windows go by the times of the posts and likes
// themselves: nothing here looks at this machine's clock.

import { foldable } from './boards.js';
import { conflated } from './frame.js';
import { Ranking, best } from './ranking.js';
import { fillSpan, length } from './times.js';

const SHOWN = 5;

export class Windows {
  #place;
  #template = document.getElementById('window-template').content.firstElementChild;
  #lists = new Map(); // by size, then by conference
  #streamTime = -Infinity;
  #boards = new Map();
  #draw = conflated(() => this.#show());

  /** `place` is where the boards stand, one for each size that comes. */
  constructor(place) {
    this.#place = place;
  }

  set(data) {
    const [start, end] = [Date.parse(data.start), Date.parse(data.end)];
    const named = typeof data.conference === 'string' && typeof data.window === 'string';
    if (!named || !Array.isArray(data.nrs) || !(start < end)) return;
    if (!this.#lists.has(data.window)) this.#lists.set(data.window, new Map());
    this.#lists.get(data.window).set(data.conference, { start, end, final: data.final === true, nrs: data.nrs });
    this.#draw();
  }

  /** Hears of a conference's stream times; they only move on. */
  setTime({ tweetsStreamTime, likesStreamTime }) {
    for (const time of [Date.parse(tweetsStreamTime), Date.parse(likesStreamTime)]) {
      if (time > this.#streamTime) this.#streamTime = time;
    }
    this.#draw();
  }

  /** Forgets all; with `show: false` what is seen stays until new lists come. */
  forget({ show = true } = {}) {
    this.#lists.clear();
    this.#streamTime = -Infinity;
    if (show) this.#draw();
  }

  #show() {
    const windows = [...this.#lists].map(([size, lists]) => newest(size, [...lists.values()]));
    windows.sort((a, b) => a.end - a.start - (b.end - b.start));
    const boards = new Map();
    for (const found of windows) {
      const board = this.#boards.get(found.size) ?? this.#board(found);
      const over = found.final || this.#streamTime >= found.end;
      board.node.dataset.over = over;
      fillSpan(board.node.querySelector('.span'), found.start, found.end);
      board.node.querySelector('.phase').textContent = over ? 'over' : 'running';
      board.ranking.show(best(found.lists, SHOWN));
      boards.set(found.size, board);
    }
    this.#boards = boards;
    const nodes = [...boards.values()].map((board) => board.node);
    const same = nodes.length === this.#place.children.length && nodes.every((node, i) => node === this.#place.children[i]);
    if (!same) this.#place.replaceChildren(...nodes);
  }

  #board({ size, start, end }) {
    const node = document.importNode(this.#template, true);
    node.dataset.window = size;
    node.querySelector('.aside-note').textContent = `in ${length(end - start)}`;
    foldable(node);
    return { node, ranking: new Ranking(node) };
  }
}

/** Conferences may be at different times: the newest window of all counts, with the lists of those that are in it. */
function newest(size, windows) {
  const start = Math.max(...windows.map((window) => window.start));
  const present = windows.filter((window) => window.start === start);
  return {
    size,
    start,
    end: present[0].end,
    final: present.every((window) => window.final),
    lists: present.map((window) => window.nrs),
  };
}
