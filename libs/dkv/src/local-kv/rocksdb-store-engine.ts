/** RocksDB through the `rocksdb` package (abstract-leveldown API), with the guards that its binding lacks. */
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { DkvError } from '../dkv.errors.js';
import { openErrorOf } from './engine-open-error.js';
import { type EngineOperation, type EngineRange, type StoreEngine } from './store-engine.js';

/** What an iterator reads ahead; more makes scans faster and costs memory for each one open. */
const READ_AHEAD_BYTES = 64 * 1024;
const BLOCK_CACHE_BYTES = 32 * 1024 * 1024;
const WRITE_BUFFER_BYTES = 16 * 1024 * 1024;

type Callback<T = void> = (error: Error | null | undefined, result: T) => void;

interface LeveldownIterator {
  next(callback: (error: Error | null | undefined, key?: Buffer, value?: Buffer) => void): void;
  end(callback: Callback): void;
}

/** What we use of abstract-leveldown 7; the package has no types. */
interface Leveldown {
  open(options: object, callback: Callback): void;
  close(callback: Callback): void;
  getMany(keys: Buffer[], options: object, callback: Callback<(Buffer | undefined)[]>): void;
  batch(operations: readonly object[], options: object, callback: Callback): void;
  iterator(options: object): LeveldownIterator;
  getProperty(name: string): string;
}

/** The path of the package's entry file. Throws when it is not installed: it is optional. */
export function resolveRocksdb(): string {
  return createRequire(import.meta.url).resolve('rocksdb');
}

/**
 * Where the binding does not fit Node, `open` aborts the process, which nothing can catch: ask `probeRocksdb` first.
 *
 * The binding dereferences a null pointer when it is called after `close`: so every call is counted, refused once
 * closing began, and iterators are ended before the store is closed.
 */
export class RocksdbStoreEngine implements StoreEngine {
  readonly name = 'rocksdb';
  private store: Leveldown | undefined;
  private readonly running = new Set<Promise<unknown>>();
  private readonly iterators = new Set<LeveldownIterator>();

  constructor(private readonly folder: string) {}

  async open(): Promise<void> {
    const store = load()(this.folder);
    const options = {
      createIfMissing: true,
      cacheSize: BLOCK_CACHE_BYTES,
      writeBufferSize: WRITE_BUFFER_BYTES,
    };
    try {
      await promisify(store.open.bind(store))(options);
    } catch (error) {
      throw openErrorOf('RocksDB', this.folder, error);
    }
    this.store = store;
  }

  async close(): Promise<void> {
    const { store } = this;
    if (!store) {
      return;
    }
    this.store = undefined;
    await Promise.allSettled(this.running);
    await Promise.all([...this.iterators].map((iterator) => this.end(iterator)));
    await promisify(store.close.bind(store))();
  }

  // `getMany` of one: `get` makes an Error, with its stack, of every key that is not there.
  async get(key: Buffer): Promise<Uint8Array | undefined> {
    const [value] = await this.run<(Buffer | undefined)[]>((store, done) => store.getMany([key], {}, done));
    return value;
  }

  async batch(operations: readonly EngineOperation[], { sync }: { readonly sync: boolean }): Promise<void> {
    const buffers = operations.map((operation) =>
      operation.type === 'put' ? { ...operation, value: bufferOf(operation.value) } : operation,
    );
    await this.run((store, done) => store.batch(buffers, { sync }, done));
  }

  async *iterate({ gte, lt }: EngineRange): AsyncGenerator<readonly [Buffer, Uint8Array]> {
    const iterator = this.opened().iterator({ gte, lt, highWaterMark: READ_AHEAD_BYTES, fillCache: false });
    this.iterators.add(iterator);
    try {
      for (let entry = await this.next(iterator); entry; entry = await this.next(iterator)) {
        yield entry;
      }
    } finally {
      await this.end(iterator);
    }
  }

  async approximateBytes(): Promise<number> {
    const store = this.opened();
    return ['rocksdb.total-sst-files-size', 'rocksdb.cur-size-all-mem-tables'].reduce(
      (bytes, property) => bytes + (Number(store.getProperty(property)) || 0),
      0,
    );
  }

  private next(iterator: LeveldownIterator): Promise<readonly [Buffer, Buffer] | undefined> {
    return this.run((_, done) =>
      iterator.next((error, key, value) => done(error, key && value && [key, value])),
    );
  }

  private async end(iterator: LeveldownIterator): Promise<void> {
    if (this.iterators.delete(iterator)) {
      await promisify(iterator.end.bind(iterator))();
    }
  }

  private async run<T = void>(start: (store: Leveldown, done: Callback<T>) => void): Promise<T> {
    const store = this.opened();
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

  private opened(): Leveldown {
    if (!this.store) {
      throw new DkvError('DKV_NOT_READY', `The store in ${this.folder} is not open.`);
    }
    return this.store;
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
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
