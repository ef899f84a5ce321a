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
  /** An entry at or below the last index seen of the group replaces it and all that follow. `data` only until this returns. */
  entry(
    group: number,
    generation: number,
    term: number,
    index: number,
    kind: EntryKind,
    data: Uint8Array,
  ): void;
  /** The group's log begins anew behind (index, term): a snapshot took the place of all before, or the group was given up. */
  reset(group: number, generation: number, index: number, term: number): void;
  /** What {@link NodeLog.addBatch} was given, at its position. `bytes` only until this returns. */
  batch(position: number, bytes: Uint8Array): void;
}

/** What of a log is in the synced store, so that its segments may be deleted. */
export interface LogCoverage {
  /** The index up to which the group's entries are in the store or void; asked once a group and segment. */
  indexOf(group: number): number;
  /** Batches at or below this position are in the store. */
  readonly batchesUpTo: number;
}

/** What opening a log found at its end. */
export interface LogEnd {
  /** Where what was found ends; `NodeLog.position` may be above it at once. */
  readonly position: number;
  /** Bytes of an append that was never finished, so never acknowledged, which were cut off. */
  readonly tornBytes: number;
  /**
   * Why the node may have forgotten what it acknowledged or voted (rule 12 of the strong mode), for a person to read;
   * undefined when it has not, as far as its own files tell.
   */
  readonly forgot: string | undefined;
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
  /** What was added of the group's entries before is void; its hard state counts as before. */
  addReset(group: number, generation: number, index: number, term: number): void;
  /** Operations on the store that belong to no group. Gives the position that `LogCoverage.batchesUpTo` names. */
  addBatch(bytes: Uint8Array): number;
  /**
   * Ends the append. `done` gets `DKV_STORAGE_FAILED` when it failed, `DKV_READ_ONLY` when an earlier one did and
   * `failure` stands, `DKV_OVERLOADED` when too many bytes wait: nothing that was added is in the log then, unless the error
   * is final. Refusals come in their turn, too: after what is under way has ended.
   */
  flush(done: Appended): void;
  /** Deletes whole segments, oldest first, of which everything is covered. The store must have been synced. */
  release(coverage: LogCoverage): void;
  /**
   * Groups because of which the last `release` kept the oldest segment. What holds it may be an old uncommitted tail of an
   * idle group: adding that tail's entries again, under their indexes, frees the segment.
   */
  pinnedGroups(): readonly number[];
  /**
   * To be called when the node has taken a new incarnation, durably, after `LogEnd.forgot` was set. Until then every opening
   * says so again, the end is not noted and nothing is deleted.
   */
  acceptEnd(): Promise<void>;
  /** Where the log ends, in bytes since it was made; rises for ever, and skips what was cut off for damage. */
  readonly position: number;
  /** `position` when it was opened, before anything was added: what an earlier process run left. */
  readonly openedPosition: number;
  /** `position` up to which everything is durable, by the log's own durability. */
  readonly durablePosition: number;
  /** Bytes of the segments that are there. */
  readonly bytes: number;
  /** Why nothing can be appended now; undefined when it can. Full disks and exhausted descriptors pass, others do not. */
  readonly failure: DkvError | undefined;
  /**
   * The disk is full, and what is appended takes of the room that a reserve had: of the node's own writes only what frees
   * space should be. Entries that other nodes lead go into it, too; when it is used up, `failure` says so. Ends by itself
   * once there is room for the reserve.
   */
  readonly isDiskFull: boolean;
  /** Somebody else found the disk full: the reserve is given up. */
  noteFull(): void;
  /**
   * Waits for all appends, syncs, notes the end and closes the files.
   * @throws DkvError `DKV_STORAGE_FAILED` when that sync failed: the stop was not clean
   */
  close(): Promise<void>;
}

export const NodeLog = Symbol('DkvNodeLog');
