const whole = new Intl.NumberFormat('en');
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

/** 1,234,567 */
export const grouped = (n) => whole.format(n);

/** 1,234, but 12.3K: for counts that stand in a narrow place. */
export const short = (n) => (n < 10_000 ? whole.format(n) : compact.format(n));

/** A count as the wire gives it; anything else is 0. */
export const count = (value) => (Number.isFinite(value) && value > 0 ? value : 0);

/** A hue of the colour circle that is the same for the same name on every screen (FNV-1a). */
export function hue(name) {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i += 1) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193) >>> 0;
  return hash % 360;
}
