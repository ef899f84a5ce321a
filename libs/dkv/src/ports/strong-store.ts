/** The committed records of strong namespaces on this node: a table in memory over the checkpoints in the engine. */

import { type UsageByNamespace } from '../model/usage.js';
import { type KeyedRecord, type PageMark, type StrongRecord } from '../model/strong-record.js';

export type { KeyedRecord, PageMark, StrongRecord };

export interface RecordPage {
  readonly records: readonly KeyedRecord[];
  readonly done: boolean;
}

/** What is stored of a group beside its records, in one batch with them. */
export interface GroupState {
  /** Index of the last entry that the records show, and the generation in which it has that index. */
  readonly applied: number;
  readonly generation: number;
  /** What the strong mode alone reads: terms, configuration, log time, table of requests. */
  readonly bytes: Uint8Array;
}

/** Gives a group's state as it is at the call: asked in the same turn in which its records are encoded. */
export type GroupStateOf = (group: number) => GroupState;

/** What memory has of a key; as it is at this moment. */
export interface FoundRecord {
  readonly group: number;
  /** Undefined where the key has none. */
  readonly record: StrongRecord | undefined;
}

export interface StrongStoreMetrics {
  /**
   * Of users' records that are there, about: those that no checkpoint has count as new where nothing is known of them. The
   * cluster's own is none of them.
   */
  readonly usage: UsageByNamespace;
  /** Bytes of records that are in no checkpoint yet. */
  readonly dirtyBytes: number;
  readonly cacheBytes: number;
  readonly cacheHits: number;
  readonly cacheMisses: number;
}

/**
 * `put` and `remove` are visible at once and durable through the node log; a checkpoint writes what changed since the
 * last one, each key once, with the state of its group, as one batch a group. Errors: `DKV_STORAGE_FAILED`,
 * `DKV_CORRUPT_RECORD` naming the key.
 */
export interface StrongStore {
  /** What is stored of each group that has a state. */
  readonly states: ReadonlyMap<number, GroupState>;
  /**
   * Before the first `put`, `remove` or `touch`. `onCorrupt` is called whenever a read meets a damaged record: it is to be
   * put again as other copies have it.
   */
  attach(stateOf: GroupStateOf, onCorrupt: (group: number) => void): void;

  /** The group of a key that is in memory: it costs no hash then. Undefined where it is not. */
  groupOf(namespace: string, key: string): number | undefined;
  /** The record of a key and its group, by one look-up; undefined where only `read` can tell. */
  find(namespace: string, key: string): FoundRecord | undefined;
  /** The record; null where there is none; undefined where only `read` can tell. */
  peek(group: number, namespace: string, key: string): StrongRecord | null | undefined;
  /** The record, from the engine where it is not in memory; comes into memory unless it was written meanwhile. */
  read(group: number, namespace: string, key: string): Promise<StrongRecord | undefined>;
  put(group: number, namespace: string, key: string, record: StrongRecord): void;
  remove(group: number, namespace: string, key: string): void;
  /** The group's state changed, and is to be in the next checkpoint, though no record did. */
  touch(group: number): void;

  /**
   * Records in storage order after `after`, about `bytesMax` of them and one at least. What is written while pages are
   * asked for may be in them or not; what was there all the while is.
   */
  scan(group: number, after: PageMark | undefined, bytesMax: number): Promise<RecordPage>;
  /** Whether {@link expired} may find anything, ever; costs nothing. */
  mayExpire(group: number): boolean;
  /** Up to `limit` keys of the group whose expiry is at `nowMs` or before, the earliest first. */
  expired(group: number, nowMs: number, limit: number): Promise<readonly KeyedRecord[]>;
  /**
   * Writes the group's state as it is at the call, then removes all its records from memory and engine; resolves when
   * both are durable. Nothing of the group may be put meanwhile.
   */
  clear(group: number): Promise<void>;

  /** Writes all that changed before the call, in slices; what it covered may leave the log. One at a time. */
  checkpoint(): Promise<void>;
  /**
   * Why no checkpoint can be made until a restart: a batch of the engine failed, and what it has on the disk is not known.
   * What is put meanwhile is in memory, and in the log.
   */
  readonly failure: Error | undefined;
  /** Whether so much waits for a checkpoint that new writes must be refused with `DKV_OVERLOADED`. */
  readonly full: boolean;
  metrics(): StrongStoreMetrics;
  /** Of the group's keys and values, about, as `usage` counts them. */
  bytesOf(group: number): number;
}

export const StrongStore = Symbol('DkvStrongStore');
