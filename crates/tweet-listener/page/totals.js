// Running totals: one record per conference in view, and their sum. An author who posts in two conferences counts in each.

import { conflated } from './frame.js';
import { count, grouped, hue, short } from './numbers.js';

const LISTED = 8;
const SUGGESTED = 50;

export class Totals {
  #section;
  #suggestions;
  #conferences = new Map();
  #draw = conflated(() => this.#show());

  /** `suggestions` is the <datalist> of the filter: it is given the conferences that are known here. */
  constructor({ section, suggestions }) {
    this.#section = section;
    this.#suggestions = suggestions;
  }

  set(data) {
    if (typeof data.conference !== 'string') return;
    const { tweetCount, authorCount, likeCount } = data;
    this.#conferences.set(data.conference, { posts: count(tweetCount), authors: count(authorCount), likes: count(likeCount) });
    this.#draw();
  }

  /** Forgets all; with `show: false` what is seen stays until new figures come. */
  forget({ show = true } = {}) {
    this.#conferences.clear();
    if (show) this.#draw();
  }

  #show() {
    const sum = { posts: 0, authors: 0, likes: 0 };
    for (const figures of this.#conferences.values()) {
      for (const name of Object.keys(sum)) sum[name] += figures[name];
    }
    for (const [name, value] of Object.entries(sum)) {
      const node = this.#section.querySelector(`[data-total=${name}]`);
      const text = value < 10_000_000 ? grouped(value) : short(value);
      node.title = grouped(value);
      node.dataset.value = value;
      node.dataset.long = text.length > 6;
      if (node.textContent !== text) node.textContent = text;
    }
    this.#showConferences();
  }

  #showConferences() {
    const sorted = [...this.#conferences].sort((a, b) => b[1].posts - a[1].posts || a[0].localeCompare(b[0]));
    const listed = sorted.slice(0, LISTED);
    this.#section.querySelector('#by-conference').hidden = sorted.length < 2;
    this.#section.querySelector('tbody').replaceChildren(...listed.map(([name, figures]) => line(name, figures)));
    const more = this.#section.querySelector('.more');
    more.hidden = sorted.length <= LISTED;
    more.textContent = `and ${grouped(sorted.length - LISTED)} more`;
    // The suggestions change only with the names, so that an open list does not flicker.
    const names = sorted.slice(0, SUGGESTED).map(([name]) => name).sort();
    if (names.join() === this.#suggestions.dataset.names) return;
    this.#suggestions.dataset.names = names.join();
    this.#suggestions.replaceChildren(...names.map((name) => new Option(name, name)));
  }
}

function line(name, figures) {
  const row = document.createElement('tr');
  const heading = document.createElement('th');
  heading.scope = 'row';
  const link = document.createElement('a');
  link.className = 'conference';
  link.href = `?${new URLSearchParams({ conference: name })}`;
  link.dataset.show = name;
  link.style.setProperty('--hue', hue(name));
  const swatch = document.createElement('span');
  swatch.className = 'swatch';
  const label = document.createElement('span');
  label.className = 'conference-name';
  label.textContent = name;
  link.append(swatch, label);
  heading.append(link);
  row.append(heading);
  for (const value of [figures.posts, figures.authors, figures.likes]) row.insertCell().textContent = short(value);
  return row;
}
