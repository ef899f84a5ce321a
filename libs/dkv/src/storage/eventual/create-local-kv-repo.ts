/** Makes this node's repository: chooses the engine and puts the rules over it. */
import { type Clock } from '../../ports/clock.js';
import { type LocalKvRepo } from '../../ports/local-kv-repo.js';
import { type Logger } from '../../ports/logger.js';
import { openClassicLevelStoreEngine } from '../engines/classic-level-store-engine.js';
import { DataFolder, prepareFolder } from '../folder/data-folder.js';
import { chooseEngine, type EngineQuestion } from '../engines/engine-choice.js';
import { EngineLocalKvRepo, type StoreHome } from './engine-local-kv-repo.js';
import { MemoryStoreEngine } from '../engines/memory-store-engine.js';
import { probeRocksdb } from '../engines/rocksdb-probe.js';
import { openRocksdbStoreEngine } from '../engines/rocksdb-store-engine.js';
import { type DiskEngine } from '../folder/store-identity.js';

export interface CreateLocalKvRepoOptions {
  /**
   * `auto`: the engine that wrote the folder; for a new one RocksDB where it runs, else LevelDB (classic-level).
   * `memory` forgets all when it is closed.
   */
  readonly storage: 'auto' | DiskEngine | 'memory';
  /** The folder of this node alone; made when absent. Not used by `memory`. */
  readonly dataDir: string;
  /** `wal`: a write counts when the operating system has it, and survives kill -9; `fsync`: when the disk has it. */
  readonly durability: 'wal' | 'fsync';
  /** Bytes that may wait to be written before writes get `DKV_OVERLOADED`. Default 64 MiB. */
  readonly pendingBytesMax?: number;
  /** Bytes of hot records kept in memory; 0 for none. Default 128 MiB. */
  readonly cacheBytesMax?: number;
  readonly logger: Logger;
  /** Dates a new folder, for people. */
  readonly clock?: Clock;
  /** Why RocksDB does not run here, or undefined when it does. Replaced in tests. */
  readonly probeRocksdb?: EngineQuestion['probeRocksdb'];
}

const MEBIBYTE = 1024 * 1024;
const OPENERS = { rocksdb: openRocksdbStoreEngine, 'classic-level': openClassicLevelStoreEngine };
const MEMORY: StoreHome = {
  where: 'memory',
  open: async () => new MemoryStoreEngine(),
  release: () => undefined,
};

/**
 * The repository, not open yet: `open` does that.
 * @throws DkvError `DKV_ENGINE_UNAVAILABLE`, `DKV_STORE_MISMATCH`, `DKV_STORAGE_FAILED`
 */
export async function createLocalKvRepo(options: CreateLocalKvRepoOptions): Promise<LocalKvRepo> {
  const { storage, durability, logger, pendingBytesMax = 64 * MEBIBYTE } = options;
  const { cacheBytesMax = 128 * MEBIBYTE } = options;
  const home = storage === 'memory' ? MEMORY : await dataFolder(storage, options);
  return new EngineLocalKvRepo(home, { durability, pendingBytesMax, cacheBytesMax, logger });
}

async function dataFolder(asked: 'auto' | DiskEngine, options: CreateLocalKvRepoOptions): Promise<StoreHome> {
  const { dataDir: path, logger, clock, probeRocksdb: probe = probeRocksdb } = options;
  const written = await prepareFolder(path);
  const engine = await chooseEngine({ asked, written, path, probeRocksdb: probe, logger });
  return new DataFolder({ path, engine, openEngine: OPENERS[engine], clock });
}
