/** What a caller can ask of a strong namespace, and what it is told. */
import { type ReadLevel } from './consistency.js';
import { type ShownRecord } from './shown-record.js';

export interface StrongReadOptions {
  readonly level: ReadLevel;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export const STRONG_WRITE_KINDS = ['put', 'remove', 'touch', 'increment'] as const;

export interface StrongWrite {
  /** `touch` gives a value another lifetime; `increment` adds to a number, decoded and encoded where it is decided. */
  readonly kind: (typeof STRONG_WRITE_KINDS)[number];
  readonly namespace: string;
  readonly key: string;
  /** Encoded; empty for all but `put`. */
  readonly value: Uint8Array;
  /** Of `increment`: a whole number. */
  readonly by?: number;
  /** Lifetime in milliseconds from the moment of writing; 0 is for ever. */
  readonly ttlMs: number;
  /** The version that the key must have, '' for no value; undefined where any will do. */
  readonly expected?: string;
  /** The same for every attempt of a caller at one write; remembered for `idempotencyTtlMs`. */
  readonly idempotencyKey?: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface StrongWritten {
  /** `conflict`: the key has not the version expected, nothing was written, and `record` is what it has. */
  readonly outcome: 'done' | 'conflict';
  /** As committed; undefined where there is none. */
  readonly record: ShownRecord | undefined;
  /** Whether a reader saw a value just before. */
  readonly existed: boolean;
  /** An earlier call with this idempotency key did it: nothing was written now. */
  readonly repeated: boolean;
}
