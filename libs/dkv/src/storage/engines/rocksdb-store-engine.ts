/** RocksDB through the `rocksdb` package (abstract-leveldown API), with the guards that its binding lacks. */
import { statfs } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { DkvError } from '../../dkv.errors.js';
import { openErrorOf } from './engine-open-error.js';
import { GroupedReads } from './grouped-reads.js';
import {
  type BatchOptions,
  type StoreEngine,
  type StoreEntry,
  type StoreOperation,
  type StoreRange,
} from './store-engine.js';

/** What an iterator reads ahead; more makes scans faster and costs memory for each one open. */
const READ_AHEAD_BYTES = 64 * 1024;
const BLOCK_CACHE_BYTES = 32 * 1024 * 1024;
const WRITE_BUFFER_BYTES = 16 * 1024 * 1024;
/** Opening writes out what the log of RocksDB holds: two buffers at most. */
const REOPEN_ROOM_BYTES = 4 * WRITE_BUFFER_BYTES;

type Callback<T = void> = (error: Error | null | undefined, result: T) => void;

interface LeveldownIterator {
  next(callback: (error: Error | null | undefined, key?: Buffer, value?: Buffer) => void): void;
  end(callback: Callback): void;
}

interface LeveldownBatch {
  put(key: Buffer, value: Buffer): void;
  del(key: Buffer): void;
  write(options: object, callback: Callback): void;
}

/** What we use of abstract-leveldown 7; the package has no types. */
interface Leveldown {
  open(options: object, callback: Callback): void;
  close(callback: Callback): void;
  getMany(keys: Buffer[], options: object, callback: Callback<(Buffer | undefined)[]>): void;
  batch(): LeveldownBatch;
  iterator(options: object): LeveldownIterator;
  getProperty(name: string): string;
}

/** The path of the package's entry file. Throws when it is not installed: it is optional. */
export function resolveRocksdb(): string {
  return createRequire(import.meta.url).resolve('rocksdb');
}

/**
 * Opens or makes a store. Where the binding does not fit Node this aborts the process, which nothing can catch: ask
 * `probeRocksdb` first.
 * @throws DkvError `DKV_STORE_LOCKED`, `DKV_STORAGE_FAILED`, `DKV_ENGINE_UNAVAILABLE`
 */
export async function openRocksdbStoreEngine(folder: string): Promise<StoreEngine> {
  return new RocksdbStoreEngine(await open(folder), folder);
}

async function open(folder: string): Promise<Leveldown> {
  const store = load()(folder);
  const options = {
    createIfMissing: true,
    cacheSize: BLOCK_CACHE_BYTES,
    writeBufferSize: WRITE_BUFFER_BYTES,
  };
  try {
    await promisify(store.open.bind(store))(options);
  } catch (error) {
    throw openErrorOf('RocksDB', folder, error);
  }
  return store;
}

/**
 * The binding dereferences a null pointer when it is called after `close`: so every call is counted, refused once
 * closing began, and iterators are ended before the store is closed.
 */
class RocksdbStoreEngine implements StoreEngine {
  readonly name = 'rocksdb';
  // RocksDB 6.17 syncs the logs that it rotated away along with the current one when a batch asks for a sync.
  readonly syncsEarlier = true;
  // Never `get`: it makes an Error, with its stack, of every key that is not there.
  private readonly reads = new GroupedReads((keys) =>
    this.run<(Buffer | undefined)[]>((store, done) => store.getMany(keys.map(bufferOf), {}, done)),
  );
  private readonly running = new Set<Promise<unknown>>();
  private readonly iterators = new Set<LeveldownIterator>();
  private store: Leveldown | undefined;
  private writeFailure: Error | undefined;
  private reopening: Promise<void> | undefined;
  private isClosed = false;

  constructor(
    store: Leveldown,
    private readonly folder: string,
  ) {
    this.store = store;
  }

  get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.reads.get(key);
  }

  /**
   * After a failure nothing is written until the store was opened again, which is done once its disk has room. RocksDB 6.17
   * itself would go on; but a node whose disk had been full, and that went on, left a log at whose replay every later
   * opening aborted the process (`Assertion seq_per_batch_ failed`: a key twice under one sequence number).
   */
  async batch(operations: readonly StoreOperation[], { sync }: BatchOptions): Promise<void> {
    if (this.writeFailure) {
      await (this.reopening ??= this.reopen(this.writeFailure).finally(() => (this.reopening = undefined)));
    }
    try {
      await this.write(operations, sync);
    } catch (error) {
      this.writeFailure ??= error as Error;
      throw error;
    }
  }

  /** Reads and writes wait for it; iterations that are under way fail. */
  private async reopen(failure: Error): Promise<void> {
    const { bavail, bsize } = await statfs(this.folder);
    if (bavail * bsize < REOPEN_ROOM_BYTES || this.isClosed) {
      throw failure;
    }
    await this.closeStore();
    this.store = await open(this.folder);
    this.writeFailure = undefined;
  }

  // Chained: an array of operations is read field by field by the binding, 2 µs each instead of 1.3.
  private async write(operations: readonly StoreOperation[], sync: boolean): Promise<void> {
    await this.run((store, done) => {
      const batch = store.batch();
      for (const operation of operations) {
        if (operation.type === 'put') {
          batch.put(bufferOf(operation.key), bufferOf(operation.value));
        } else {
          batch.del(bufferOf(operation.key));
        }
      }
      batch.write({ sync }, done);
    });
  }

  async *iterate({ from, to }: StoreRange): AsyncGenerator<StoreEntry> {
    const range = { gte: bufferOf(from), lt: bufferOf(to) };
    const options = { ...range, highWaterMark: READ_AHEAD_BYTES, fillCache: false };
    const iterator = (this.store ?? (await this.reopened())).iterator(options);
    this.iterators.add(iterator);
    try {
      for (let entry = await this.next(iterator); entry; entry = await this.next(iterator)) {
        yield entry;
      }
    } finally {
      await this.end(iterator);
    }
  }

  sizeBytes(): number {
    const bytes = (property: string) => Number(this.store?.getProperty(property)) || 0;
    return bytes('rocksdb.total-sst-files-size') + bytes('rocksdb.cur-size-all-mem-tables');
  }

  nextTurn(): Promise<void> {
    return nextTurn();
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await this.reopening?.catch(() => undefined);
    await this.closeStore();
  }

  private async closeStore(): Promise<void> {
    const { store } = this;
    this.store = undefined;
    await Promise.allSettled(this.running);
    await Promise.all([...this.iterators].map((iterator) => this.end(iterator)));
    if (store) {
      await promisify(store.close.bind(store))();
    }
  }

  private next(iterator: LeveldownIterator): Promise<StoreEntry | undefined> {
    return this.run((_, done) => {
      if (!this.iterators.has(iterator)) {
        throw new DkvError('DKV_NOT_READY', 'The store was closed under an iteration.');
      }
      iterator.next((error, key, value) => done(error, key && value && { key, value }));
    });
  }

  private async end(iterator: LeveldownIterator): Promise<void> {
    if (this.iterators.delete(iterator)) {
      await promisify(iterator.end.bind(iterator))();
    }
  }

  private async run<T = void>(start: (store: Leveldown, done: Callback<T>) => void): Promise<T> {
    // At once where it is open: the bytes are the caller's after that.
    const store = this.store ?? (await this.reopened());
    const result = new Promise<T>((resolve, reject) =>
      start(store, (error, value) => (error ? reject(error) : resolve(value))),
    );
    this.running.add(result);
    try {
      return await result;
    } finally {
      this.running.delete(result);
    }
  }

  private async reopened(): Promise<Leveldown> {
    await this.reopening?.catch(() => undefined);
    if (this.store) {
      return this.store;
    }
    throw (!this.isClosed && this.writeFailure) || new DkvError('DKV_NOT_READY', 'The store is closed.');
  }
}

function load(): (folder: string) => Leveldown {
  try {
    return createRequire(import.meta.url)('rocksdb') as (folder: string) => Leveldown;
  } catch (error) {
    throw new DkvError('DKV_ENGINE_UNAVAILABLE', `The rocksdb package cannot be loaded: ${String(error)}`, {
      cause: error,
    });
  }
}

/** The same bytes: the binding takes Buffers only. */
function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
