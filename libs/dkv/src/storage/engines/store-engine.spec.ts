import { describe, it } from 'vitest';
import { type StoreEngineSubject, testStoreEngine } from '../../../testing/store-engine-conformance.js';
import { openClassicLevelStoreEngine } from './classic-level-store-engine.js';
import { MemoryStoreEngine } from './memory-store-engine.js';
import { openRocksdbStoreEngine } from './rocksdb-store-engine.js';

const SUBJECTS: readonly StoreEngineSubject[] = [
  { name: 'rocksdb', durable: true, open: openRocksdbStoreEngine },
  { name: 'classic-level', durable: true, open: openClassicLevelStoreEngine },
  { name: 'memory', durable: false, open: async () => new MemoryStoreEngine() },
];

describe.each(SUBJECTS)('the engine $name', (subject) => testStoreEngine(it, subject));
