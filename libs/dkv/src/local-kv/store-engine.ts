/** The seam below the repository: an ordered map of bytes, on a disk or in memory. */

export type EngineName = 'rocksdb' | 'classic-level' | 'memory';

export type EngineOperation =
  | { readonly type: 'put'; readonly key: Buffer; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: Buffer };

/** Keys from `gte` up to, not including, `lt`, in the order of their bytes. */
export interface EngineRange {
  readonly gte: Buffer;
  readonly lt: Buffer;
}

/**
 * A store to be opened once. Any method may be called concurrently; the repository has one batch under way at a
 * time. Bytes that are got belong to the receiver, bytes that are given may be used again after the call. Errors
 * are the engine's own, and the repository wraps them; only `open` tells `DKV_STORE_LOCKED`,
 * `DKV_ENGINE_UNAVAILABLE` and `DKV_STORAGE_FAILED` itself.
 */
export interface StoreEngine {
  readonly name: EngineName;
  /** Opens the store, or makes it. */
  open(): Promise<void>;
  /** Waits for what is under way. Iterations that are not at their end fail at their next step. */
  close(): Promise<void>;
  get(key: Buffer): Promise<Uint8Array | undefined>;
  /**
   * All operations or none, also after a crash at any moment. With `sync` it resolves when they are on the disk, else
   * when the operating system has them. Readers see them when it resolves, at the latest.
   */
  batch(operations: readonly EngineOperation[], options: { readonly sync: boolean }): Promise<void>;
  /**
   * Entries in the order of their keys. One that is there all the while comes exactly once, whatever is written
   * meanwhile. Reads ahead by a bounded number of bytes.
   */
  iterate(range: EngineRange): AsyncIterable<readonly [key: Buffer, value: Uint8Array]>;
  /** Bytes taken, about. */
  approximateBytes(): Promise<number>;
}
