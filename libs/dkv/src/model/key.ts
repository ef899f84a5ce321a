/** Limits of keys, and where a record is. */
import { Buffer } from 'node:buffer';
import { DkvError } from '../dkv.errors.js';

export const KEY_BYTES_MAX = 1024;
export const NAMESPACE_BYTES_MAX = 64;
/** Keys of the store's own records: a namespace, a key and a name of the caller's, with a byte between. */
export const STORED_KEY_BYTES_MAX = 4_096;

/** Where a record is kept: its partition on the ring, its namespace, its key. */
export interface RecordId {
  readonly partition: number;
  readonly namespace: string;
  readonly key: string;
}

/** One text for a namespace and a key; namespaces have no NUL. */
export function idOf(id: { readonly namespace: string; readonly key: string }): string {
  return `${id.namespace}\0${id.key}`;
}

/** @throws TypeError unless `key` is a string, DkvError `DKV_INVALID_KEY` unless it is 1 to 1024 bytes of UTF-8. */
export function assertKey(key: string): void {
  if (typeof key !== 'string') {
    throw new TypeError(`A key is a string, got ${key === null ? 'null' : typeof key}.`);
  }
  if (key.length === 0) {
    throw new DkvError('DKV_INVALID_KEY', 'A key must not be empty.');
  }
  // A UTF-16 unit is at most 3 bytes of UTF-8: short keys need no counting.
  if (key.length * 3 > KEY_BYTES_MAX && Buffer.byteLength(key) > KEY_BYTES_MAX) {
    throw new DkvError(
      'DKV_INVALID_KEY',
      `The key ${JSON.stringify(key.slice(0, 40))}… has ${Buffer.byteLength(key)} bytes; ` +
        `the limit is ${KEY_BYTES_MAX}. Use a shorter key, or a hash of it.`,
    );
  }
  if (!key.isWellFormed()) {
    throw new DkvError('DKV_INVALID_KEY', `The key ${JSON.stringify(key)} has a lone surrogate: not UTF-8.`);
  }
}
