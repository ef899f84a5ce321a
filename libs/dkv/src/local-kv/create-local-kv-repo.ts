/** Makes this node's repository: chooses the engine and puts the rules over it. */
import { type Clock } from '../ports/clock.js';
import { type LocalKvRepo } from '../ports/local-kv-repo.js';
import { type Logger } from '../ports/logger.js';
import { ClassicLevelStoreEngine } from './classic-level-store-engine.js';
import { DataFolder, prepareFolder } from './data-folder.js';
import { chooseEngine, type EngineQuestion } from './engine-choice.js';
import {
  EngineLocalKvRepo,
  type EngineLocalKvRepoOptions,
  type StoreFolder,
} from './engine-local-kv-repo.js';
import { MemoryStoreEngine } from './memory-store-engine.js';
import { probeRocksdb } from './rocksdb-probe.js';
import { RocksdbStoreEngine } from './rocksdb-store-engine.js';
import { type EngineName } from './store-engine.js';

export interface CreateLocalKvRepoOptions extends EngineLocalKvRepoOptions {
  /**
   * `auto`: the engine that wrote the folder; for a new one RocksDB where it runs, else LevelDB (classic-level).
   * `memory` forgets all when it is closed.
   */
  readonly storage: EngineName | 'auto';
  /** The folder of this node alone; made when absent. Not used by `memory`. */
  readonly dataDir: string;
  readonly logger: Logger;
  /** Dates a new folder. */
  readonly clock?: Clock;
  /** Why RocksDB does not run here, or undefined when it does; for tests. */
  readonly probeRocksdb?: EngineQuestion['probeRocksdb'];
}

const MEMORY: StoreFolder = { path: 'memory', claim: async () => undefined };

/**
 * The repository, not open yet: `open` does that.
 * @throws DkvError `DKV_ENGINE_UNAVAILABLE`, `DKV_STORE_MISMATCH`, `DKV_STORAGE_FAILED`
 */
export async function createLocalKvRepo(options: CreateLocalKvRepoOptions): Promise<LocalKvRepo> {
  const { storage: asked, dataDir: path, logger, clock } = options;
  if (asked === 'memory') {
    return new EngineLocalKvRepo(new MemoryStoreEngine(), MEMORY, { cacheBytesMax: 0, ...options });
  }
  const written = await prepareFolder(path);
  const name = await chooseEngine({
    asked,
    written,
    path,
    logger,
    probeRocksdb: options.probeRocksdb ?? probeRocksdb,
  });
  const folder = new DataFolder(path, name, clock);
  const Engine = name === 'rocksdb' ? RocksdbStoreEngine : ClassicLevelStoreEngine;
  return new EngineLocalKvRepo(new Engine(folder.enginePath), folder, options);
}
