// One key, one action. Keys do nothing while someone types, while the help is open, or together with Ctrl, Alt or Meta.

export class Keyboard {
  #list;
  #actions;
  #help;

  /** `actions`: like(article), newest(), filter(). `help` is the <dialog>. */
  constructor({ list, actions, help }) {
    this.#list = list;
    this.#actions = actions;
    this.#help = help;
    addEventListener('keydown', (event) => this.#press(event));
  }

  #press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || this.#help.open) return;
    const typing = event.target.closest?.('input, textarea, select, [contenteditable]');
    if (event.key === 'Escape') return void document.activeElement?.blur();
    if (typing) return;
    const act = {
      j: () => this.#step(1),
      k: () => this.#step(-1),
      l: () => this.#current && this.#actions.like(this.#current),
      n: () => this.#actions.newest(),
      '/': () => this.#actions.filter(),
      '?': () => this.#help.showModal(),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  get #current() {
    const row = document.activeElement?.closest?.('article');
    return row && this.#list.contains(row) ? row : null;
  }

  #step(by) {
    const current = this.#current;
    const next = current ? (by > 0 ? current.nextElementSibling : current.previousElementSibling) : this.#firstInSight();
    if (!next) return;
    next.focus({ preventScroll: true, focusVisible: true });
    next.scrollIntoView({ block: 'nearest', behavior: 'instant' });
  }

  #firstInSight() {
    const edge = parseFloat(getComputedStyle(this.#list).scrollMarginTop) || 0;
    for (const row of this.#list.children) {
      if (row.getBoundingClientRect().top >= edge) return row;
    }
    return this.#list.firstElementChild;
  }
}
