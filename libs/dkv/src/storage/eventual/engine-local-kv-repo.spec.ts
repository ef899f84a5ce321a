import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { testLocalKvRepo } from '../../../testing/local-kv-conformance.js';
import { CapturedLog } from '../../../testing/captured-log.js';
import { nodeRepo, type NodeRepoOptions } from '../../../testing/local-kv/node-repo.js';

/** What the suite runs on: every engine, with and without the cache, in both durabilities. */
const VARIANTS: readonly Pick<NodeRepoOptions, 'storage' | 'durability' | 'cacheBytesMax'>[] = [
  { storage: 'memory', durability: 'wal' },
  { storage: 'memory', durability: 'wal', cacheBytesMax: 20_000 },
  { storage: 'rocksdb', durability: 'wal' },
  { storage: 'rocksdb', durability: 'fsync', cacheBytesMax: 0 },
  { storage: 'classic-level', durability: 'wal', cacheBytesMax: 0 },
  { storage: 'classic-level', durability: 'fsync' },
];

describe.each(VARIANTS)('the repository on $storage, $durability, cache of $cacheBytesMax', (variant) => {
  testLocalKvRepo(it, {
    durable: variant.storage !== 'memory',
    storage: async () => {
      const dataDir = await mkdtemp(join(tmpdir(), 'dkv-repo-'));
      return {
        repo: () => nodeRepo({ ...variant, dataDir, logger: new CapturedLog() }),
        remove: () => rm(dataDir, { recursive: true }),
      };
    },
  });
});
