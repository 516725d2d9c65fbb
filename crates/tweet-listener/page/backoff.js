// Waiting times between attempts: they double up to a limit, and each is jittered, so that ten thousand pages whose server went away do not
// come back in one instant.

export class Backoff {
  #first;
  #limit;
  #attempts = 0;

  /** Both in milliseconds. */
  constructor({ first = 1_000, limit = 30_000 } = {}) {
    this.#first = first;
    this.#limit = limit;
  }

  next() {
    const full = Math.min(this.#limit, this.#first * 2 ** this.#attempts);
    this.#attempts += 1;
    return full * (0.5 + Math.random() / 2);
  }

  reset() {
    this.#attempts = 0;
  }
}
