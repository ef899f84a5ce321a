import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CapturedLog } from '../../../testing/captured-log.js';
import { ChildRepo } from '../../../testing/local-kv/child-repo.js';
import { nodeRepo, type NodeRepoOptions } from '../../../testing/local-kv/node-repo.js';
import { type RecordHeader } from '../../model/record.js';
import { physicalMsOf } from '../../model/version.js';
import { type LocalKvRepo } from '../../ports/local-kv-repo.js';
import { bucketOf } from './disk-keys.js';
import { HashTree, TreeChanges } from './hash-tree.js';
import { digestOf } from './record-digest.js';

const IDENTITY = { nodeId: 'n1', partitions: 3, hashFunc: 'md5' };
/** How many lines the child has said when it is killed: among its first batches, and well under way. */
const RUNS = [5, 2_500, 700];

const VARIANTS: readonly Pick<NodeRepoOptions, 'storage' | 'durability'>[] = [
  { storage: 'rocksdb', durability: 'wal' },
  { storage: 'classic-level', durability: 'fsync' },
];

describe.each(VARIANTS)('after kill -9 in the middle of writes, $storage with $durability', (variant) => {
  let dataDir: string;
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'dkv-crash-'));
  });
  afterEach(() => rm(dataDir, { recursive: true }));

  it('all that was acknowledged is there, trees and counters fit it', { timeout: 120_000 }, async () => {
    const acknowledged = new Map<string, string>();
    let first = 1;
    for (const lines of RUNS) {
      const child = new ChildRepo({ ...variant, dataDir, identity: IDENTITY, first });
      await child.said(lines);
      await child.kill();
      expect(child.lines[0]).toBe(`open ${variant.storage}`);
      expect(child.lines.length).toBeGreaterThanOrEqual(lines);
      noteVersions(child.lines, acknowledged);

      const repo = nodeRepo({ ...variant, dataDir, logger: new CapturedLog() });
      await repo.open(IDENTITY);
      const headers = await headersOf(repo);
      assertHeld(headers, acknowledged);
      assertTreesAndCounts(repo, headers);
      await assertHints(repo, child.lines);
      first = 1 + Math.max(...headers.flat().map(({ version }) => physicalMsOf(version)));
      await repo.close();
    }
    expect(acknowledged.size).toBeGreaterThan(300);
  });
});

/** The headers of each partition. */
async function headersOf(repo: LocalKvRepo): Promise<RecordHeader[][]> {
  const partitions: RecordHeader[][] = [];
  for (let partition = 0; partition < IDENTITY.partitions; partition++) {
    partitions.push([]);
    for await (const header of repo.getAllNoValue({ partition })) {
      partitions[partition]!.push(header);
    }
  }
  return partitions;
}

/** Takes the newest version acknowledged of each key over from what a child said. */
function noteVersions(lines: readonly string[], acknowledged: Map<string, string>): void {
  for (const line of lines) {
    const [what, partition, key, version] = line.split(' ');
    const id = `${partition} ${key}`;
    if (what === 'ack' && version! > (acknowledged.get(id) ?? '')) {
      acknowledged.set(id, version!);
    }
  }
}

function assertHeld(headers: RecordHeader[][], acknowledged: ReadonlyMap<string, string>): void {
  const held = new Map(
    headers.flatMap((some, partition) => some.map((one) => [`${partition} ${one.key}`, one.version])),
  );
  expect([...acknowledged].filter(([id, version]) => (held.get(id) ?? '') < version)).toEqual([]);
}

function assertTreesAndCounts(repo: LocalKvRepo, headers: RecordHeader[][]): void {
  const changes = new TreeChanges();
  headers.forEach((some, partition) =>
    some.forEach((header) => changes.toggle(partition, bucketOf(header), digestOf(header))),
  );
  const recomputed = new HashTree();
  recomputed.apply(changes);
  headers.forEach((_, partition) => expect(repo.getTree(partition)).toEqual(recomputed.digests(partition)));

  const tombstones = headers.flat().filter(({ tombstone }) => tombstone).length;
  expect(repo.metrics()).toMatchObject({ keys: headers.flat().length - tombstones, tombstones });
}

/** All hints acknowledged are there, and their bytes are right: nothing is left when all are removed. */
async function assertHints(repo: LocalKvRepo, lines: readonly string[]): Promise<void> {
  const hints = await repo.getHints('other', Infinity);
  const held = new Set(hints.map(({ partition, key }) => `hint ${partition} ${key}`));
  expect(lines.filter((line) => line.startsWith('hint') && !held.has(line))).toEqual([]);
  await Promise.all(hints.map((hint) => repo.removeHint(hint)));
  expect(repo.hintBytes).toBe(0);
}
