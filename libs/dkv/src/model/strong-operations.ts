/** What a caller can ask of a strong namespace, and what it is told. */
import { type ReadLevel } from './consistency.js';
import { type ShownRecord } from './shown-record.js';

export interface StrongReadOptions {
  /** `one`: this node's copy, else the nearest; `quorum` and `linearizable`: the newest that was acknowledged. */
  readonly level: ReadLevel;
  readonly timeoutMs: number;
  /** Gives the read up with `DKV_ABORTED`. */
  readonly signal?: AbortSignal;
}

export const STRONG_WRITE_KINDS = ['put', 'remove', 'touch', 'increment'] as const;

export interface StrongWrite {
  /** `increment` counts a whole number on; `touch` gives a value another lifetime and is nothing where there is none. */
  readonly kind: (typeof STRONG_WRITE_KINDS)[number];
  readonly namespace: string;
  readonly key: string;
  /** Encoded; of a `put` alone, else empty. */
  readonly value: Uint8Array;
  /** Of an `increment`: a safe integer. */
  readonly by?: number;
  /** Lifetime in milliseconds from the moment of writing; 0 is for ever. */
  readonly ttlMs: number;
  /** The version that the key must have, '' for no value; undefined where any will do. */
  readonly expected?: string;
  /**
   * The caller's name of the request, compared whole: while it is remembered, the request takes effect once. It is looked
   * for before `expected` is compared. A refusal is not remembered.
   */
  readonly idempotencyKey?: string;
  readonly timeoutMs: number;
  /** Gives the write up: with `DKV_INDETERMINATE`, unless nothing was sent. */
  readonly signal?: AbortSignal;
}

export interface StrongWritten {
  /** `conflict`: the key has not the version expected; nothing was written. */
  readonly outcome: 'done' | 'conflict';
  /**
   * As committed, undefined after a removal or where there was nothing to touch; on a conflict what the key has, undefined
   * where it has no value. Where `repeated`: of an `increment` what the first call stored; of a `put` too, as long as it
   * stands, and then this call's value under the version of the first; of a `touch` what the key has now.
   */
  readonly record: ShownRecord | undefined;
  /**
   * Whether a reader saw a value just before; where `repeated`, before the first call. Not looked at, and false, for a `put`
   * with neither `expected` nor `idempotencyKey`.
   */
  readonly existed: boolean;
  /** An earlier call with this `idempotencyKey` did it; this one wrote nothing. */
  readonly repeated: boolean;
}
