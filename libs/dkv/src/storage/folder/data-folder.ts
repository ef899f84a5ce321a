/** A node's data folder: whose it is, which engine wrote it, and that nobody else has it open. */
import { mkdir, readdir, realpath, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { MessageChannel } from 'node:worker_threads';
import { DkvError, isDkvError } from '../../dkv.errors.js';
import { type Clock } from '../../ports/clock.js';
import { type StoreIdentity } from '../../ports/local-kv-repo.js';
import { type StoreHome } from '../eventual/engine-local-kv-repo.js';
import { lockedError } from '../engines/engine-open-error.js';
import { PROBE_PREFIX } from '../engines/rocksdb-probe.js';
import { type OpenStoreEngine, type StoreEngine } from '../engines/store-engine.js';
import { holderOf, noteHolder } from './folder-holder.js';
import { makePrivateFolder, PRIVATE_FOLDER } from './private-files.js';
import {
  assertSameIdentity,
  createIdentity,
  type DiskEngine,
  IDENTITY_DRAFT_PATTERN,
  IDENTITY_FORMAT,
  readIdentity,
  replaceIdentity,
  type StoredIdentity,
  syncFolder,
} from './store-identity.js';
import { recoverRemedy } from '../../model/recover-remedy.js';

/** Both engines name their manifest in this file. */
const MANIFEST_POINTER = 'CURRENT';

/** Between two tries to open a folder that another process has open. */
const LOCK_RETRY_MS = 100;

/** Real paths of the folders that this process has open: an engine's lock may not hold against its own process. */
const openFolders = new Set<string>();

/**
 * Makes the folder if there is none; the engine that wrote it if one did.
 * @throws DkvError `DKV_STORE_MISMATCH`, `DKV_STORAGE_FAILED`
 */
export async function prepareFolder(path: string): Promise<DiskEngine | undefined> {
  return telling(path, async () => {
    await makeFolder(resolve(path));
    const stored = await readIdentity(path);
    if (!stored) {
      await assertNothingForeign(path);
    }
    return stored?.engine;
  });
}

/**
 * The node that the folder was made for; undefined where there is no folder yet, or nothing in it. Makes nothing.
 * @throws DkvError `DKV_STORE_MISMATCH`, `DKV_STORAGE_FAILED`
 */
export function nodeIdOf(path: string): Promise<string | undefined> {
  return telling(path, async () => (await readIdentity(path))?.nodeId);
}

export interface DataFolderOptions {
  readonly path: string;
  /** Its name, and how it is opened in its folder below `path`. */
  readonly engine: DiskEngine;
  readonly openEngine: OpenStoreEngine;
  /** Dates the folder, for people; and waits. */
  readonly clock: Clock;
  /** How long another process may take to let go of the folder, as one does that is started anew. Default 0. */
  readonly lockWaitMs?: number;
}

/**
 * The order of making a folder: identity (`making`), the engine's files, identity (`made`). A crash in between
 * leaves `making`, and the next opening goes on from there. A folder that is `made` and has no engine files has
 * lost its data and is refused: an empty store would answer "no such key" for what it had promised to keep.
 */
export class DataFolder implements StoreHome {
  readonly where: string;
  private claimed: string | undefined;

  constructor(private readonly options: DataFolderOptions) {
    this.where = resolve(options.path);
  }

  async open(identity: StoreIdentity): Promise<StoreEngine> {
    try {
      return await telling(this.where, async () => {
        await makeFolder(this.where);
        await this.claim();
        return this.openOnceFree(identity);
      });
    } catch (error) {
      this.release();
      throw error;
    }
  }

  release(): void {
    if (this.claimed !== undefined) {
      openFolders.delete(this.claimed);
      this.claimed = undefined;
    }
  }

  private async claim(): Promise<void> {
    const path = await realpath(this.where);
    if (openFolders.has(path)) {
      throw lockedError(this.where, 'this process');
    }
    openFolders.add(path);
    this.claimed = path;
  }

  private async openOnceFree(identity: StoreIdentity): Promise<StoreEngine> {
    const { clock, engine, lockWaitMs = 0 } = this.options;
    const folder = join(this.where, engine);
    const endsMs = clock.monotonic() + lockWaitMs;
    // Timers of a clock keep no process alive, and a starting one may have nothing else that does.
    const { port1: awake } = new MessageChannel();
    awake.ref();
    try {
      for (;;) {
        try {
          const opened = await this.openEngine(await this.settle(identity));
          await noteHolder(folder, clock);
          return opened;
        } catch (error) {
          if (!isDkvError(error, 'DKV_STORE_LOCKED')) {
            throw error;
          }
          if (clock.monotonic() >= endsMs) {
            throw lockedError(this.where, (await holderOf(folder)) ?? 'another process', error.cause);
          }
        }
        await new Promise<void>((retry) => clock.schedule(LOCK_RETRY_MS, retry));
      }
    } finally {
      awake.close();
    }
  }

  /** The folder's identity, made if it is an empty folder. */
  private async settle(identity: StoreIdentity): Promise<StoredIdentity> {
    const { where } = this;
    const { engine, clock } = this.options;
    const stored = await readIdentity(where);
    if (stored) {
      assertSameIdentity(stored, { ...identity, engine }, where);
      return stored;
    }
    await assertNothingForeign(where);
    const { nodeId, partitions, hashFunc } = identity;
    const created = new Date(clock.now()).toISOString();
    const own = {
      format: IDENTITY_FORMAT,
      engine,
      state: 'making',
      nodeId,
      partitions,
      hashFunc,
      created,
    } as const;
    // Another process may have been faster, with an identity of its own.
    return (await createIdentity(where, own)) ? own : this.settle(identity);
  }

  private async openEngine(identity: StoredIdentity): Promise<StoreEngine> {
    const folder = join(this.where, identity.engine);
    const isMade = identity.state === 'made';
    if (isMade && !(await exists(join(folder, MANIFEST_POINTER)))) {
      throw new DkvError(
        'DKV_STORE_MISMATCH',
        `The data folder ${this.where} belongs to a store of ${identity.engine}, and its files in ${folder} are gone. ` +
          `Put them back if you have them. ${recoverRemedy(this.where)}`,
      );
    }
    await makePrivateFolder(folder);
    const engine = await this.options.openEngine(folder);
    try {
      if (!isMade) {
        await replaceIdentity(this.where, { ...identity, state: 'made' });
      }
      return engine;
    } catch (error) {
      await engine.close();
      throw error;
    }
  }
}

/** Makes the folder and those above it, durably. */
async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode: PRIVATE_FOLDER });
  if (first !== undefined) {
    for (let made = folder; made.length >= first.length; made = dirname(made)) {
      await syncFolder(dirname(made));
    }
  }
}

async function assertNothingForeign(folder: string): Promise<void> {
  const isOurs = (name: string) =>
    name === 'lost+found' || name.startsWith(PROBE_PREFIX) || IDENTITY_DRAFT_PATTERN.test(name);
  const foreign = (await readdir(folder)).filter((name) => !isOurs(name));
  // Another process may be making the same folder just now.
  if (foreign.length > 0 && !(await readIdentity(folder))) {
    throw new DkvError(
      'DKV_STORE_MISMATCH',
      `The folder ${folder} is not empty (${foreign.slice(0, 3).join(', ')}) and has no store-identity: it is no data ` +
        'folder of nestjs-dkv. Set dataDir to an empty folder, or to one that does not exist.',
    );
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return false;
    }
    throw error;
  }
}

async function telling<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DkvError) {
      throw error;
    }
    throw new DkvError(
      'DKV_STORAGE_FAILED',
      `The data folder ${folder} cannot be used: ${error instanceof Error ? error.message : String(error)}. Check ` +
        'that it can be made, is a folder, and that this process may write to it.',
      { cause: error },
    );
  }
}
