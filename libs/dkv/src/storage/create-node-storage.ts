/** Opens what this node keeps: chooses the engine, and puts log and records over it. */
import { open, readFile } from 'node:fs/promises';
import { uptime } from 'node:os';
import { dirname, join } from 'node:path';
import { DataFolder, prepareFolder } from './folder/data-folder.js';
import { ENGINE_OPENERS, ENGINE_PROBES } from './engines/disk-engines.js';
import { chooseEngine, type EngineProbes } from './engines/engine-choice.js';
import { MemoryStoreEngine } from './engines/memory-store-engine.js';
import { makePrivateFolder, PRIVATE_FILE } from './folder/private-files.js';
import { type DiskEngine, syncFolder } from './folder/store-identity.js';
import { type Clock } from '../ports/clock.js';
import { type StoreIdentity } from '../ports/local-kv-repo.js';
import { type Logger } from '../ports/logger.js';
import { SystemLogFiles } from './log/system-log-files.js';
import { NodeStorage, type StorageHome } from './node-storage.js';

export interface CreateNodeStorageOptions {
  /**
   * `auto`: the engine that wrote the folder; for a new one RocksDB (`rocksdb` on Node 20, `rocksdb-native` on newer ones
   * where it is installed) if it runs, else LevelDB (`classic-level`).
   * `memory` forgets all when it is closed.
   */
  readonly storage: 'auto' | DiskEngine | 'memory';
  /** The folder of this node alone; made when absent. Not used by `memory`. */
  readonly dataDir: string;
  /** `wal`: a write counts when the operating system has it, and survives kill -9; `fsync`: when the disk has it. */
  readonly durability: 'wal' | 'fsync';
  /** Bytes of hot records kept in memory; 0 for none. */
  readonly cacheBytesMax: number;
  /** Bytes of the log that are kept at most behind a checkpoint. */
  readonly logRetentionBytesMax: number;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Replaced in tests. */
  readonly probes?: EngineProbes;
  /** Disk space that is held back for a full disk. Default: 64 MiB. Less in tests, which make many folders. */
  readonly reserveBytes?: number;
  /** Names the boot of the machine. Replaced in tests. */
  readonly machineBootId?: () => Promise<string>;
  /** How long another process may take to let go of the folder. Default: 5 s. Less in tests. */
  readonly lockWaitMs?: number;
}

const MEBIBYTE = 1024 * 1024;
/** Changes that no checkpoint has, of each sort: a restart replays them. */
const DIRTY_BYTES_MAX = 64 * MEBIBYTE;
const PENDING_BYTES_MAX = 64 * MEBIBYTE;
const CHECKPOINT_INTERVAL_MS = 30_000;
/** A process that `nest start --watch` or a supervisor replaces is still closing its store when the next one starts. */
const LOCK_WAIT_MS = 5_000;
const LOG_FOLDER = 'log';
/** Linux names each boot; elsewhere the moment of the boot does, to the nearest so many seconds. */
const BOOT_ID_FILE = '/proc/sys/kernel/random/boot_id';
const BOOT_TIME_STEP_S = 10;

/**
 * @throws DkvError `DKV_ENGINE_UNAVAILABLE`, `DKV_STORE_LOCKED`, `DKV_STORE_MISMATCH`, `DKV_STORAGE_FAILED`,
 *   `DKV_LOG_DAMAGED`
 */
export async function createNodeStorage(
  identity: StoreIdentity,
  options: CreateNodeStorageOptions,
): Promise<NodeStorage> {
  const { durability, clock, logger, cacheBytesMax, logRetentionBytesMax, storage } = options;
  const { lockWaitMs = LOCK_WAIT_MS } = options;
  const home = storage === 'memory' ? MEMORY : await folderHome(storage, { ...options, lockWaitMs });
  return NodeStorage.open(home, identity, {
    durability,
    clock,
    logger,
    cacheBytesMax,
    pendingBytesMax: PENDING_BYTES_MAX,
    dirtyBytesMax: DIRTY_BYTES_MAX,
    checkpointIntervalMs: CHECKPOINT_INTERVAL_MS,
    reserveBytes: options.reserveBytes,
    logBytesMax: Math.max(MEBIBYTE, Math.floor(logRetentionBytesMax / 2)),
  });
}

const MEMORY: StorageHome = {
  where: 'memory',
  openEngine: async () => new MemoryStoreEngine(),
  logFiles: async () => undefined,
  machineBootId: async () => '',
  keep: async () => undefined,
  release: () => undefined,
};

/** What is needed to open a data folder. */
export type FolderOptions = Pick<
  CreateNodeStorageOptions,
  'dataDir' | 'logger' | 'clock' | 'probes' | 'machineBootId' | 'lockWaitMs'
>;

/** The data folder of a node; made when absent. @throws DkvError as {@link createNodeStorage} */
export async function folderHome(asked: 'auto' | DiskEngine, options: FolderOptions): Promise<StorageHome> {
  const { dataDir: path, logger, clock, lockWaitMs, probes = ENGINE_PROBES } = options;
  const written = await prepareFolder(path);
  const engine = await chooseEngine({ asked, written, path, probes, logger });
  const folder = new DataFolder({ path, engine, openEngine: ENGINE_OPENERS[engine], clock, lockWaitMs });
  return {
    where: folder.where,
    openEngine: (identity) => folder.open(identity),
    logFiles: async () => {
      const where = join(folder.where, LOG_FOLDER);
      if ((await makePrivateFolder(where)) !== undefined) {
        await syncFolder(folder.where);
      }
      return new SystemLogFiles(where, clock);
    },
    machineBootId: options.machineBootId ?? (() => systemBootId(clock)),
    keep: (name, text) => appendDurably(join(folder.where, name), text),
    release: () => folder.release(),
  };
}

async function appendDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'a', PRIVATE_FILE);
  try {
    const { size } = await file.stat();
    try {
      await file.writeFile(text);
      await file.sync();
    } catch (error) {
      // It is written again: half of it, or all of it again and again, would fill a disk.
      await file.truncate(size).catch(() => undefined);
      throw error;
    }
  } finally {
    await file.close();
  }
  await syncFolder(dirname(path));
}

async function systemBootId(clock: Clock): Promise<string> {
  try {
    return (await readFile(BOOT_ID_FILE, 'utf8')).trim();
  } catch {
    const bootedAtS = clock.now() / 1000 - uptime();
    return `booted at ${Math.round(bootedAtS / BOOT_TIME_STEP_S)}`;
  }
}
