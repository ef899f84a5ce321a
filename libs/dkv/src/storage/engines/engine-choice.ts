/** Which engine a data folder gets, or has: never another one beside the data that is there. */
import { DkvError } from '../../dkv.errors.js';
import { type Logger } from '../../ports/logger.js';
import { type DiskEngine } from '../folder/store-identity.js';
import { ROCKSDB_NATIVE_REMEDY } from './rocksdb-native-store-engine.js';

/** The two ways to RocksDB. LevelDB (classic-level) has a build for every platform, or fails to load. */
type RocksdbEngine = Exclude<DiskEngine, 'classic-level'>;

/** Why an engine does not run here, or undefined when it does; may try it out below the data folder `path`. */
export type EngineProbe = (path: string) => Promise<string | undefined>;
export type EngineProbes = Readonly<Record<RocksdbEngine, EngineProbe>>;

export interface EngineQuestion {
  readonly asked: 'auto' | DiskEngine;
  /** The engine that wrote the folder, if one did. */
  readonly written: DiskEngine | undefined;
  readonly path: string;
  readonly probes: EngineProbes;
  /** Of the Node release that runs this. Replaced in tests. */
  readonly nodeMajor?: number;
  readonly logger: Pick<Logger, 'log' | 'warn'>;
}

/** From this release on the prebuilt rocksdb aborts its process: a probe of it leaves a crash in the system's log. */
const NODE_WITHOUT_ROCKSDB = 22;
const REMEDIES: Readonly<Record<RocksdbEngine, string>> = {
  rocksdb:
    'The prebuilt rocksdb runs on Node 20; on a newer Node build it from source ' +
    '(npm rebuild rocksdb --build-from-source)',
  'rocksdb-native': ROCKSDB_NATIVE_REMEDY,
};
/** Offline, with the node stopped, on a Node release where both engines run. */
function otherEngine(path: string, engine: string): string {
  return (
    'To change the engine, with the node stopped, on Node 20, where all engines run: ' +
    `\`npx -p nestjs-dkv dkv convert --data-dir ${path} --to ${engine} --out <new folder>\`, then set dataDir to that one. ` +
    'Or, where keys have three copies or more, start one node at a time with another dataDir: the others bring it up to date.'
  );
}

/**
 * @throws DkvError `DKV_ENGINE_UNAVAILABLE` when the engine asked for does not run here; `DKV_STORE_MISMATCH` when the
 *   folder was written by another engine, or, with `auto`, by one that does not run here.
 */
export async function chooseEngine(question: EngineQuestion): Promise<DiskEngine> {
  const { asked, written, path, probes } = question;
  if (written !== undefined && asked !== 'auto' && asked !== written) {
    throw new DkvError(
      'DKV_STORE_MISMATCH',
      `The data folder ${path} was written by ${written}; the option storage is '${asked}'. Set storage to ` +
        `'${written}' or 'auto'. ${otherEngine(path, asked)}`,
    );
  }
  const wanted = written ?? asked;
  if (wanted === 'auto') {
    return engineForNewFolder(question);
  }
  if (wanted === 'classic-level') {
    return wanted;
  }
  const obstacle = await probes[wanted](path);
  if (obstacle === undefined) {
    return wanted;
  }
  if (asked !== 'auto') {
    throw new DkvError(
      'DKV_ENGINE_UNAVAILABLE',
      `The option storage is '${wanted}', which does not run here: ${obstacle}. ${REMEDIES[wanted]}; or set storage to ` +
        `'classic-level' or 'auto'.${written ? ` ${otherEngine(path, 'classic-level')}` : ''}`,
    );
  }
  throw new DkvError(
    'DKV_STORE_MISMATCH',
    `The data folder ${path} was written by ${wanted}, which does not run here: ${obstacle}. ${REMEDIES[wanted]}. ` +
      otherEngine(path, 'classic-level'),
  );
}

/** The first that runs: of the two packages of RocksDB the one that is made for this Node release, the other, LevelDB. */
async function engineForNewFolder({
  path,
  probes,
  nodeMajor = Number(process.versions.node.split('.')[0]),
  logger,
}: EngineQuestion): Promise<DiskEngine> {
  const obstacles: string[] = [];
  const order =
    nodeMajor < NODE_WITHOUT_ROCKSDB
      ? (['rocksdb', 'rocksdb-native'] as const)
      : (['rocksdb-native', 'rocksdb'] as const);
  for (const engine of order) {
    const obstacle = await probes[engine](path);
    if (obstacle === undefined) {
      if (engine === 'rocksdb-native') {
        const why = obstacles.length > 0 ? `; not with ${obstacles.join('; ')}` : '';
        logger.log(
          `The data folder ${path} is made with rocksdb-native (RocksDB), which is installed and runs on Node ` +
            `${nodeMajor}${why}.`,
        );
      }
      return engine;
    }
    obstacles.push(`${engine}: ${obstacle}`);
  }
  logger.warn(
    `RocksDB does not run here (${obstacles.join('; ')}): the data folder ${path} is made with classic-level (LevelDB). ` +
      `Set storage to 'classic-level' if that is wanted. ${ROCKSDB_NATIVE_REMEDY}. ${REMEDIES.rocksdb}.`,
  );
  return 'classic-level';
}
