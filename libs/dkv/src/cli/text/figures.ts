/** Times, sizes and lists as people read them. */

const UNITS_OF_TIME = [
  ['d', 24 * 3_600_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const;
const UNITS_OF_SIZE = [
  ['TiB', 2 ** 40],
  ['GiB', 2 ** 30],
  ['MiB', 2 ** 20],
  ['KiB', 2 ** 10],
] as const;
/** Of a list that is put into a sentence. */
export const LISTED_MAX = 20;

/** In its largest unit, rounded down: `3 m`. Of clocks that differ, something in the future is just now: `0 ms`. */
export function durationOf(ms: number): string {
  const [unit, size] = UNITS_OF_TIME.find(([, least]) => ms >= least) ?? ['ms', 1];
  return `${Math.floor(Math.max(0, ms) / size)} ${unit}`;
}

/** `dateMs`: milliseconds since 1970. */
export function isoOf(dateMs: number): string {
  // Beyond the last date that JavaScript has.
  return Math.abs(dateMs) <= 8.64e15 ? new Date(dateMs).toISOString() : `${dateMs} ms`;
}

/** `512 B`, `1.5 GiB`. */
export function sizeOf(bytes: number): string {
  const [unit, size] = UNITS_OF_SIZE.find(([, least]) => bytes >= least) ?? ['B', 1];
  return `${Number((bytes / size).toFixed(1))} ${unit}`;
}

export function percentOf(part: number, whole: number): string {
  return `${whole > 0 ? ((100 * part) / whole).toFixed(1) : '0.0'} %`;
}

/** `+4 ms`, `-730 ms`. */
export function offsetOf(ms: number): string {
  return `${ms < 0 ? '-' : '+'}${Math.round(Math.abs(ms))} ms`;
}

/** `1 node`, `3 nodes`. */
export function counted(count: number, singular: string, plural = `${singular}s`): string {
  return `${count} ${count === 1 ? singular : plural}`;
}

/** With a full stop, whether it has one or not. */
export function sentence(text: string): string {
  return text.endsWith('.') ? text : `${text}.`;
}

/** The first twenty, and how many more there are. */
export function listed(items: readonly (string | number)[]): string {
  const shown = items.slice(0, LISTED_MAX).join(', ');
  return items.length > LISTED_MAX ? `${shown} and ${items.length - LISTED_MAX} more` : shown;
}
