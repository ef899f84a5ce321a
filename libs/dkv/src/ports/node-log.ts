/** The write-ahead log of a node: one sequence of appends for all groups and for eventual writes. */
import { type EntryKind } from '../model/raft-messages.js';
import { type DkvError } from '../dkv.errors.js';

/** What must be durable of a group before an answer that rests on it: rule 1 of the strong mode. */
export interface HardState {
  readonly generation: number;
  readonly term: number;
  /** The member voted for in `term`; '' for none. */
  readonly vote: string;
}

/** Is told what an opened log holds, in the order in which it was appended. */
export interface LogReplay {
  hardState(group: number, state: HardState): void;
  /** An entry at or below the last index seen of the group replaces it and all that follow. `data` may be kept. */
  entry(
    group: number,
    generation: number,
    term: number,
    index: number,
    kind: EntryKind,
    data: Uint8Array,
  ): void;
  /** The group's log begins anew behind (index, term): a snapshot took the place of all before. */
  reset(group: number, generation: number, index: number, term: number): void;
  /** What {@link NodeLog.addBatch} was given, at its position. `bytes` may be kept. */
  batch(position: number, bytes: Uint8Array): void;
}

/** What of a log is in the synced store, so that its segments may be deleted. */
export interface LogCoverage {
  /** The index up to which the group's entries are in the store or void; asked once a group and segment. */
  indexOf(group: number): number;
  /** Batches at or below this position are in the store. */
  readonly batchesUpTo: number;
}

/** Called once; with an error when what was appended is not durable and never will be. */
export type Appended = (error: DkvError | undefined) => void;

/**
 * `add…` puts something into the next append, `flush` ends it: one append a turn of the event loop, however much is in
 * it. Appends become durable in order, and `done` is called in order, during `flush` or later. "Durable": handed to
 * the kernel (`wal`), or synced (`fsync`). Given bytes are copied before the call returns.
 */
export interface NodeLog {
  addHardState(group: number, state: HardState): void;
  addEntry(
    group: number,
    generation: number,
    term: number,
    index: number,
    kind: EntryKind,
    data: Uint8Array,
  ): void;
  addReset(group: number, generation: number, index: number, term: number): void;
  /** Operations on the store that belong to no group. Gives the position that `LogCoverage.batchesUpTo` names. */
  addBatch(bytes: Uint8Array): number;
  /**
   * Ends the append. `done` gets `DKV_READ_ONLY` or `DKV_STORAGE_FAILED` when it failed: nothing that was added is in
   * the log then, unless the error is final.
   */
  flush(done: Appended): void;
  /** Deletes whole segments, oldest first, of which everything is covered. The store must have been synced. */
  release(coverage: LogCoverage): void;
  /** Bytes appended since the log was made; rises for ever. */
  readonly position: number;
  /** `position` up to which everything is durable, by the log's own durability. */
  readonly durablePosition: number;
  /** Bytes of the segments that are there. */
  readonly bytes: number;
  /** Why nothing can be appended now; undefined when it can. Full disks and exhausted descriptors pass, others do not. */
  readonly failure: DkvError | undefined;
  /** Resolves when all appends have ended; then notes the end and closes the files. */
  close(): Promise<void>;
}

export const NodeLog = Symbol('DkvNodeLog');
