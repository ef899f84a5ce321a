/** A lock as it is stored. It is never deleted: the count of its holders goes on over release and expiry. */
import { DkvError } from '../dkv.errors.js';
import { type KvRecord } from '../model/record.js';

export interface LockState {
  /** The holder's; '' when the lock is free. */
  readonly token: string;
  /** How often the lock was taken. */
  readonly fencing: number;
  /** Milliseconds since 1970. */
  readonly expiresAtMs: number;
}

export function freeLock(fencing: number): LockState {
  return { token: '', fencing, expiresAtMs: 0 };
}

export function writeLock(state: LockState): Uint8Array {
  return Buffer.from(JSON.stringify(state));
}

/** @throws DkvError `DKV_CODEC_FAILED` when something else was written there. */
export function readLock(record: KvRecord | undefined): LockState {
  if (!record) {
    return freeLock(0);
  }
  try {
    const { token, fencing, expiresAtMs } = JSON.parse(Buffer.from(record.value).toString()) as LockState;
    if (typeof token === 'string' && Number.isSafeInteger(fencing) && Number.isFinite(expiresAtMs)) {
      return { token, fencing, expiresAtMs };
    }
  } catch (cause) {
    throw broken(record, cause);
  }
  throw broken(record);
}

function broken({ key }: KvRecord, cause?: unknown): DkvError {
  return new DkvError('DKV_CODEC_FAILED', `The record of lock ${JSON.stringify(key)} is not one of a lock.`, {
    cause,
  });
}
