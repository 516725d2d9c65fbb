// Times relative to now, short enough for the corner of a card.

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const absolute = new Intl.DateTimeFormat('en', { dateStyle: 'full', timeStyle: 'medium' });
const dayAndMonth = new Intl.DateTimeFormat('en', { day: 'numeric', month: 'short' });

/** A time that lies ahead (two clocks differ) is now. */
export function relative(at, now) {
  const age = now - at;
  if (age < 45_000) return 'now';
  if (age < HOUR) return `${Math.max(1, Math.round(age / MINUTE))} min`;
  if (age < DAY) return `${Math.round(age / HOUR)} h`;
  return dayAndMonth.format(at);
}

/** Fills a <time>; a date that cannot be read leaves it empty. Answers the time in milliseconds, or NaN. */
export function fillTime(node, text) {
  const at = Date.parse(text);
  if (Number.isNaN(at)) return at;
  node.dateTime = text;
  node.title = absolute.format(at);
  node.textContent = relative(at, Date.now());
  return at;
}
