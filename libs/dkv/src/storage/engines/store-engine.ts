/** The seam below the repository: an ordered map of bytes, on a disk or in memory. */

export interface StorePut {
  readonly type: 'put';
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export interface StoreDelete {
  readonly type: 'del';
  readonly key: Uint8Array;
}

export type StoreOperation = StorePut | StoreDelete;

/** Keys from `from` up to, not including, `to`, in the order of their bytes. */
export interface StoreRange {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
}

export interface StoreEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export interface BatchOptions {
  /** Resolve only when the batch is on the disk, not just in the operating system's hands. */
  readonly sync: boolean;
}

/**
 * An open store. Any method may be called concurrently; the repository has one batch under way at a time. Bytes that
 * are got belong to the receiver, bytes that are given may be used again after the call. Errors are the engine's own,
 * and the repository wraps them.
 */
export interface StoreEngine {
  /** For metrics and messages. */
  readonly name: string;
  /**
   * Whether one batch with `sync` makes all batches before it durable too. Not where the engine begins a new log of its
   * own without syncing the old one. Absent counts as false: whoever needs durability then syncs every batch.
   */
  readonly syncsEarlier?: boolean;
  /** Why no batch is taken until the store is opened by another process; undefined where some may be. */
  readonly failure?: Error | undefined;
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  /** All operations or none, also after a crash at any moment. Readers see them when it resolves, at the latest. */
  batch(operations: readonly StoreOperation[], options: BatchOptions): Promise<void>;
  /**
   * Entries in the order of their keys. One that is there all the while comes exactly once, whatever is written
   * meanwhile. Reads ahead by a bounded number of bytes.
   */
  iterate(range: StoreRange): AsyncIterable<StoreEntry>;
  /** Bytes taken, about; cheap. */
  sizeBytes(): number;
  /** Resolves in another turn of the event loop; an engine that never leaves the turn it is in has none. */
  nextTurn?(): Promise<void>;
  /** Waits for what is under way. Iterations that are not at their end fail at their next step. */
  close(): Promise<void>;
}

/**
 * Opens the store in `folder`, or makes it.
 * @throws DkvError `DKV_STORE_LOCKED`, `DKV_STORAGE_FAILED`, `DKV_ENGINE_UNAVAILABLE`
 */
export type OpenStoreEngine = (folder: string) => Promise<StoreEngine>;
