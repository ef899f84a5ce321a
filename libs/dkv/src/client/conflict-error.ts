/** Conflicts as errors that carry what is there: a caller can go on from it without another read. */
import { DkvError } from '../dkv.errors.js';
import { NO_VERSION } from '../model/version.js';
import { type KvPair } from './kv-pair.js';

/** The key has not the version expected; nothing was written. Code `DKV_CONFLICT`. */
export class DkvConflictError<V = unknown> extends DkvError {
  constructor(
    message: string,
    /** The pair as it is, linearizable at the time of the call; undefined where there is no value. */
    readonly current: KvPair<V> | undefined,
  ) {
    super('DKV_CONFLICT', message);
  }

  /** Without the value: it may be large, or bytes. */
  override toJSON(): ReturnType<DkvError['toJSON']> & {
    readonly current: Pick<KvPair, 'modified' | 'version'> | null;
  } {
    const { modified, version } = this.current ?? {};
    return {
      ...super.toJSON(),
      current: modified === undefined || version === undefined ? null : { modified, version },
    };
  }
}

/**
 * Someone else holds the lock, or nobody does; nothing was changed (code `DKV_CONFLICT`). Or work that `withLock` ran was
 * not under its lock to the end (`DKV_LOCK_LOST`).
 */
export class DkvLockError extends DkvError {
  constructor(
    message: string,
    /** When the holder's time is over, milliseconds since 1970; undefined where nobody holds the lock. */
    readonly expiresAtMs: number | undefined,
    { code = 'DKV_CONFLICT', cause }: { code?: 'DKV_CONFLICT' | 'DKV_LOCK_LOST'; cause?: unknown } = {},
  ) {
    super(code, message, { cause });
  }

  override toJSON(): ReturnType<DkvError['toJSON']> & { readonly expiresAtMs: number | null } {
    return { ...super.toJSON(), expiresAtMs: this.expiresAtMs ?? null };
  }
}

export function conflictOf<V>(
  key: string,
  expected: string,
  current: KvPair<V> | undefined,
): DkvConflictError<V> {
  const wanted = expected === NO_VERSION ? 'no value' : `version ${expected}`;
  const found = current ? `version ${current.version}` : 'no value';
  return new DkvConflictError(
    `Key ${JSON.stringify(key)} was expected to have ${wanted} and has ${found}; nothing was written. Decide again ` +
      "from the error's `current`, or let update() do so.",
    current,
  );
}
