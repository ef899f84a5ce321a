/** A process that writes, killed (-9) again and again: what it was told is durable is there, and fits together. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RecordHeader } from '../../src/model/record.js';
import { keysIn } from '../../src/model/usage.js';
import { physicalMsOf } from '../../src/model/version.js';
import { type LocalKvRepo } from '../../src/ports/local-kv-repo.js';
import { bucketOf } from '../../src/storage/eventual/disk-keys.js';
import { HashTree, TreeChanges } from '../../src/storage/eventual/hash-tree.js';
import { digestOf } from '../../src/storage/eventual/record-digest.js';
import { CapturedLog } from '../captured-log.js';
import { ChildRepo } from './child-repo.js';
import { nodeRepo, type NodeRepoOptions } from './node-repo.js';

const IDENTITY = { nodeId: 'n1', partitions: 3, hashFunc: 'md5' };
/** How many lines the child has said when it is killed: among its first batches, and well under way. */
const RUNS = [5, 2_500, 700];

export type CrashVariant = Pick<NodeRepoOptions, 'storage' | 'durability'>;

/** Rejects where something that was acknowledged is missing, or where trees and counters do not fit what is there. */
export async function assertSurvivesKills(variant: CrashVariant): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'dkv-crash-'));
  try {
    const acknowledged = new Map<string, string>();
    let first = 1;
    for (const lines of RUNS) {
      const child = new ChildRepo({ ...variant, dataDir, identity: IDENTITY, first });
      await child.said(lines);
      await child.kill();
      assert.equal(child.lines[0], `open ${variant.storage}`);
      assert.ok(child.lines.length >= lines);
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
    assert.ok(acknowledged.size > 300);
  } finally {
    await rm(dataDir, { recursive: true });
  }
}

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
  assert.deepEqual(
    [...acknowledged].filter(([id, version]) => (held.get(id) ?? '') < version),
    [],
  );
}

function assertTreesAndCounts(repo: LocalKvRepo, headers: RecordHeader[][]): void {
  const changes = new TreeChanges();
  headers.forEach((some, partition) =>
    some.forEach((header) => changes.toggle(partition, bucketOf(header), digestOf(header))),
  );
  const recomputed = new HashTree();
  recomputed.apply(changes);
  headers.forEach((_, partition) => assert.deepEqual(repo.getTree(partition), recomputed.digests(partition)));

  const tombstones = headers.flat().filter(({ tombstone }) => tombstone).length;
  const counted = repo.metrics();
  assert.deepEqual(
    [keysIn(counted.usage), counted.tombstones],
    [headers.flat().length - tombstones, tombstones],
  );
}

/** All hints acknowledged are there, and their bytes are right: nothing is left when all are removed. */
async function assertHints(repo: LocalKvRepo, lines: readonly string[]): Promise<void> {
  const hints = await repo.getHints('other', Infinity);
  const held = new Set(hints.map(({ partition, key }) => `hint ${partition} ${key}`));
  assert.deepEqual(
    lines.filter((line) => line.startsWith('hint') && !held.has(line)),
    [],
  );
  await Promise.all(hints.map((hint) => repo.removeHint(hint)));
  assert.equal(repo.hintBytes, 0);
}
