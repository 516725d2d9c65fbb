// Short messages at the foot of the page. They go away by themselves, and the same message is not shown twice at once.

const SHOWN_MS = 7_000;
const AT_ONCE = 3;

export class Notices {
  #region;

  constructor(region) {
    this.#region = region;
  }

  show(text, { problem = false } = {}) {
    for (const shown of this.#region.children) {
      if (shown.textContent === text) shown.remove();
    }
    while (this.#region.children.length >= AT_ONCE) this.#region.firstElementChild.remove();
    const node = document.createElement('p');
    node.className = problem ? 'notice problem' : 'notice';
    node.textContent = text;
    this.#region.append(node);
    setTimeout(() => node.remove(), SHOWN_MS);
  }
}
