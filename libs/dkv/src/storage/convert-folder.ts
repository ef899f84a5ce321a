/** Writes a data folder anew with another engine, while its node is not running. */
import { Buffer } from 'node:buffer';
import { copyFile, mkdir, open, readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DkvError, isDkvError } from '../dkv.errors.js';
import { recoverRemedy } from '../model/recover-remedy.js';
import { type Clock } from '../ports/clock.js';
import { type Logger } from '../ports/logger.js';
import { ENGINE_OPENERS, ENGINE_PROBES } from './engines/disk-engines.js';
import { chooseEngine, type EngineProbes } from './engines/engine-choice.js';
import { type StoreEngine, type StoreOperation } from './engines/store-engine.js';
import {
  createIdentity,
  type DiskEngine,
  IDENTITY_DRAFT_PATTERN,
  IDENTITY_FILE,
  readIdentity,
  type StoredIdentity,
  syncFolder,
} from './folder/store-identity.js';
import { makePrivateFolder, PRIVATE_FILE, PRIVATE_FOLDER } from './folder/private-files.js';
import { RESERVE_FILE } from './log/reserve-file.js';
import { damageOf, offlineFolder, openOffline } from './offline-storage.js';

export interface FolderConversion {
  /** The folder that is there. */
  readonly from: string;
  /** The folder to make: absent or empty. */
  readonly to: string;
  readonly engine: DiskEngine;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Replaced in tests. */
  readonly probes?: EngineProbes;
}

export interface ConvertedFolder {
  readonly nodeId: string;
  /** The engine that wrote the old folder. */
  readonly engine: DiskEngine;
  /** Entries of the store, each read back and compared. */
  readonly entries: number;
  readonly bytes: number;
}

/** Every key of a store lies within: they begin with a partition, or with 0xffff and the kind of what is the node's own. */
const ALL = { from: Buffer.of(0), to: Buffer.of(0xff, 0xff, 0xff) };
const BATCH_BYTES = 1024 * 1024;

/**
 * Copies log and notes, writes the store with the other engine, reads all of it back and compares. The identity, without
 * which no node takes the folder, comes last: what was begun and not finished cannot be started. Of the old folder nothing
 * is changed.
 * @throws DkvError `DKV_STORE_LOCKED` while a process has the old folder open, `DKV_STORE_MISMATCH` of a new folder that is
 *   not empty and of an old one that is none or has that engine, `DKV_LOG_DAMAGED`, `DKV_STORAGE_FAILED` of an old one
 *   that cannot be read whole, `DKV_ENGINE_UNAVAILABLE`
 */
export async function convertFolder(conversion: FolderConversion): Promise<ConvertedFolder> {
  const from = resolve(conversion.from);
  const to = resolve(conversion.to);
  const { engine, probes = ENGINE_PROBES, logger, clock } = conversion;
  const identity = await soundIdentity(from, { clock, logger, probes });
  if (identity.engine === engine) {
    throw new DkvError(
      'DKV_STORE_MISMATCH',
      `The folder ${from} is of ${engine} already. Start its node as it is.`,
    );
  }
  if (`${to}/`.startsWith(`${from}/`)) {
    throw new DkvError('DKV_STORE_MISMATCH', `The folder ${to} lies in ${from}. Give one beside it.`);
  }
  await makeEmpty(to);
  await chooseEngine({ asked: engine, written: undefined, path: to, probes, logger });
  try {
    const source = await ENGINE_OPENERS[identity.engine](join(from, identity.engine));
    try {
      await copyFiles(from, to, new Set([IDENTITY_FILE, RESERVE_FILE, identity.engine]));
      await makePrivateFolder(join(to, engine));
      const written = await copyStore(source, join(to, engine), engine);
      await compareStores(source, join(to, engine), engine, written.entries);
      await createIdentity(to, { ...identity, engine, state: 'made' });
      return { nodeId: identity.nodeId, engine: identity.engine, ...written };
    } finally {
      await source.close();
    }
  } catch (error) {
    if (isDkvError(error)) {
      throw error;
    }
    throw new DkvError(
      'DKV_STORAGE_FAILED',
      `Converting ${from} failed: ${(error as Error).message}. The old folder is as it was: remove ${to} and try again; ` +
        `where the old one is damaged: ${recoverRemedy(from)}`,
      { cause: error },
    );
  }
}

/** Opens all of the folder as a start would, changing nothing. */
async function soundIdentity(
  dataDir: string,
  options: Pick<FolderConversion, 'clock' | 'logger' | 'probes'>,
): Promise<StoredIdentity> {
  const folder = await offlineFolder({ ...options, dataDir });
  const storage = await openOffline(folder, options, true);
  try {
    const damage = await damageOf(folder);
    if (damage) {
      throw new DkvError(
        'DKV_LOG_DAMAGED',
        `The log of ${dataDir} is damaged: ${damage.file}, offset ${damage.offset}: ${damage.what}. ${recoverRemedy(dataDir)}`,
      );
    }
  } finally {
    await storage.close();
  }
  return (await readIdentity(dataDir))!;
}

async function makeEmpty(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: PRIVATE_FOLDER });
  const names = (await readdir(folder)).filter((name) => name !== 'lost+found');
  if (names.length > 0) {
    throw new DkvError(
      'DKV_STORE_MISMATCH',
      `The folder ${folder} is not empty (${names.slice(0, 3).join(', ')}). Give an empty one, or one that does not exist.`,
    );
  }
}

async function copyFiles(from: string, to: string, without: ReadonlySet<string>): Promise<void> {
  for (const name of await readdir(from)) {
    if (without.has(name) || IDENTITY_DRAFT_PATTERN.test(name) || name === 'lost+found') {
      continue;
    }
    const copy = join(to, name);
    if ((await stat(join(from, name))).isDirectory()) {
      await mkdir(copy, { mode: PRIVATE_FOLDER });
      await copyFiles(join(from, name), copy, without);
    } else {
      await copyFile(join(from, name), copy);
      const file = await open(copy, 'r+');
      try {
        await file.chmod(PRIVATE_FILE);
        await file.sync();
      } finally {
        await file.close();
      }
    }
  }
  await syncFolder(to);
}

async function copyStore(
  source: StoreEngine,
  folder: string,
  engine: DiskEngine,
): Promise<Pick<ConvertedFolder, 'entries' | 'bytes'>> {
  const target = await ENGINE_OPENERS[engine](folder);
  let entries = 0;
  let bytes = 0;
  let batch: StoreOperation[] = [];
  let batchBytes = 0;
  const flush = async () => {
    await target.batch(batch, { sync: true });
    bytes += batchBytes;
    batch = [];
    batchBytes = 0;
  };
  try {
    for await (const { key, value } of source.iterate(ALL)) {
      batch.push({ type: 'put', key, value });
      entries++;
      batchBytes += key.length + value.length;
      if (batchBytes >= BATCH_BYTES) {
        await flush();
      }
    }
    await flush();
  } finally {
    await target.close();
  }
  return { entries, bytes };
}

/** Read from the disk, by another opening of the store. */
async function compareStores(
  source: StoreEngine,
  folder: string,
  engine: DiskEngine,
  entries: number,
): Promise<void> {
  const target = await ENGINE_OPENERS[engine](folder);
  try {
    const copies = target.iterate(ALL)[Symbol.asyncIterator]();
    let compared = 0;
    for await (const { key, value } of source.iterate(ALL)) {
      const copy = await copies.next();
      if (copy.done || !isSame(copy.value.key, key) || !isSame(copy.value.value, value)) {
        throw new Error(`entry ${compared + 1} is not what was written`);
      }
      compared++;
    }
    if (compared !== entries || !(await copies.next()).done) {
      throw new Error(`${entries} entries were written, ${compared} were read`);
    }
  } finally {
    await target.close();
  }
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}
