/** The open store of an engine; after a failed batch it is opened again before anything more is written to it. */
import { DkvError } from '../../dkv.errors.js';
import { diskSpaceOf } from '../folder/disk-space.js';
import { type StoreOperation } from './store-engine.js';

/** How an engine opens and closes its store. */
export interface StoreOpener<S extends object> {
  readonly folder: string;
  open(): Promise<S>;
  /** Waits for the calls under way. Iterations that are not at their end fail at their next step. */
  close(store: S): Promise<void>;
  /** Room on the disk that opening may need. */
  roomBytes(): Promise<number>;
}

/**
 * No engine may go on by itself after a batch that met a full disk.
 *
 * - LevelDB 1.20 leaves half a record in its log, writes the next ones behind it, and reports them as durable; its recovery
 *   ends at the half one, and all that came later is lost. Opening cuts it: what the log holds goes into a table, and a
 *   new log is begun. And where a table did not fit, it fails every later batch, also when there is room again.
 * - RocksDB 6.17 left a log at whose replay every later opening aborted the process (`Assertion seq_per_batch_ failed`: a
 *   key twice under one sequence number).
 */
export class ReopeningStore<S extends object> {
  private failure: Error | undefined;
  private reopening: Promise<void> | undefined;
  private closing: Promise<void> | undefined;
  private readonly writing = new Set<Promise<void>>();

  private constructor(
    private readonly opener: StoreOpener<S>,
    private store: S | undefined,
  ) {}

  static async open<S extends object>(opener: StoreOpener<S>): Promise<ReopeningStore<S>> {
    return new ReopeningStore(opener, await opener.open());
  }

  /** For calls that begin at once. Undefined while the store is opened again, and once it is closed: see {@link opened}. */
  get current(): S | undefined {
    return this.store;
  }

  /**
   * Waits while the store is opened again.
   * @throws DkvError `DKV_NOT_READY` once closed; the error of the failed batch where opening again failed.
   */
  async opened(): Promise<S> {
    await this.reopening?.catch(() => undefined);
    if (this.store) {
      return this.store;
    }
    throw (!this.closing && this.failure) || new DkvError('DKV_NOT_READY', 'The store is closed.');
  }

  /**
   * Calls `write`, which reads the operations before it returns. After a failed batch it opens the store again first, or
   * fails as that batch did while the disk has no room for that: until then the open one serves reads.
   */
  async batch(
    operations: readonly StoreOperation[],
    write: (store: S, operations: readonly StoreOperation[]) => Promise<void>,
  ): Promise<void> {
    let given = operations;
    while (this.failure) {
      if (given === operations) {
        given = operations.map(copyOf);
      }
      await (this.reopening ??= this.reopen(this.failure).finally(() => (this.reopening = undefined)));
    }
    await this.withOthers(this.write(this.store ?? (await this.opened()), given, write));
  }

  /** Also ends the opening that is under way. */
  close(): Promise<void> {
    return (this.closing ??= this.closeForGood());
  }

  /** Fails where another batch under way does: that one may have left half a record before this one. */
  private async withOthers(writing: Promise<void>): Promise<void> {
    this.writing.add(writing);
    try {
      await writing;
    } finally {
      this.writing.delete(writing);
    }
    await Promise.allSettled(this.writing);
    if (this.failure) {
      throw this.failure;
    }
  }

  private async write(
    store: S,
    operations: readonly StoreOperation[],
    write: (store: S, operations: readonly StoreOperation[]) => Promise<void>,
  ): Promise<void> {
    try {
      await write(store, operations);
    } catch (error) {
      this.failure ??= error as Error;
      throw error;
    }
  }

  private async reopen(failure: Error): Promise<void> {
    const [{ freeBytes }, roomBytes] = await Promise.all([
      diskSpaceOf(this.opener.folder),
      this.opener.roomBytes(),
    ]);
    if (freeBytes < roomBytes || this.closing) {
      throw failure;
    }
    await this.closeStore();
    this.store = await this.opener.open();
    this.failure = undefined;
  }

  private async closeForGood(): Promise<void> {
    await this.reopening?.catch(() => undefined);
    await this.closeStore();
  }

  private async closeStore(): Promise<void> {
    const { store } = this;
    this.store = undefined;
    if (store) {
      await this.opener.close(store);
    }
  }
}

/** The bytes are the caller's again once the call has returned. */
function copyOf(operation: StoreOperation): StoreOperation {
  const key = Uint8Array.from(operation.key);
  return operation.type === 'put'
    ? { type: 'put', key, value: Uint8Array.from(operation.value) }
    : { type: 'del', key };
}
