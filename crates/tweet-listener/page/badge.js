// The connection state, in words and as data-state for styles and tests.

const WORDS = {
  connecting: 'Connecting',
  live: 'Live',
  reconnecting: 'Reconnecting',
  stale: 'Not up to date',
};

const EXPLAINED = {
  connecting: 'The stream is being opened.',
  live: 'New posts and likes appear as they happen.',
  reconnecting: 'The stream was interrupted. It goes on where it stopped.',
  stale: 'Nothing has been heard from the server for a while. What you see may be old.',
};

export class Badge {
  #node;
  #text;

  constructor(node) {
    this.#node = node;
    this.#text = node.querySelector('.state-text');
  }

  /** `malformed` is the number of events that could not be read and were left out. */
  show(state, malformed) {
    if (this.#node.dataset.state !== state) this.#text.textContent = WORDS[state];
    this.#node.dataset.state = state;
    this.#node.dataset.malformed = malformed;
    const leftOut = malformed > 0 ? ` ${malformed} unreadable events were left out.` : '';
    this.#node.title = EXPLAINED[state] + leftOut;
  }
}
