/** What callers may say about a call. */
import { type ReadLevel, type WriteLevel } from '../model/consistency.js';

export interface DkvCallOptions {
  /** Time for this call, in milliseconds. */
  readonly timeoutMs?: number;
  /** Gives the call up: a read rejects with `DKV_ABORTED`, a write already sent with `DKV_INDETERMINATE`. */
  readonly signal?: AbortSignal;
}

export interface DkvReadOptions extends DkvCallOptions {
  readonly consistency?: ReadLevel;
}

/** Of a call that changes one key of a strong namespace. */
export interface DkvRequestOptions extends DkvCallOptions {
  /**
   * Names the request upon this key, 1 to 256 characters, however often it is tried, by whichever node: it takes effect
   * once. It is remembered for the option `idempotencyTtlMs`. Strong namespaces only.
   */
  readonly idempotencyKey?: string;
}

export interface DkvRemoveOptions extends DkvRequestOptions {
  /** Copies that must be durable. Eventual namespaces only: a strong write is always a majority's. */
  readonly consistency?: WriteLevel;
}

export interface DkvWriteOptions extends DkvRemoveOptions {
  /** Lifetime of the value in whole milliseconds, 0 for ever. Default: the namespace's, which is for ever if not told. */
  readonly ttlMs?: number;
}

/** Of a write that depends on what is there. */
export type DkvChangeOptions = Omit<DkvWriteOptions, 'consistency'>;

/** Of a call on many keys. */
export type DkvManyOptions<O extends DkvRequestOptions> = Omit<O, 'idempotencyKey'>;

export interface DkvLockWaiting extends DkvCallOptions {
  /** How long to wait for a lock that someone else holds. Default: not at all. `timeoutMs` is for each attempt. */
  readonly waitMs?: number;
}

export interface DkvWithLockOptions extends DkvLockWaiting {
  /** How long the lock outlives this process; it is renewed each third of that. Milliseconds, default 30 000. */
  readonly ttlMs?: number;
  /** Ends the waiting, and is passed on to the work; the lock is held until the work has settled. */
  readonly signal?: AbortSignal;
}

export interface DkvLockOptions extends DkvLockWaiting {
  /** The token is handed to someone outside of this process: its end is not the end of the lock. Default: false. */
  readonly keepOnShutdown?: boolean;
}
