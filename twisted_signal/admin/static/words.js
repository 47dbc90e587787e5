/** Numbers, times and lists as people read them. */

const THIN = "\u202f";
const NUMBERS = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

export const whole = (value) => Math.round(value).toLocaleString("en");

/** Return a number with at most three digits that count: `0.4`, `38`, `1.2 k`. */
export function short(value) {
  const size = Math.abs(value);
  if (size >= 1e6) return `${NUMBERS.format(value / 1e6)}${THIN}M`;
  if (size >= 1e4) return `${NUMBERS.format(value / 1e3)}${THIN}k`;
  return size >= 100 ? whole(value) : NUMBERS.format(value);
}

/** Return bytes in a unit that suits. */
export function bytes(value) {
  if (value < 1000) return `${Math.round(value)}${THIN}B`;
  const [size, unit] = value < 1e6 ? [value / 1e3, "kB"] : value < 1e9 ? [value / 1e6, "MB"] : [value / 1e9, "GB"];
  return `${size >= 100 ? Math.round(size) : NUMBERS.format(size)}${THIN}${unit}`;
}

/** Return a length of time by its two largest units. `seconds`: not negative. */
export function duration(seconds) {
  const left = Math.max(0, Math.floor(seconds));
  const parts = [
    [Math.floor(left / 86_400), "d"], [Math.floor(left / 3600) % 24, "h"],
    [Math.floor(left / 60) % 60, "min"], [left % 60, "s"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return `0${THIN}s`;
  return parts.slice(first, first + 2).filter(([count]) => count > 0)
    .map(([count, unit]) => `${count}${THIN}${unit}`).join(" ");
}

/** Return a round trip's time. `ms`: may be null, where it is not known. */
export function milliseconds(ms) {
  if (ms === null || ms === undefined) return "–";
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)}${THIN}ms`;
}

/** Return how much later than another a time is: `+0.482 s`, `−3 min 20 s`. Both in milliseconds. */
export function later(at, start) {
  const sign = at < start ? "−" : "+";
  const seconds = Math.abs(at - start) / 1000;
  if (seconds < 10) return `${sign}${seconds.toFixed(3)}${THIN}s`;
  return seconds < 120 ? `${sign}${seconds.toFixed(1)}${THIN}s` : `${sign}${duration(seconds)}`;
}

/** Return a time of day, by the reader's clock and zone. */
export const timeOfDay = (ms) => new Date(ms).toLocaleTimeString("en-GB");

export const counted = (count, one, many = `${one}s`) => `${whole(count)} ${count === 1 ? one : many}`;
