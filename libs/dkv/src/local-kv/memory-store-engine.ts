/** A store that forgets all when it is closed: for tests and for caches that need no disk. */
import { DkvError } from '../dkv.errors.js';
import { SortedEntries } from './sorted-entries.js';
import { type EngineOperation, type EngineRange, type StoreEngine } from './store-engine.js';

/** Entries that an iteration takes at a time. */
const PAGE = 128;

/** Everything happens within the call, in microtasks only, so whatever runs on it is the same every time. */
export class MemoryStoreEngine implements StoreEngine {
  readonly name = 'memory';
  private entries: SortedEntries | undefined;

  async open(): Promise<void> {
    this.entries = new SortedEntries();
  }

  async close(): Promise<void> {
    this.entries = undefined;
  }

  async get(key: Buffer): Promise<Uint8Array | undefined> {
    const value = this.opened().get(key);
    return value && new Uint8Array(value);
  }

  async batch(operations: readonly EngineOperation[]): Promise<void> {
    const entries = this.opened();
    for (const operation of operations) {
      if (operation.type === 'put') {
        // Copies of their own: these may be small pieces of large buffers.
        entries.set(Buffer.from(new Uint8Array(operation.key).buffer), new Uint8Array(operation.value));
      } else {
        entries.delete(operation.key);
      }
    }
  }

  async *iterate({ gte, lt }: EngineRange): AsyncGenerator<readonly [Buffer, Uint8Array]> {
    let page = this.opened().page(gte, false, lt, PAGE);
    while (page.length > 0) {
      for (const [key, value] of page) {
        yield [Buffer.from(key), new Uint8Array(value)];
      }
      page = this.opened().page(page.at(-1)![0], true, lt, PAGE);
    }
  }

  async approximateBytes(): Promise<number> {
    return this.opened().bytes;
  }

  private opened(): SortedEntries {
    if (!this.entries) {
      throw new DkvError('DKV_NOT_READY', 'The store in memory is not open.');
    }
    return this.entries;
  }
}
