// GET tweets: the newest posts with their counts, and the place in the log from which the stream goes on.

const NEWEST = 50;
const TIMEOUT_MS = 15_000;

export async function fetchSnapshot(conferences, signal) {
  const query = new URLSearchParams({ limit: NEWEST });
  if (conferences.length > 0) query.set('conference', conferences.join(','));
  const response = await fetch(`tweets?${query}`, {
    headers: { accept: 'application/json' },
    cache: 'no-store',
    signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
  });
  if (!response.ok) throw new Error(await problem(response));
  const body = await response.json();
  signal.throwIfAborted();
  return {
    tweets: Array.isArray(body.tweets) ? body.tweets : [],
    counts: Array.isArray(body.counts) ? body.counts : [],
    lastEventId: typeof body.lastEventId === 'string' ? body.lastEventId : '',
  };
}

/** What an answer in application/problem+json says, in words for the reader. */
export async function problem(response) {
  const body = await response.json().catch(() => ({}));
  return body?.detail || body?.title || `The server answered ${response.status}.`;
}
