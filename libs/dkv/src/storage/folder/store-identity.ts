/** The file that says whose data a folder holds: read before anything is opened, written so that it is never torn. */
import { randomUUID } from 'node:crypto';
import { link, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DkvError } from '../../dkv.errors.js';
import { type StoreIdentity } from '../../ports/local-kv-repo.js';
import { PRIVATE_FILE } from './private-files.js';
import { recoverRemedy } from '../../model/recover-remedy.js';

export const IDENTITY_FILE = 'store-identity';
/** Temporary files of ours, left by a crash. */
export const IDENTITY_DRAFT_PATTERN = /^store-identity\..*\.tmp$/;
/** Of all that is in the folder. */
export const IDENTITY_FORMAT = 3;

export const DISK_ENGINES = ['rocksdb', 'rocksdb-native', 'classic-level'] as const;
/** The engines that have a folder. */
export type DiskEngine = (typeof DISK_ENGINES)[number];

export interface StoredIdentity extends StoreIdentity {
  readonly format: number;
  readonly engine: DiskEngine;
  /** `making` until the engine has made its files: only then may they be missing. */
  readonly state: 'making' | 'made';
  /** When the folder was made, ISO 8601, for people. */
  readonly created?: string;
}

/**
 * The identity in `folder`; undefined when it has none.
 * @throws DkvError `DKV_STORE_MISMATCH` when it is of another format or not readable.
 */
export async function readIdentity(folder: string): Promise<StoredIdentity | undefined> {
  let text: string;
  try {
    text = await readFile(join(folder, IDENTITY_FILE), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
  return parseIdentity(text, folder);
}

/** Makes the file, never replacing one: of two processes that start on an empty folder one wins. False: lost. */
export async function createIdentity(folder: string, identity: StoredIdentity): Promise<boolean> {
  return placeIdentity(folder, identity, async (draft, target) => {
    try {
      await link(draft, target);
      return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST') {
        return false;
      }
      if (code === 'EPERM' || code === 'ENOTSUP' || code === 'EOPNOTSUPP' || code === 'ENOSYS') {
        // A file system without hard links: the engine's own lock has to tell the two apart.
        await rename(draft, target);
        return true;
      }
      throw error;
    }
  });
}

/** Replaces the file, in one step. Only for who has the engine open. */
export async function replaceIdentity(folder: string, identity: StoredIdentity): Promise<void> {
  await placeIdentity(folder, identity, async (draft, target) => {
    await rename(draft, target);
    return true;
  });
}

/** @throws DkvError `DKV_STORE_MISMATCH` naming both values and the remedy. */
export function assertSameIdentity(
  stored: StoredIdentity,
  own: StoreIdentity & { readonly engine: DiskEngine },
  folder: string,
): void {
  const remedies = {
    engine: (value: string) => `Set storage to ${value}`,
    nodeId: (value: string) =>
      `Give every node a folder of its own; if this is the same node, set nodeId to ${value}`,
    partitions: (value: string) => `Partitions are fixed for a cluster: set partitions to ${value}`,
    hashFunc: (value: string) => `The hash function is fixed for a cluster: use ${value}`,
  };
  for (const field of ['engine', 'nodeId', 'partitions', 'hashFunc'] as const) {
    if (stored[field] !== own[field]) {
      const was = JSON.stringify(stored[field]);
      throw new DkvError(
        'DKV_STORE_MISMATCH',
        `The data folder ${folder} was made with ${field} ${was}; this node has ${JSON.stringify(own[field])}. ` +
          `${remedies[field](was)}.`,
      );
    }
  }
}

export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') {
    // Windows has no such thing for folders.
    return;
  }
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function placeIdentity(
  folder: string,
  identity: StoredIdentity,
  place: (draft: string, target: string) => Promise<boolean>,
): Promise<boolean> {
  const draft = join(folder, `${IDENTITY_FILE}.${randomUUID()}.tmp`);
  try {
    const handle = await open(draft, 'wx', PRIVATE_FILE);
    try {
      await handle.writeFile(`${JSON.stringify(identity, null, 2)}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    return await place(draft, join(folder, IDENTITY_FILE));
  } finally {
    await rm(draft, { force: true });
    await syncFolder(folder);
  }
}

function parseIdentity(text: string, folder: string): StoredIdentity {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw unreadable(folder, error);
  }
  if (typeof parsed !== 'object' || parsed === null) {
    throw unreadable(folder);
  }
  const { format, engine, state, nodeId, partitions, hashFunc, created } = parsed as Record<string, unknown>;
  if (Number.isInteger(format) && format !== IDENTITY_FORMAT) {
    const isNewer = (format as number) > IDENTITY_FORMAT;
    throw new DkvError(
      'DKV_STORE_MISMATCH',
      `The data folder ${folder} has format ${format as number}; this release of nestjs-dkv reads ${IDENTITY_FORMAT}. ` +
        `Run the release that wrote it${isNewer ? ', or a newer one' : ''}.`,
    );
  }
  const known = DISK_ENGINES.find((name) => name === engine);
  if (
    format !== IDENTITY_FORMAT ||
    !known ||
    (state !== 'making' && state !== 'made') ||
    typeof nodeId !== 'string' ||
    typeof partitions !== 'number' ||
    typeof hashFunc !== 'string'
  ) {
    throw unreadable(folder);
  }
  return {
    format,
    engine: known,
    state,
    nodeId,
    partitions,
    hashFunc,
    ...(typeof created === 'string' && { created }),
  };
}

function unreadable(folder: string, cause?: unknown): DkvError {
  return new DkvError(
    'DKV_STORE_MISMATCH',
    `The file ${join(folder, IDENTITY_FILE)} cannot be understood. Put the file back if you have it. ` +
      recoverRemedy(folder),
    { cause },
  );
}
