// The conferences in view. They stand in the address (`?conference=a,b`), so that a filtered wall can be shared and the browser's back
// button works.

import { hue } from './numbers.js';

const MOST = 16;
const NAME = /^[a-z0-9._~-]{1,64}$/;

export class Filter {
  #form;
  #input;
  #chips;
  #problem;
  #onChange;
  #conferences = [];

  constructor({ form, onChange }) {
    this.#form = form;
    this.#input = form.querySelector('input');
    this.#chips = form.querySelector('#chips');
    this.#problem = form.querySelector('#filter-problem');
    this.#onChange = onChange;
    this.#readAddress();

    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#add(this.#input.value);
    });
    this.#input.addEventListener('input', () => this.#complain(''));
    this.#chips.addEventListener('click', (event) => {
      const chip = event.target.closest('button');
      if (chip) this.set(this.#conferences.filter((name) => name !== chip.dataset.conference));
    });
    addEventListener('popstate', () => {
      this.#readAddress();
      this.#onChange(this.#conferences);
    });
    // A conference's name, wherever it stands, leads to that conference alone.
    document.addEventListener('click', (event) => {
      const link = event.target.closest?.('a[data-show]');
      if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
      event.preventDefault();
      this.set([link.dataset.show]);
    });
  }

  get conferences() {
    return this.#conferences;
  }

  focus() {
    this.#input.focus();
    this.#input.select();
  }

  set(conferences) {
    if (conferences.join() === this.#conferences.join()) return;
    const address = new URL(location.href);
    // Not through searchParams: its %2C for the comma would make a shared address hard to read.
    address.search = conferences.length > 0 ? `?conference=${conferences.join(',')}` : '';
    history.pushState(null, '', address);
    this.#take(conferences);
    this.#onChange(conferences);
  }

  #add(text) {
    const { names, wrong } = parse(text);
    const conferences = [...new Set([...this.#conferences, ...names])];
    if (wrong.length > 0) return this.#complain(`“${wrong[0]}” is not a conference name: letters, digits and . _ ~ - only, at most 64.`);
    if (conferences.length > MOST) return this.#complain(`At most ${MOST} conferences can be shown together.`);
    this.#input.value = '';
    this.#complain('');
    this.set(conferences);
  }

  #readAddress() {
    const given = new URL(location.href).searchParams.getAll('conference').join(',');
    const { names, wrong } = parse(given);
    this.#take([...new Set(names)].slice(0, MOST));
    this.#complain(wrong.length > 0 ? `“${wrong[0]}” in the address is not a conference name and was left out.` : '');
  }

  #take(conferences) {
    this.#conferences = conferences;
    this.#chips.hidden = conferences.length === 0;
    this.#chips.replaceChildren(...conferences.map(chip));
  }

  #complain(text) {
    this.#problem.textContent = text;
    this.#problem.hidden = text === '';
    if (text) this.#input.setAttribute('aria-invalid', 'true');
    else this.#input.removeAttribute('aria-invalid');
  }
}

function parse(text) {
  const pieces = text.split(/[\s,;]+/).map((piece) => piece.replace(/^#+/, '').toLowerCase()).filter(Boolean);
  return { names: pieces.filter((piece) => NAME.test(piece)), wrong: pieces.filter((piece) => !NAME.test(piece)) };
}

function chip(name) {
  const item = document.createElement('li');
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'chip';
  button.dataset.conference = name;
  button.setAttribute('aria-label', `Remove ${name} from the filter`);
  button.style.setProperty('--hue', hue(name));
  const swatch = document.createElement('span');
  swatch.className = 'swatch';
  const label = document.createElement('span');
  label.className = 'conference-name';
  label.textContent = name;
  const cross = document.createElement('span');
  cross.className = 'cross';
  cross.textContent = '×';
  button.append(swatch, label, cross);
  item.append(button);
  return item;
}
