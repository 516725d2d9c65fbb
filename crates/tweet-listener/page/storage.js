// What this browser keeps between visits. Storage may be refused (private windows, policies, a full disk): then the page keeps what it has
// in memory and goes on.

export function recall(name, otherwise) {
  try {
    const kept = localStorage.getItem(`livewall.${name}`);
    return kept === null ? otherwise : JSON.parse(kept);
  } catch {
    return otherwise;
  }
}

export function keep(name, value) {
  try {
    localStorage.setItem(`livewall.${name}`, JSON.stringify(value));
  } catch {
    // Refused; see above.
  }
}

/** Calls back when another tab of this site has kept a new value under the name. */
export function whenChangedElsewhere(name, callback) {
  addEventListener('storage', (event) => {
    if (event.key === `livewall.${name}` || event.key === null) callback();
  });
}
