/** Opens a node's data folder while the node is not running: to look at it, or to mend it. */
import { DkvError } from '../dkv.errors.js';
import { readIdentity } from './folder/store-identity.js';
import { type StoreIdentity } from '../ports/local-kv-repo.js';
import { folderHome, type FolderOptions } from './create-node-storage.js';
import { EndNoteFile } from './log/end-note.js';
import { type LogDamage, LogScan } from './log/log-scan.js';
import { segmentStart } from './log/segments.js';
import { NodeStorage, type StorageHome } from './node-storage.js';
import { unchangedHome } from './unchanged-home.js';

const MIB = 1024 * 1024;
const DIRTY_BYTES_MAX = 256 * MIB;

export interface OfflineFolder {
  readonly home: StorageHome;
  readonly identity: StoreIdentity;
  /** Which engine wrote it. */
  readonly engine: string;
}

/** A folder that is there and is one of this library. @throws DkvError `DKV_STORE_MISMATCH`, `DKV_ENGINE_UNAVAILABLE` */
export async function offlineFolder(options: FolderOptions): Promise<OfflineFolder> {
  const identity = await readIdentity(options.dataDir);
  if (!identity) {
    throw new DkvError(
      'DKV_STORE_MISMATCH',
      `The folder ${options.dataDir} has no store-identity: it is no data folder of nestjs-dkv. Give the dataDir of a node.`,
    );
  }
  const { nodeId, partitions, hashFunc, engine } = identity;
  const home = await folderHome(engine, options);
  return { home, identity: { nodeId, partitions, hashFunc }, engine };
}

export type OfflineOptions = Pick<FolderOptions, 'logger' | 'clock'>;

/**
 * Opens what is in the folder, without what is behind damage of the log. With `isKept` nothing on the disk changes, not even
 * by closing it.
 * @throws DkvError as `NodeStorage.open`: `DKV_STORE_LOCKED` while a process has it open
 */
export function openOffline(
  { home, identity }: OfflineFolder,
  { clock, logger }: OfflineOptions,
  isKept: boolean,
): Promise<NodeStorage> {
  return NodeStorage.open(isKept ? unchangedHome(home) : home, identity, {
    durability: 'fsync',
    clock,
    logger,
    cutDamage: true,
    pendingBytesMax: DIRTY_BYTES_MAX,
    cacheBytesMax: MIB,
    dirtyBytesMax: DIRTY_BYTES_MAX,
    checkpointIntervalMs: Infinity,
    logBytesMax: Infinity,
    reserveBytes: 0,
  });
}

/** Where the log is damaged, if it is; of a folder that this process has open. Nothing changes. */
export async function damageOf({ home }: OfflineFolder): Promise<LogDamage | undefined> {
  const files = (await unchangedHome(home).logFiles())!;
  const note = await EndNoteFile.open(files);
  try {
    const starts = (await files.list())
      .map(segmentStart)
      .filter((start) => start !== undefined)
      .filter((start) => start >= (note.found?.begin ?? 0))
      .sort((a, b) => a - b);
    const scan = new LogScan(files, note.found, NOBODY);
    await scan.run(starts);
    return scan.damage;
  } finally {
    await note.close();
  }
}

const NOBODY = Object.freeze({
  hardState: () => undefined,
  entry: () => undefined,
  reset: () => undefined,
  batch: () => undefined,
});
