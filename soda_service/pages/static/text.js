// @ts-check
// Counts, sizes and time spans in words, as pages/formatting.py of the server writes them.

const UNITS = ["bytes", "kB", "MB", "GB", "TB"];
/** @type {[string, number][]} */
const SPANS = [
  ["d", 86400],
  ["h", 3600],
  ["min", 60],
  ["s", 1],
];

/**
 * Write a count with a thin space between thousands: `1 234`.
 * @param {number} value
 */
export const number = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, "\u202f");

/**
 * Write a size by three digits, base 1000: `6.08 MB`.
 * @param {number} bytes
 */
export const size = (bytes) => {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) [value, unit] = [value / 1000, unit + 1];
  const text = unit && value < 100 ? Number(value.toPrecision(3)) : Math.round(value);
  return `${text}\u00a0${UNITS[unit]}`;
};

/**
 * Write a time span by its two largest units: `2 h 5 min`; empty where it is not known.
 * @param {number | null} seconds
 */
export const duration = (seconds) => {
  if (seconds === null) return "";
  if (seconds < 9.95) return `${seconds.toFixed(1)}\u00a0s`;
  const whole = Math.round(seconds);
  const first = SPANS.findIndex(([, length]) => whole >= length);
  let left = whole;
  const texts = [];
  for (const [name, length] of SPANS.slice(first, first + 2)) {
    if (left >= length) texts.push(`${Math.floor(left / length)}\u00a0${name}`);
    left %= length;
  }
  return texts.join(" ");
};
