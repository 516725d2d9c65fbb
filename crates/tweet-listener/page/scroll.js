// Where the reader is. New posts come in above; whoever reads further down must not see the text move.

const calm = matchMedia('(prefers-reduced-motion: reduce)');
const SLACK_PX = 24;
const PUSH_MS = 420;

export class Place {
  #stage;
  #list;
  #header;
  #owed = 0;

  /** `stage` holds `list`, whose children are the rows; `header` covers the top of the window. */
  constructor({ stage, list, header }) {
    this.#stage = stage;
    this.#list = list;
    this.#header = header;
    const measure = () => document.documentElement.style.setProperty('--masthead', `${header.offsetHeight}px`);
    new ResizeObserver(measure).observe(header);
    measure();
  }

  /** True when the newest post is not in sight, or a row has the keyboard's focus: then rows stay where they are. */
  get reading() {
    return this.#top < this.#covered - SLACK_PX || this.#focused !== null;
  }

  /** How many rows, from the newest on, are above the lower edge of the window: those that must not be taken away. */
  get reach() {
    const rows = this.#list.children;
    let low = 0;
    let high = rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (rows[middle].getBoundingClientRect().top < innerHeight) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Does `change` to the list without moving what is read. */
  keep(change) {
    const anchors = this.#anchors().map((row) => [row, row.getBoundingClientRect().top]);
    change();
    const still = anchors.find(([row]) => row.isConnected);
    if (!still) return;
    const moved = () => still[0].getBoundingClientRect().top - still[1];
    if (moved() === 0) return;
    scrollBy({ top: moved() + this.#owed, behavior: 'instant' });
    // Browsers scroll by whole pixels. What is left over is made good next time, so that a thousand posts do not add up to a drift.
    const left = moved() + this.#owed;
    this.#owed = Math.abs(left) < 1 ? left : 0;
  }

  /** Does `change` to the list, whose old rows then slide down gently to their new places. */
  push(change) {
    const first = this.#list.firstElementChild;
    const before = first?.offsetTop;
    change();
    if (!first || calm.matches) return;
    const by = first.offsetTop - before;
    // Added to slides that still run, so that quick arrivals make one smooth movement.
    if (by > 0) {
      this.#list.animate([{ transform: `translateY(${-by}px)` }, { transform: 'none' }], {
        duration: PUSH_MS,
        easing: 'cubic-bezier(.2, .7, .2, 1)',
        composite: 'add',
      });
    }
  }

  toNewest() {
    if (this.#focused !== null) document.activeElement.blur();
    const top = this.#top + scrollY - this.#covered - SLACK_PX;
    // Where nothing stands above the list but the header, this is the very top.
    scrollTo({ top: Math.max(0, top), behavior: 'instant' });
  }

  get #top() {
    return this.#stage.getBoundingClientRect().top;
  }

  get #covered() {
    return this.#header.offsetHeight;
  }

  get #focused() {
    const row = document.activeElement?.closest?.('article');
    return row && this.#list.contains(row) && document.activeElement.matches(':focus-visible') ? row : null;
  }

  #anchors() {
    const rows = [...this.#list.children].slice(0, this.reach);
    const seen = rows.filter((row) => row.getBoundingClientRect().bottom > this.#covered);
    return this.#focused ? [this.#focused, ...seen] : seen;
  }
}
