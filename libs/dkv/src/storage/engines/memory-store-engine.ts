/** A store that forgets all when it is closed: for tests and for caches that need no disk. */
import { DkvError } from '../../dkv.errors.js';
import { SortedEntries } from '../sorted-entries.js';
import { type StoreEngine, type StoreEntry, type StoreOperation, type StoreRange } from './store-engine.js';

/** Entries that an iteration takes at a time. */
const PAGE = 128;

/** Everything happens within the call, in microtasks only, so whatever runs on it is the same every time. */
export class MemoryStoreEngine implements StoreEngine {
  readonly name = 'memory';
  readonly syncsEarlier: boolean = true;
  private entries: SortedEntries | undefined = new SortedEntries();

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    const value = this.opened().get(key);
    return value && new Uint8Array(value);
  }

  async batch(operations: readonly StoreOperation[]): Promise<void> {
    const entries = this.opened();
    for (const operation of operations) {
      if (operation.type === 'put') {
        // A copy of its own: this may be a small piece of a large buffer.
        entries.set(operation.key, new Uint8Array(operation.value));
      } else {
        entries.delete(operation.key);
      }
    }
  }

  async *iterate({ from, to }: StoreRange): AsyncGenerator<StoreEntry> {
    let page = this.opened().page(from, false, to, PAGE);
    while (page.length > 0) {
      // The reader may change the bytes that it is given.
      const last = new Uint8Array(page.at(-1)!.key);
      for (const { key, value } of page) {
        yield { key, value: new Uint8Array(value) };
      }
      page = this.opened().page(last, true, to, PAGE);
    }
  }

  sizeBytes(): number {
    return this.entries?.bytes ?? 0;
  }

  async close(): Promise<void> {
    this.entries = undefined;
  }

  private opened(): SortedEntries {
    if (!this.entries) {
      throw new DkvError('DKV_NOT_READY', 'The store in memory is closed.');
    }
    return this.entries;
  }
}
