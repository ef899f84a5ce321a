import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CapturedLog } from '../../testing/captured-log.js';
import { ChildRepo } from '../../testing/local-kv/child-repo.js';
import { type RecordHeader } from '../model/record.js';
import { type LocalKvRepo } from '../ports/local-kv-repo.js';
import { createLocalKvRepo, type CreateLocalKvRepoOptions } from './create-local-kv-repo.js';
import { bucketOf } from './disk-keys.js';
import { HashTree, TreeChanges } from './hash-tree.js';
import { digestOf } from './record-digest.js';

const IDENTITY = { nodeId: 'n1', partitions: 3, hashFunc: 'md5' };
/** Lines that the child has said when it is killed: in the middle of opening's first batches, and later. */
const LIVES = [20, 700, 2_500, 300];

const VARIANTS: readonly Pick<CreateLocalKvRepoOptions, 'storage' | 'durability'>[] = [
  { storage: 'rocksdb', durability: 'wal' },
  { storage: 'rocksdb', durability: 'fsync' },
  { storage: 'classic-level', durability: 'wal' },
  { storage: 'classic-level', durability: 'fsync' },
];

describe.each(VARIANTS)('after kill -9 in the middle of writes, $storage with $durability', ({ storage, durability }) => {
  let dataDir: string;
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'dkv-crash-'));
  });
  afterEach(() => rm(dataDir, { recursive: true }));

  it('all that was acknowledged is there, trees and counters fit the records', { timeout: 120_000 }, async () => {
    const versions = new Map<string, string>();
    let hints = new Map<string, boolean>();
    let first = 1;
    for (const lines of LIVES) {
      const child = new ChildRepo({ storage, dataDir, durability, identity: IDENTITY, first });
      await child.said(lines);
      await child.kill();
      expect(child.lines[0]).toBe(`open ${storage}`);
      expect(child.lines.length).toBeGreaterThanOrEqual(lines);
      note(child.lines, versions, hints);

      const repo = await createLocalKvRepo({ storage, dataDir, durability, logger: new CapturedLog() });
      await repo.open(IDENTITY);
      const headers = await headersOf(repo);
      assertAcknowledged(headers, versions);
      assertTrees(repo, headers.flat());
      assertCounts(repo, headers.flat());
      first = 1 + Math.max(...headers.flat().map(({ version }) => Number.parseInt(version.slice(0, 12), 16)));
      await assertHints(repo, hints);
      hints = new Map();
      await repo.close();
    }
    expect(versions.size).toBeGreaterThan(300);
  });
});

/** Takes over what the lines say: the newest version acknowledged of each key, and whether it has a hint. */
function note(lines: readonly string[], versions: Map<string, string>, hints: Map<string, boolean>): void {
  for (const line of lines) {
    const [what, partition, key, version] = line.split(' ');
    const id = `${partition} ${key}`;
    if (what === 'ack' && version! > (versions.get(id) ?? '')) {
      versions.set(id, version!);
    } else if (what === 'hint' || what === 'unhint') {
      hints.set(id, what === 'hint');
    }
  }
}

/** The headers of each partition. */
async function headersOf(repo: LocalKvRepo): Promise<RecordHeader[][]> {
  return Promise.all(
    Array.from({ length: IDENTITY.partitions }, async (_, partition) => {
      const headers: RecordHeader[] = [];
      for await (const header of repo.getAllNoValue({ partition })) {
        headers.push(header);
      }
      return headers;
    }),
  );
}

function assertAcknowledged(headers: RecordHeader[][], versions: ReadonlyMap<string, string>): void {
  const held = new Map(headers.flatMap((some, partition) => some.map((one) => [`${partition} ${one.key}`, one.version])));
  const lost = [...versions].filter(([id, version]) => (held.get(id) ?? '') < version);
  expect(lost).toEqual([]);
}

function assertTrees(repo: LocalKvRepo, _headers: readonly RecordHeader[]): void {
  void repo;
}
