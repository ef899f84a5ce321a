/** Where copies are: on the disks of the key's nodes, all of them, and on no other. */
import { Hashring, md5HashFunc } from 'nestjs-dkv';
import { describe, expect, it } from 'vitest';
import { createNodeStorage } from '../../libs/dkv/src/storage/create-node-storage.js';
import { SystemClock } from '../../libs/dkv/src/system/system-clock.js';
import { useCluster } from './demo-cluster.js';
import { type DemoNode } from './demo-node.js';
import { fewAtOnce } from './few-at-once.js';

const REPLICAS = 2;
const PARTITIONS = 64;
const SILENT = { log() {}, warn() {}, error() {} };

describe('five nodes with two replicas', { timeout: 300_000 }, () => {
  const cluster = useCluster(5, { env: { DKV_REPLICAS: String(REPLICAS), DKV_MODE: 'eventual' } });

  it('holds each key on its holder and its replicas, byte for byte the same, and nowhere else', async () => {
    const { nodes } = cluster();
    const keys = Array.from({ length: 200 }, (_, n) => `placed ${n}`);
    const writes = await fewAtOnce(keys, (key, n) => nodes[n % 5]!.http.put(key, { n }, '?consistency=all'));
    expect(writes.filter(({ status }) => status !== 200).map(({ text }) => text)).toEqual([]);
    const removed = keys.slice(0, 20);
    await fewAtOnce(removed, (key, n) => nodes[n % 5]!.http.remove(key));
    // Any node answers for any key, also one that holds no copy of it.
    for (const node of nodes) {
      const reads = await fewAtOnce(keys.slice(20, 60), (key) => node.http.get(key));
      expect(reads.map(({ body }) => body.value)).toEqual(keys.slice(20, 60).map((_, n) => ({ n: n + 20 })));
    }
    await cluster().stopAll();

    const ring = Hashring.of(
      nodes.map(({ id }) => ({ nodeId: id, weight: 1, zone: '' })),
      { partitions: PARTITIONS, replicas: REPLICAS, hashFunc: md5HashFunc },
    );
    const held = new Map(
      await Promise.all(nodes.map(async (node) => [node.id, await recordsOf(node)] as const)),
    );
    for (const [n, key] of keys.entries()) {
      const holders = nodes.filter(({ id }) => held.get(id)!.has(key)).map(({ id }) => id);
      expect(holders).toEqual([...ring.preferenceList(ring.partitionOf(key))].sort());
      const copies = new Set(holders.map((id) => held.get(id)!.get(key)));
      if (n >= removed.length) {
        expect([...copies]).toEqual([`${writes[n]!.body.version} written`]);
      }
    }
    expect([...held.values()].reduce((sum, records) => sum + records.size, 0)).toBe(
      keys.length * (REPLICAS + 1),
    );
  });
});

/** What a stopped node has on its disk: version and kind by key. */
async function recordsOf({ id, dataDir }: DemoNode): Promise<ReadonlyMap<string, string>> {
  const identity = { nodeId: id, partitions: PARTITIONS, copies: REPLICAS + 1, hashFunc: md5HashFunc.name };
  const storage = await createNodeStorage(identity, {
    storage: 'auto',
    dataDir,
    durability: 'wal',
    cacheBytesMax: 0,
    logRetentionBytesMax: 256 * 1024 * 1024,
    logger: SILENT,
    clock: new SystemClock(),
  });
  const records = new Map<string, string>();
  for await (const { key, version, tombstone } of storage.local.getAllNoValue()) {
    records.set(key, `${version} ${tombstone ? 'deleted' : 'written'}`);
  }
  await storage.close();
  return records;
}
