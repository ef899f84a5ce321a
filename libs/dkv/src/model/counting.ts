/** What a counter becomes when it counts on: a whole number, and never a wrong one. */
import { DkvError } from '../dkv.errors.js';

/** @throws DkvError `DKV_INVALID_ARGUMENT` naming the key and the remedy. */
export function incremented(key: string, current: unknown, by: number): number {
  if (current !== undefined && !Number.isSafeInteger(current)) {
    const found = typeof current === 'number' ? String(current) : current === null ? 'null' : typeof current;
    throw new DkvError(
      'DKV_INVALID_ARGUMENT',
      `The value of key ${JSON.stringify(key)} is ${found}, not a whole number. Count in another key, or use update().`,
    );
  }
  const sum = ((current as number | undefined) ?? 0) + by;
  if (!Number.isSafeInteger(sum)) {
    throw new DkvError(
      'DKV_INVALID_ARGUMENT',
      `Key ${JSON.stringify(key)} holds ${String(current)}: counting ${by} on would pass what a number holds exactly ` +
        '(2^53 - 1). Start a new counter.',
    );
  }
  return sum;
}
