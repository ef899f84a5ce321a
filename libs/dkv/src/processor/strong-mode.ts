/** What serves strong namespaces, as the Processor sees it; `strong/` implements it on a Raft log per partition. */
import { type ReadLevel } from '../model/consistency.js';
import { type ShownRecord } from '../model/shown-record.js';

export interface StrongReadOptions {
  /** `one`: this node's copy, else the nearest; `quorum` and `linearizable`: the newest that was acknowledged. */
  readonly level: ReadLevel;
  readonly timeoutMs: number;
  /** Gives the read up with `DKV_ABORTED`. */
  readonly signal?: AbortSignal;
}

export interface StrongWrite {
  /** `increment` counts a whole number on; `touch` gives a value another lifetime and is nothing where there is none. */
  readonly kind: 'put' | 'remove' | 'touch' | 'increment';
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
   * where it has no value. Where `repeated`: of a `put` what the first call stored; of an `increment` or `touch` what the
   * key has now.
   */
  readonly record: ShownRecord | undefined;
  /** Whether a reader saw a value just before; where `repeated`, before the first call. */
  readonly existed: boolean;
  /** An earlier call with this `idempotencyKey` did it; this one wrote nothing. */
  readonly repeated: boolean;
}

/**
 * Methods may be called concurrently. Errors of writes: `DKV_NOT_READY`, `DKV_QUORUM_NOT_REACHED`, `DKV_READ_ONLY`,
 * `DKV_OVERLOADED`, `DKV_NOT_APPLIED` (nothing was written); `DKV_INDETERMINATE` (it may still take effect);
 * `DKV_INVALID_ARGUMENT` of an increment whose value is no whole number or would pass 2^53 - 1. Of reads:
 * `DKV_NOT_READY`, `DKV_QUORUM_NOT_REACHED`, `DKV_TIMEOUT`, `DKV_ABORTED`, `DKV_CORRUPT_RECORD`.
 */
export interface StrongMode {
  /** Begins heartbeats, elections and background work. */
  start(): void;
  /** Hands leadership away and ends the background work; resolves when what is under way is answered. */
  stop(): Promise<void>;
  /**
   * The record that a reader sees at level `one`, null for none, where this node can say so without waiting; else
   * undefined. An expired value is none.
   */
  peek(namespace: string, key: string): ShownRecord | null | undefined;
  read(namespace: string, key: string, options: StrongReadOptions): Promise<ShownRecord | undefined>;
  write(operation: StrongWrite): Promise<StrongWritten>;
  /** Takes a one-way frame of another node. A view that is good during the call alone. Must not throw. */
  receive(from: string, frame: Uint8Array): void;
  /** The live connection with a node has ended. Must not throw. */
  disconnected(nodeId: string): void;
  /** Why this node cannot serve all its groups now, for people; undefined when it can. */
  readonly unreadyReason: string | undefined;
}
