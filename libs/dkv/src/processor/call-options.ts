/** What callers say with an operation, and what they are told of a write. */
import { type ReadLevel, type WriteLevel } from '../model/consistency.js';
import { type StrongWritten } from '../model/strong-operations.js';

export interface CallOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface ReadOptions extends CallOptions {
  readonly level: ReadLevel;
}

export interface RemoveOptions extends CallOptions {
  readonly level: WriteLevel;
  /** The version that the key must have, '' for no value; undefined where any will do. Strong namespaces only. */
  readonly expected?: string;
  /** The caller's name of the request, under which it takes effect once. Strong namespaces only. */
  readonly idempotencyKey?: string;
}

export interface WriteOptions extends RemoveOptions {
  /** Lifetime in milliseconds; 0 is for ever. */
  readonly ttlMs: number;
}

/**
 * What became of a write, in either mode. In an eventual namespace nothing conflicts or is repeated, and the record of a
 * removal is its tombstone.
 */
export type Written = StrongWritten;
