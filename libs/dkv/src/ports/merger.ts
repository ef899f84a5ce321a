/** Conflict resolution: what becomes of two versions of one key. */

/** One side of a conflict, its value decoded. */
export interface MergeSide<V = unknown> {
  readonly value: V;
  /** When it was written, milliseconds since 1970. */
  readonly modified: number;
  readonly version: string;
}

/**
 * Joins two live values of a key. Must be commutative, associative and idempotent, and pure: replicas call it
 * on their own and must come to the same result. A delete and a value are never merged: the newer one wins.
 */
export interface Merger<V = unknown> {
  /** 1 to 64 characters: nodes that declare a namespace with mergers of other names do not serve it together. Default: not compared. */
  readonly name?: string;
  /** Returning `current.value` or `incoming.value` itself keeps that side as it is. */
  merge(current: MergeSide<V>, incoming: MergeSide<V>): V;
}

export const Merger = Symbol('DkvMerger');
