import { storeEngineConformance } from '../../../testing/store-engine-conformance.js';
import { openClassicLevelStoreEngine } from './classic-level-store-engine.js';
import { MemoryStoreEngine } from './memory-store-engine.js';
import { openRocksdbStoreEngine } from './rocksdb-store-engine.js';

storeEngineConformance('the engine rocksdb', 'rocksdb', true, openRocksdbStoreEngine);
storeEngineConformance('the engine classic-level', 'classic-level', true, openClassicLevelStoreEngine);
storeEngineConformance('the engine memory', 'memory', false, async () => new MemoryStoreEngine());
