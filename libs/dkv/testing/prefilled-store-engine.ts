/** The store of a folder that is being filled: answers that a key is not there without asking the disk. */
import { DataFolder, prepareFolder } from '../src/storage/folder/data-folder.js';
import { JOURNAL_RANGE } from '../src/storage/eventual/disk-keys.js';
import { ENGINE_OPENERS, ENGINE_PROBES } from '../src/storage/engines/disk-engines.js';
import { chooseEngine } from '../src/storage/engines/engine-choice.js';
import { EngineLocalKvRepo } from '../src/storage/eventual/engine-local-kv-repo.js';
import { type StoreEngine } from '../src/storage/engines/store-engine.js';
import { type DiskEngine } from '../src/storage/folder/store-identity.js';
import { type LocalKvRepo } from '../src/ports/local-kv-repo.js';
import { type Logger } from '../src/ports/logger.js';
import { SystemClock } from '../src/system/system-clock.js';

const PENDING_BYTES_MAX = 64 * 1024 * 1024;
/** What begins so is the node's own; all else belongs to a partition. */
const NODE_SPACE = 0xff;

/**
 * What `createNodeStorage` makes of the engine in the same folder, except that each key may be changed once only where the folder is
 * new: before the first change of a key the repository asks twice what is there, which is half of what it costs.
 */
export async function createRepoToFill(
  path: string,
  asked: 'auto' | DiskEngine,
  logger: Logger,
): Promise<LocalKvRepo> {
  const written = await prepareFolder(path);
  const engine = await chooseEngine({ asked, written, path, probes: ENGINE_PROBES, logger });
  const openEngine = async (folder: string) => {
    const opened = await ENGINE_OPENERS[engine](folder);
    return (await isNew(opened)) ? withoutKeys(opened) : opened;
  };
  return new EngineLocalKvRepo(new DataFolder({ path, engine, openEngine, clock: new SystemClock() }), {
    durability: 'wal',
    pendingBytesMax: PENDING_BYTES_MAX,
    cacheBytesMax: 0,
    logger,
  });
}

async function isNew(engine: StoreEngine): Promise<boolean> {
  const entries = engine.iterate(JOURNAL_RANGE)[Symbol.asyncIterator]();
  const first = await entries.next();
  await entries.return?.();
  return first.done === true;
}

function withoutKeys(engine: StoreEngine): StoreEngine {
  const nothing = Promise.resolve(undefined);
  return {
    name: engine.name,
    get: (key) => (key[0] === NODE_SPACE && key[1] === NODE_SPACE ? engine.get(key) : nothing),
    batch: (operations, options) => engine.batch(operations, options),
    iterate: (range) => engine.iterate(range),
    sizeBytes: () => engine.sizeBytes(),
    nextTurn: () => engine.nextTurn?.() ?? Promise.resolve(),
    close: () => engine.close(),
  };
}
