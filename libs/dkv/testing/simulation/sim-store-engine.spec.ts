import { describe, expect, it } from 'vitest';
import { bucketOf } from '../../src/storage/eventual/disk-keys.js';
import { EngineLocalKvRepo } from '../../src/storage/eventual/engine-local-kv-repo.js';
import { digestOf } from '../../src/storage/eventual/record-digest.js';
import { stampRecord, type KvRecord, type RecordHeader } from '../../src/model/record.js';
import { formatVersion } from '../../src/model/version.js';
import { TREE_BUCKETS } from '../../src/ports/local-kv-repo.js';
import { checkTree, readReplica, VersionWatch } from './checkers/replicas.js';
import { Incarnation } from './incarnation.js';
import { SimDisk } from './sim-disk.js';
import { SimRandom } from './sim-random.js';
import { SimScheduler } from './sim-scheduler.js';
import { simHome } from './sim-store-engine.js';
import { SimTrace } from './trace.js';

const IDENTITY = { nodeId: 'n1', partitions: 4, hashFunc: 'md5' };
const logger = { log: () => undefined, warn: () => undefined, error: () => undefined };

function record(key: string, at: number): KvRecord {
  const version = formatVersion({ physicalMs: at, counter: 0, nodeId: 'n1', boot: 1 });
  const tombstone = at % 5 === 0;
  const value = Buffer.from(tombstone ? '' : `${at}`);
  return stampRecord({ namespace: 'n', key, version, tombstone, expiresAtMs: 0, value });
}

/** The tree that the records give, made without the repository's. */
function recompute(headers: readonly RecordHeader[]): string[] {
  const words = Array.from({ length: TREE_BUCKETS }, () => [0, 0] as [number, number]);
  for (const header of headers) {
    const word = words[bucketOf(header)]!;
    const { high, low } = digestOf(header);
    word[0] = (word[0] ^ high) >>> 0;
    word[1] = (word[1] ^ low) >>> 0;
  }
  return words.map((pair) => pair.map((word) => word.toString(16).padStart(8, '0')).join(''));
}

interface CrashCase {
  readonly durability: 'wal' | 'fsync';
  readonly power: boolean;
}

/** A node that writes, crashes and comes back, five times. What went wrong, and the digest of its trace. */
async function crashes(
  seed: number,
  { durability, power }: CrashCase,
): Promise<{ wrong: string[]; digest: string }> {
  const scheduler = new SimScheduler();
  const trace = new SimTrace();
  const random = new SimRandom(seed);
  const disk = new SimDisk({ scheduler, trace, random: random.fork('disk'), name: 'n1' });
  const acknowledged = new Map<string, string>();
  const watch = new VersionWatch();
  const wrong: string[] = [];
  let process = new Incarnation('n1', 1);
  let at = 0;
  for (let run = 0; run < 5; run++) {
    disk.setFaults({ writeErrorRate: 0.01, syncErrorRate: 0.01 });
    const options = { durability, pendingBytesMax: 1_000_000, cacheBytesMax: 2_000, logger };
    const repo = new EngineLocalKvRepo(simHome(disk, process), options);
    await scheduler.settle(repo.open(IDENTITY));
    const replica = await scheduler.settle(readReplica('n1', repo, 1));
    wrong.push(...checkTree(replica, repo.getTree(1), recompute).map(({ message }) => message));
    replica.records.forEach((held) => watch.observe('n1', held));
    const held = new Map(replica.records.map(({ key, version }) => [key, version]));
    for (const [key, version] of acknowledged) {
      if ((held.get(key) ?? '') < version) {
        wrong.push(`run ${run} lost ${key} at ${version}`);
      }
    }
    const client = async (): Promise<void> => {
      while (repo.failure === undefined) {
        const next = record(`k${random.int(12)}`, ++at);
        const id = { partition: 1, namespace: 'n', key: next.key };
        const stored = await repo
          .update(id, (current) =>
            current !== undefined && current.version > next.version ? undefined : next,
          )
          .catch(() => undefined);
        if (stored !== undefined) {
          acknowledged.set(stored.key, stored.version);
        }
      }
    };
    for (let clients = 0; clients < 4; clients++) {
      void client();
    }
    await scheduler.runFor(random.between(0, 20));
    process.kill();
    process = process.next();
    if (power) {
      disk.losePower();
    }
  }
  expect(acknowledged.size).toBeGreaterThan(0);
  wrong.push(...watch.findings.map(({ message }) => message));
  return { wrong, digest: trace.digest };
}

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];

describe('the real repository on a simulated disk', { timeout: 60_000 }, () => {
  it.each<CrashCase>([
    { durability: 'wal', power: false },
    { durability: 'fsync', power: false },
    { durability: 'fsync', power: true },
  ])('keeps what it acknowledged, and its trees fit: %j', async (crashCase) => {
    for (const seed of SEEDS) {
      const { wrong } = await crashes(seed, crashCase);
      expect(wrong, `seed ${seed}`).toEqual([]);
    }
  });

  it('loses acknowledged writes with durability wal when the power goes: the disk tells them apart', async () => {
    const results = await Promise.all(SEEDS.map((seed) => crashes(seed, { durability: 'wal', power: true })));
    expect(results.flatMap(({ wrong }) => wrong).some((message) => message.includes('lost'))).toBe(true);
    // Batches are whole: even then the trees fit.
    expect(results.flatMap(({ wrong }) => wrong).filter((message) => message.includes('tree'))).toEqual([]);
  });

  it('is the same in two runs of a seed', async () => {
    const fsync: CrashCase = { durability: 'fsync', power: true };
    const { digest } = await crashes(1, fsync);
    expect((await crashes(1, fsync)).digest).toBe(digest);
    expect((await crashes(2, fsync)).digest).not.toBe(digest);
  });
});
