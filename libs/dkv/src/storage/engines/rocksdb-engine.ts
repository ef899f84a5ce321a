/** What both packages of RocksDB have in common as engines; each knows its own binding. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { GroupedReads } from './grouped-reads.js';
import { ReopeningStore } from './reopening-store.js';
import {
  type BatchOptions,
  type StoreEngine,
  type StoreEntry,
  type StoreOperation,
  type StoreRange,
} from './store-engine.js';

export const WRITE_BUFFER_BYTES = 16 * 1024 * 1024;
/** Opening writes out what the log of RocksDB holds: two buffers at most. */
const REOPEN_ROOM_BYTES = 4 * WRITE_BUFFER_BYTES;

/** What of a store has a size: its tables, and what is in memory. */
export const SIZE_PROPERTIES = ['rocksdb.total-sst-files-size', 'rocksdb.cur-size-all-mem-tables'] as const;

/** A store that is open, by either package. */
export interface RocksdbStore {
  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>;
  /** With `sync`, all that was written before is on the medium, too. */
  write(operations: readonly StoreOperation[], options: BatchOptions): Promise<void>;
  iterate(range: StoreRange): AsyncGenerator<StoreEntry>;
  sizeBytes(): number;
  close(): Promise<void>;
}

export async function openRocksdbEngine(
  name: string,
  folder: string,
  open: () => Promise<RocksdbStore>,
): Promise<StoreEngine> {
  const held = await ReopeningStore.open({
    folder,
    open,
    close: (store) => store.close(),
    roomBytes: async () => REOPEN_ROOM_BYTES,
  });
  return new RocksdbEngine(name, held);
}

class RocksdbEngine implements StoreEngine {
  readonly syncsEarlier = true;
  private readonly reads = new GroupedReads(async (keys) =>
    (this.held.current ?? (await this.held.opened())).getMany(keys),
  );

  constructor(
    readonly name: string,
    private readonly held: ReopeningStore<RocksdbStore>,
  ) {}

  get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.reads.get(key);
  }

  batch(operations: readonly StoreOperation[], options: BatchOptions): Promise<void> {
    return this.held.batch(operations, (store, given) => store.write(given, options));
  }

  async *iterate(range: StoreRange): AsyncGenerator<StoreEntry> {
    yield* (this.held.current ?? (await this.held.opened())).iterate(range);
  }

  sizeBytes(): number {
    return this.held.current?.sizeBytes() ?? 0;
  }

  nextTurn(): Promise<void> {
    return nextTurn();
  }

  close(): Promise<void> {
    return this.held.close();
  }
}
