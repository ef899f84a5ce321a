/** Which engine a data folder gets, or has: never another one beside the data that is there. */
import { DkvError } from '../../dkv.errors.js';
import { type Logger } from '../../ports/logger.js';
import { type DiskEngine } from '../folder/store-identity.js';

export interface EngineQuestion {
  readonly asked: 'auto' | DiskEngine;
  /** The engine that wrote the folder, if one did. */
  readonly written: DiskEngine | undefined;
  readonly path: string;
  /** Why RocksDB does not run here, or undefined when it does. */
  readonly probeRocksdb: (path: string) => Promise<string | undefined>;
  readonly logger: Pick<Logger, 'warn'>;
}

const REMEDY =
  'The prebuilt rocksdb runs on Node 20; on a newer Node build it from source ' +
  '(npm rebuild rocksdb --build-from-source)';
const OTHER_ENGINE =
  'To change the engine where keys have three copies or more, start one node at a time with another dataDir: the others ' +
  'bring it up to date.';

/**
 * @throws DkvError `DKV_ENGINE_UNAVAILABLE` when the engine asked for does not run here; `DKV_STORE_MISMATCH` when the
 *   folder was written by another engine, or, with `auto`, by one that does not run here.
 */
export async function chooseEngine({
  asked,
  written,
  path,
  probeRocksdb,
  logger,
}: EngineQuestion): Promise<DiskEngine> {
  if (written !== undefined && asked !== 'auto' && asked !== written) {
    throw new DkvError(
      'DKV_STORE_MISMATCH',
      `The data folder ${path} was written by ${written}; the option storage is '${asked}'. Set storage to ` +
        `'${written}' or 'auto'. ${OTHER_ENGINE}`,
    );
  }
  const wanted = written ?? (asked === 'auto' ? 'rocksdb' : asked);
  // The binding of classic-level is made for the stable Node-API; where it has no build, loading it throws.
  const obstacle = wanted === 'rocksdb' ? await probeRocksdb(path) : undefined;
  if (obstacle === undefined) {
    return wanted;
  }
  if (asked !== 'auto') {
    throw new DkvError(
      'DKV_ENGINE_UNAVAILABLE',
      `The option storage is 'rocksdb', which does not run here: ${obstacle}. ${REMEDY}; or set storage to ` +
        `'classic-level' or 'auto'.${written ? ` ${OTHER_ENGINE}` : ''}`,
    );
  }
  if (written !== undefined) {
    throw new DkvError(
      'DKV_STORE_MISMATCH',
      `The data folder ${path} was written by rocksdb, which does not run here: ${obstacle}. ${REMEDY}. ` +
        OTHER_ENGINE,
    );
  }
  logger.warn(
    `RocksDB does not run here (${obstacle}): the data folder ${path} is made with classic-level (LevelDB). ` +
      `Set storage to 'classic-level' if that is wanted. ${REMEDY}.`,
  );
  return 'classic-level';
}
