/** LevelDB through `classic-level`: the engine that runs everywhere. */
import type * as ClassicLevelPackage from 'classic-level';
import { DkvError } from '../dkv.errors.js';
import { openErrorOf } from './engine-open-error.js';
import { type EngineOperation, type EngineRange, type StoreEngine } from './store-engine.js';

/** What an iterator reads ahead, whichever comes first. */
const READ_AHEAD_BYTES = 64 * 1024;
const READ_AHEAD_ENTRIES = 512;
const BLOCK_CACHE_BYTES = 32 * 1024 * 1024;
const WRITE_BUFFER_BYTES = 16 * 1024 * 1024;

type Level = ClassicLevelPackage.ClassicLevel<Buffer, Buffer>;

export class ClassicLevelStoreEngine implements StoreEngine {
  readonly name = 'classic-level';
  private level: Level | undefined;

  constructor(private readonly folder: string) {}

  async open(): Promise<void> {
    const { ClassicLevel } = await load();
    const level: Level = new ClassicLevel(this.folder, { keyEncoding: 'buffer', valueEncoding: 'buffer' });
    try {
      await level.open({ cacheSize: BLOCK_CACHE_BYTES, writeBufferSize: WRITE_BUFFER_BYTES });
    } catch (error) {
      throw openErrorOf('LevelDB', this.folder, error);
    }
    this.level = level;
  }

  async close(): Promise<void> {
    const { level } = this;
    this.level = undefined;
    await level?.close();
  }

  async get(key: Buffer): Promise<Uint8Array | undefined> {
    return this.opened().get(key);
  }

  async batch(operations: readonly EngineOperation[], { sync }: { readonly sync: boolean }): Promise<void> {
    await this.opened().batch<Buffer, Uint8Array>([...operations], { sync, valueEncoding: 'view' });
  }

  async *iterate({ gte, lt }: EngineRange): AsyncGenerator<readonly [Buffer, Uint8Array]> {
    const iterator = this.opened().iterator({ gte, lt, highWaterMarkBytes: READ_AHEAD_BYTES });
    try {
      for (;;) {
        const entries = await iterator.nextv(READ_AHEAD_ENTRIES);
        if (entries.length === 0) {
          return;
        }
        yield* entries;
      }
    } finally {
      await iterator.close();
    }
  }

  /** The table files and what is in memory; LevelDB does not tell the size of its log. */
  async approximateBytes(): Promise<number> {
    const level = this.opened();
    let bytes = Number(level.getProperty('leveldb.approximate-memory-usage')) || 0;
    // A line for each table: ` 12:2113847['first' @ 1 : 1 .. 'last' @ 9 : 1]`, the keys in it escaped.
    for (const [, size] of level.getProperty('leveldb.sstables').matchAll(/^ \d+:(\d+)\[/gm)) {
      bytes += Number(size);
    }
    return bytes;
  }

  private opened(): Level {
    if (!this.level) {
      throw new DkvError('DKV_NOT_READY', `The store in ${this.folder} is not open.`);
    }
    return this.level;
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
