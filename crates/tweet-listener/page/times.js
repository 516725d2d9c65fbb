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

const hourAndMinute = new Intl.DateTimeFormat('en', { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const withDay = new Intl.DateTimeFormat('en', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });

/** 15:04 */
export const clock = (at) => hourAndMinute.format(at);

/** Fills a <time> with the hour and minute. */
export function fillClock(node, at) {
  const iso = new Date(at).toISOString();
  if (node.dateTime === iso) return;
  node.dateTime = iso;
  node.title = absolute.format(at);
  node.textContent = clock(at);
}

/** Fills the two <time>s of a span; on another day than today's the day stands before them. */
export function fillSpan(node, start, end) {
  const [from, to] = node.querySelectorAll('time');
  fillClock(from, start);
  fillClock(to, end);
  const day = (at) => new Date(at).toDateString();
  const today = day(Date.now());
  if (day(start) !== today) from.textContent = withDay.format(start);
  if (day(end) !== day(start)) to.textContent = withDay.format(end);
}

/** How long something is, in its greatest whole unit: 5 min, 1 hr. */
export function length(milliseconds) {
  const units = [[DAY, 'day'], [HOUR, 'hour'], [MINUTE, 'minute'], [1_000, 'second']];
  const [size, unit] = units.find(([each]) => milliseconds % each === 0) ?? [1_000, 'second'];
  return new Intl.NumberFormat('en', { style: 'unit', unit, maximumFractionDigits: 1 }).format(milliseconds / size);
}
