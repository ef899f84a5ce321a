/** Six nodes in three zones: one zone is lost with its machines, under writes, and comes back with empty disks or does not. */
import { describe, expect, it } from 'vitest';
import { TestCluster } from '../../testing/simulation/sim-cluster.js';
import { startNodes, wrongVoters } from '../../testing/simulation/strong-cluster.js';
import { isDkvError } from '../dkv.errors.js';

const ZONES = { a: 'east', b: 'east', c: 'north', d: 'north', e: 'west', f: 'west' } as const;
const PARTITIONS = 16;
const KEYS = 48;
const READ = { level: 'linearizable' } as const;

async function zoned(): Promise<TestCluster> {
  const nodes = Object.entries(ZONES).map(([nodeId, zone]) => ({
    nodeId,
    host: nodeId,
    port: 7000,
    weight: 1,
    zone,
  }));
  const cluster = new TestCluster(nodes, { mode: 'strong', partitions: PARTITIONS, replicas: 2 });
  await cluster.start();
  await cluster.advance(2_000);
  return cluster;
}

/** Writes each key through a node that is there; gives how many calls failed. */
async function putAll(cluster: TestCluster, value: string, by: readonly string[]): Promise<number> {
  let failed = 0;
  for (let key = 0; key < KEYS; key++) {
    try {
      await cluster.put(by[key % by.length]!, `k${key}`, `${value} ${key}`);
    } catch (error) {
      if (!isDkvError(error)) {
        throw error;
      }
      failed++;
    }
  }
  return failed;
}

async function expectAll(cluster: TestCluster, value: string, by: string): Promise<void> {
  for (let key = 0; key < KEYS; key++) {
    expect(await cluster.get(by, `k${key}`, READ)).toBe(`${value} ${key}`);
  }
}

describe('a cluster in three zones', () => {
  it('has a copy of each partition in each', async () => {
    const { view } = (await zoned()).node('a');
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const zones = view.listOf(partition).map((nodeId) => ZONES[nodeId as keyof typeof ZONES]);
      expect([...zones].sort()).toEqual(['east', 'north', 'west']);
    }
  });

  it('loses one without losing a write or refusing one, and has all its copies again when it is back', async () => {
    const cluster = await zoned();
    expect(await putAll(cluster, 'before', Object.keys(ZONES))).toBe(0);
    cluster.kill('c');
    cluster.kill('d');
    const rest = ['a', 'b', 'e', 'f'];
    expect(await putAll(cluster, 'without', rest)).toBe(0);
    await expectAll(cluster, 'without', 'f');
    for (const nodeId of rest) {
      expect(cluster.node(nodeId).processor.quorums.groupsWithoutQuorum).toBe(0);
    }
    ['c', 'd'].forEach((nodeId) => cluster.node(nodeId).loseDisk());
    startNodes(cluster, ['c', 'd']);
    await cluster.advance(20_000);
    expect(wrongVoters(cluster)).toEqual([]);
    await expectAll(cluster, 'without', 'c');
  });
});
