/** The engines that have a folder: how each is opened, and how it is found out that one does not run here. */
import { type DiskEngine } from '../folder/store-identity.js';
import { openClassicLevelStoreEngine } from './classic-level-store-engine.js';
import { type EngineProbes } from './engine-choice.js';
import { openRocksdbNativeStoreEngine, rocksdbNativeObstacle } from './rocksdb-native-store-engine.js';
import { probeRocksdb } from './rocksdb-probe.js';
import { openRocksdbStoreEngine } from './rocksdb-store-engine.js';
import { type OpenStoreEngine } from './store-engine.js';

export const ENGINE_OPENERS: Readonly<Record<DiskEngine, OpenStoreEngine>> = {
  rocksdb: openRocksdbStoreEngine,
  'rocksdb-native': (folder) => openRocksdbNativeStoreEngine(folder),
  'classic-level': openClassicLevelStoreEngine,
};

export const ENGINE_PROBES: EngineProbes = {
  rocksdb: probeRocksdb,
  'rocksdb-native': async () => rocksdbNativeObstacle(),
};
