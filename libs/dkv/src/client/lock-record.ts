/** A lock as it is stored: a record that is there as long as the lock is held, with the lock's end as its expiry. */
import { Buffer } from 'node:buffer';
import { DkvError } from '../dkv.errors.js';
import { type ShownRecord } from '../model/shown-record.js';
import { fencingOf } from '../model/strong-version.js';

export interface LockHolder {
  readonly token: string;
  /** The version under which the lock was taken, as a safe integer; it stays when the lock is renewed. */
  readonly fencing: number;
}

/** Without a fencing number: the version under which it is stored, which the leader gives, will be it. */
export function encodeLock(holder: { readonly token: string; readonly fencing?: number }): Uint8Array {
  return Buffer.from(JSON.stringify(holder));
}

/** `key` is for the message. @throws DkvError `DKV_CODEC_FAILED` when something else was written there. */
export function decodeLock(key: string, { value, version }: ShownRecord): LockHolder {
  let cause: unknown;
  try {
    const { token, fencing = fencingOf(version) } = JSON.parse(
      Buffer.from(value).toString(),
    ) as Partial<LockHolder>;
    if (typeof token === 'string' && Number.isSafeInteger(fencing)) {
      return { token, fencing };
    }
  } catch (error) {
    cause = error;
  }
  throw new DkvError(
    'DKV_CODEC_FAILED',
    `The record of lock ${JSON.stringify(key)} is not one of a lock. Write nothing into the namespace of locks.`,
    { cause },
  );
}
