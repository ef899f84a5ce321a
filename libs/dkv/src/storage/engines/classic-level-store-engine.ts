/** LevelDB through `classic-level`: the engine that runs everywhere. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type * as ClassicLevelPackage from 'classic-level';
import { DkvError } from '../../dkv.errors.js';
import { openErrorOf } from './engine-open-error.js';
import {
  type BatchOptions,
  type StoreEngine,
  type StoreEntry,
  type StoreOperation,
  type StoreRange,
} from './store-engine.js';

/** What an iterator reads ahead, whichever comes first. */
const READ_AHEAD_BYTES = 64 * 1024;
const READ_AHEAD_ENTRIES = 512;
const BLOCK_CACHE_BYTES = 32 * 1024 * 1024;
const WRITE_BUFFER_BYTES = 16 * 1024 * 1024;

type Level = ClassicLevelPackage.ClassicLevel<Uint8Array, Uint8Array>;

/**
 * Opens or makes a store.
 * @throws DkvError `DKV_STORE_LOCKED`, `DKV_STORAGE_FAILED`, `DKV_ENGINE_UNAVAILABLE`
 */
export async function openClassicLevelStoreEngine(folder: string): Promise<StoreEngine> {
  const { ClassicLevel } = await load();
  const level: Level = new ClassicLevel(folder, { keyEncoding: 'view', valueEncoding: 'view' });
  try {
    await level.open({ cacheSize: BLOCK_CACHE_BYTES, writeBufferSize: WRITE_BUFFER_BYTES });
  } catch (error) {
    throw openErrorOf('LevelDB', folder, error);
  }
  return new ClassicLevelStoreEngine(level);
}

class ClassicLevelStoreEngine implements StoreEngine {
  readonly name = 'classic-level';
  // LevelDB closes a log that it rotates away without syncing it.
  readonly syncsEarlier = false;

  constructor(private readonly level: Level) {}

  get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.level.get(key);
  }

  // Chained: an array of operations is normalised and read field by field, 2.4 µs each instead of 0.6.
  async batch(operations: readonly StoreOperation[], { sync }: BatchOptions): Promise<void> {
    const batch = this.level.batch();
    for (const operation of operations) {
      if (operation.type === 'put') {
        batch.put(operation.key, operation.value);
      } else {
        batch.del(operation.key);
      }
    }
    await batch.write({ sync });
  }

  async *iterate({ from, to }: StoreRange): AsyncGenerator<StoreEntry> {
    const iterator = this.level.iterator({ gte: from, lt: to, highWaterMarkBytes: READ_AHEAD_BYTES });
    try {
      for (;;) {
        const entries = await iterator.nextv(READ_AHEAD_ENTRIES);
        if (entries.length === 0) {
          return;
        }
        for (const [key, value] of entries) {
          yield { key, value };
        }
      }
    } finally {
      await iterator.close();
    }
  }

  /** The table files and what is in memory; LevelDB does not tell the size of its log. */
  sizeBytes(): number {
    if (this.level.status !== 'open') {
      return 0;
    }
    let bytes = Number(this.level.getProperty('leveldb.approximate-memory-usage')) || 0;
    // A line for each table: ` 12:2113847['first' @ 1 : 1 .. 'last' @ 9 : 1]`, the keys in it escaped.
    for (const [, size] of this.level.getProperty('leveldb.sstables').matchAll(/^ \d+:(\d+)\[/gm)) {
      bytes += Number(size);
    }
    return bytes;
  }

  nextTurn(): Promise<void> {
    return nextTurn();
  }

  close(): Promise<void> {
    return this.level.close();
  }
}

async function load(): Promise<typeof ClassicLevelPackage> {
  try {
    return await import('classic-level');
  } catch (error) {
    throw new DkvError(
      'DKV_ENGINE_UNAVAILABLE',
      `The classic-level package cannot be loaded: ${String(error)}. It has no build for this platform, or was ` +
        'installed without its files: install it again.',
      { cause: error },
    );
  }
}
