// Posts and likes per minute, added up over the conferences in view: two rows of bars, and the same numbers as a table.

import { conflated } from './frame.js';
import { count, grouped, short } from './numbers.js';
import { clock, fillClock } from './times.js';

const SVG = 'http://www.w3.org/2000/svg';
const MINUTE = 60_000;
const MINUTES = 60;
const HEIGHT = 20; // of a drawing that is one unit wide per minute and is stretched to its place

export class Pulse {
  #board;
  #rows;
  #minutes;
  #conferences = new Map();
  #draw = conflated(() => this.#show());

  constructor(board) {
    this.#board = board;
    this.#rows = ['posts', 'likes'].map((name) => new Row(name, board.querySelector(`[data-series=${name}]`)));
    this.#minutes = board.querySelector('.minutes');
    this.#minutes.addEventListener('toggle', this.#draw);
  }

  set({ conference, perMinute }) {
    const start = Date.parse(perMinute?.start);
    if (typeof conference !== 'string' || Number.isNaN(start)) return;
    const counts = (values) => (Array.isArray(values) ? values.slice(0, MINUTES).map(count) : []);
    this.#conferences.set(conference, { start, counts: [counts(perMinute.tweets), counts(perMinute.likes)] });
    this.#draw();
  }

  /** Forgets all; with `show: false` what is seen stays until new figures come. */
  forget({ show = true } = {}) {
    this.#conferences.clear();
    if (show) this.#draw();
  }

  #show() {
    this.#board.hidden = this.#conferences.size === 0;
    if (this.#board.hidden) return;
    // Conferences may be at different times: the hour up to the newest minute of all is shown.
    let start = -Infinity;
    for (const series of this.#conferences.values()) start = Math.max(start, series.start);
    const sums = this.#rows.map(() => new Array(MINUTES).fill(0));
    for (const series of this.#conferences.values()) {
      const shift = Math.round((series.start - start) / MINUTE);
      series.counts.forEach((counts, row) => counts.forEach((value, i) => {
        if (i + shift >= 0) sums[row][i + shift] += value;
      }));
    }
    this.#rows.forEach((row, i) => row.show(sums[i], start));
    const [from, to] = this.#board.querySelectorAll('.axis time');
    fillClock(from, start);
    fillClock(to, start + (MINUTES - 1) * MINUTE);
    if (this.#minutes.open) this.#minutes.querySelector('tbody').replaceChildren(...lines(sums, start));
  }
}

/** The bars of one series. */
class Row {
  #name;
  #svg;
  #bars;
  #note;

  constructor(name, figure) {
    this.#name = name;
    this.#note = figure.querySelector('.series-note');
    this.#svg = document.createElementNS(SVG, 'svg');
    this.#bars = document.createElementNS(SVG, 'path');
    this.#svg.setAttribute('viewBox', `0 0 ${MINUTES} ${HEIGHT}`);
    this.#svg.setAttribute('preserveAspectRatio', 'none');
    this.#svg.setAttribute('role', 'img');
    this.#svg.append(this.#bars);
    figure.append(this.#svg);
  }

  show(values, start) {
    const most = Math.max(...values);
    const all = values.reduce((sum, value) => sum + value, 0);
    // Whoever has one like in a minute of thousands is still seen.
    const tall = (value) => Math.max(1, (value / most) * HEIGHT).toFixed(2);
    const bar = (value, i) => (value > 0 ? `M${i + 0.1} ${HEIGHT}v-${tall(value)}h.8v${tall(value)}z` : '');
    this.#bars.setAttribute('d', values.map(bar).join(''));
    this.#svg.dataset.sum = all;
    this.#note.textContent = `at most ${short(most)} a minute`;
    const peak = most > 0 ? `, at most ${grouped(most)} at ${clock(start + values.indexOf(most) * MINUTE)}` : '';
    this.#svg.setAttribute('aria-label', `${this.#name} per minute: ${grouped(all)} in an hour${peak}`);
  }
}

/** The minutes with something in them as rows of the table, newest first. */
function lines([posts, likes], start) {
  const rows = [];
  for (let i = MINUTES - 1; i >= 0; i -= 1) {
    if (posts[i] + likes[i] === 0) continue;
    const row = document.createElement('tr');
    const heading = document.createElement('th');
    heading.scope = 'row';
    const time = document.createElement('time');
    fillClock(time, start + i * MINUTE);
    heading.append(time);
    row.append(heading);
    for (const value of [posts[i], likes[i]]) row.insertCell().textContent = grouped(value);
    rows.push(row);
  }
  return rows;
}
