/** RocksDB through the `rocksdb-native` package, for Node 22 and newer: an optional peer dependency. */
import { Buffer } from 'node:buffer';
import { createRequire } from 'node:module';
import { DkvError } from '../../dkv.errors.js';
import { innermostOf, openErrorOf } from './engine-open-error.js';
import {
  openRocksdbEngine,
  type RocksdbStore,
  SIZE_PROPERTIES,
  WRITE_BUFFER_BYTES,
} from './rocksdb-engine.js';
import {
  type BatchOptions,
  type StoreEngine,
  type StoreEntry,
  type StoreOperation,
  type StoreRange,
} from './store-engine.js';

/** Entries that an iterator reads at a time; the binding has no limit in bytes. More costs memory where values are large. */
const READ_AHEAD_ENTRIES = 32;
/** Of the tables, kept open; as many as the other engines keep. */
const OPEN_FILES_MAX = 1_000;
/** One thread writes tables, one merges them. */
const BACKGROUND_JOBS = 2;
const PACKAGE = 'rocksdb-native';

/** What makes the package run where it does not. */
export const ROCKSDB_NATIVE_REMEDY =
  'rocksdb-native has builds for Linux with glibc (where libatomic must be installed), macOS and Windows: add it to the ' +
  'application (npm install rocksdb-native)';

interface NativeIterator extends AsyncIterable<{ readonly key: Uint8Array; readonly value: Uint8Array }> {
  destroy(error?: Error): void;
}

interface NativeReadBatch {
  get(key: Uint8Array): Promise<Uint8Array | null>;
  tryFlush(): void;
}

interface NativeWriteBatch {
  tryPut(key: Uint8Array, value: Uint8Array): void;
  tryDelete(key: Uint8Array): void;
  flush(): Promise<void>;
}

interface BatchSettings {
  readonly capacity: number;
  /** Without it a batch is held until it is destroyed. */
  readonly autoDestroy: true;
}

/** What we use of rocksdb-native 3; the package has no types. */
interface NativeDatabase {
  ready(): Promise<void>;
  close(): Promise<void>;
  read(settings: BatchSettings): NativeReadBatch;
  write(settings: BatchSettings): NativeWriteBatch;
  flush(): Promise<void>;
  iterator(range: { gte: Uint8Array; lt: Uint8Array }, settings: { capacity: number }): NativeIterator;
  getProperty(name: string): Promise<string | undefined>;
}

export type RocksdbNativePackage = new (folder: string, options: object) => NativeDatabase;
/** Loads the package, or throws. */
export type LoadRocksdbNative = () => RocksdbNativePackage;

const loadInstalled: LoadRocksdbNative = () =>
  createRequire(import.meta.url)(PACKAGE) as RocksdbNativePackage;

/**
 * Why the package does not run here, or undefined when it does. Its binding is made for the stable Node-API: where it does
 * not fit, loading it throws.
 */
export function rocksdbNativeObstacle(load: LoadRocksdbNative = loadInstalled): string | undefined {
  try {
    load();
    return undefined;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'MODULE_NOT_FOUND' && message.includes(`'${PACKAGE}'`)) {
      return `the ${PACKAGE} package is not installed`;
    }
    return code === 'ADDON_NOT_FOUND'
      ? `the ${PACKAGE} package has no build for ${process.platform} on ${process.arch}`
      : `the ${PACKAGE} package cannot be loaded: ${innermostOf(error).message}`;
  }
}

/**
 * Opens or makes a store.
 * @throws DkvError `DKV_STORE_LOCKED`, `DKV_STORAGE_FAILED`, `DKV_ENGINE_UNAVAILABLE`
 */
export async function openRocksdbNativeStoreEngine(
  folder: string,
  load: LoadRocksdbNative = loadInstalled,
): Promise<StoreEngine> {
  const obstacle = rocksdbNativeObstacle(load);
  if (obstacle !== undefined) {
    throw new DkvError(
      'DKV_ENGINE_UNAVAILABLE',
      `RocksDB cannot be used: ${obstacle}. ${ROCKSDB_NATIVE_REMEDY}.`,
    );
  }
  return openRocksdbEngine(PACKAGE, folder, () => NativeStore.open(load(), folder));
}

/** The binding reads what it is given in another thread, after the call: so it is given copies. */
class NativeStore implements RocksdbStore {
  /** As of the last batch: the binding tells it in a promise only. */
  private bytes = 0;
  private readonly iterators = new Set<NativeIterator>();
  private readonly writing = new Set<Promise<void>>();

  private constructor(private readonly database: NativeDatabase) {}

  static async open(Database: RocksdbNativePackage, folder: string): Promise<NativeStore> {
    const database = new Database(folder, {
      writeBufferSize: WRITE_BUFFER_BYTES,
      maxOpenFiles: OPEN_FILES_MAX,
      maxBackgroundJobs: BACKGROUND_JOBS,
    });
    try {
      await database.ready();
    } catch (error) {
      throw openErrorOf('RocksDB', folder, error);
    }
    const store = new NativeStore(database);
    await store.measure();
    return store;
  }

  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    const batch = this.database.read({ capacity: keys.length, autoDestroy: true });
    const values = keys.map(async (key) => (await batch.get(Buffer.from(key))) ?? undefined);
    batch.tryFlush();
    return Promise.all(values);
  }

  async write(operations: readonly StoreOperation[], options: BatchOptions): Promise<void> {
    const written = this.writeAndMeasure(operations, options);
    this.writing.add(written);
    try {
      await written;
    } finally {
      this.writing.delete(written);
    }
  }

  async *iterate({ from, to }: StoreRange): AsyncGenerator<StoreEntry> {
    const range = { gte: Buffer.from(from), lt: Buffer.from(to) };
    const iterator = this.database.iterator(range, { capacity: READ_AHEAD_ENTRIES });
    this.iterators.add(iterator);
    try {
      yield* iterator;
    } finally {
      this.iterators.delete(iterator);
    }
  }

  sizeBytes(): number {
    return this.bytes;
  }

  /**
   * The binding waits for its calls, but a write is several of them; and for iterations it would wait until their end, so
   * this ends them.
   */
  async close(): Promise<void> {
    for (const iterator of this.iterators) {
      iterator.destroy(new DkvError('DKV_NOT_READY', 'The store was closed under an iteration.'));
    }
    await Promise.allSettled(this.writing);
    await this.database.close();
  }

  private async writeAndMeasure(
    operations: readonly StoreOperation[],
    { sync }: BatchOptions,
  ): Promise<void> {
    try {
      await this.batchOf(operations).flush();
      if (sync) {
        // The binding has no sync of a batch. This writes all that is in memory into a table, and syncs that.
        await this.database.flush();
      }
    } catch (error) {
      // Its own says no more than that the batch was not applied.
      throw innermostOf(error);
    }
    await this.measure();
  }

  // Copied into one piece of memory, which costs less than one for each key and value.
  private batchOf(operations: readonly StoreOperation[]): NativeWriteBatch {
    const batch = this.database.write({ capacity: operations.length, autoDestroy: true });
    let size = 0;
    for (const operation of operations) {
      size += operation.key.length + (operation.type === 'put' ? operation.value.length : 0);
    }
    const copies = new Copies(size);
    for (const operation of operations) {
      if (operation.type === 'put') {
        batch.tryPut(copies.of(operation.key), copies.of(operation.value));
      } else {
        batch.tryDelete(copies.of(operation.key));
      }
    }
    return batch;
  }

  private async measure(): Promise<void> {
    const values = await Promise.all(SIZE_PROPERTIES.map((name) => this.database.getProperty(name)));
    this.bytes = values.reduce((sum, value) => sum + (Number(value) || 0), 0);
  }
}

/** Copies of pieces of memory, side by side in one. */
class Copies {
  private readonly bytes: Uint8Array;
  private used = 0;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
  }

  of(piece: Uint8Array): Uint8Array {
    const begin = this.used;
    this.bytes.set(piece, begin);
    this.used += piece.length;
    return this.bytes.subarray(begin, this.used);
  }
}
