/** While nodes recover from a loss of power (rule 13), they are killed and lose power again, and their disks fail. */
import { describe, expect, it } from 'vitest';
import {
  blackout,
  brokenRules,
  startNodes,
  strongCluster,
  wrongVoters,
} from '../../testing/simulation/strong-cluster.js';
import { SimRandom } from '../../testing/simulation/sim-random.js';
import { isDkvError } from '../dkv.errors.js';

const SIZES = [2, 3, 4];
const STORMS = 4;
const STRIKES = 14;
const KEYS = 6;

/**
 * Nothing that was told before may be told again, one history goes on in each generation, and in the end every node votes
 * in every group.
 */
async function storm(size: number, seed: number): Promise<void> {
  const random = new SimRandom(`storm ${size} ${seed}`);
  const anyOf = <T>(values: readonly T[]) => values[random.int(values.length)]!;
  const cluster = await strongCluster(size, {
    partitions: 3,
    seed,
    replicas: Math.min(size - 1, 2),
    durability: random.int(3) === 0 ? 'fsync' : 'wal',
    storage: { checkpointIntervalMs: anyOf([300, 3_000, 30_000]) },
  });
  const { nodeIds } = cluster;
  const versions = new Map<string, string>();
  const write = async (key: string, value: string) => {
    const up = nodeIds.filter((nodeId) => cluster.node(nodeId).serves);
    if (up.length > 0) {
      const { version } = await cluster.put(anyOf(up), key, value, { timeoutMs: 1_500 });
      expect(version > (versions.get(key) ?? '')).toBe(true);
      versions.set(key, version);
    }
  };
  const startAll = () => {
    // One that could not start while its disk failed is as good as stopped.
    const down = nodeIds.filter((nodeId) => !cluster.node(nodeId).serves);
    down.forEach((nodeId) => cluster.kill(nodeId));
    startNodes(cluster, down);
  };
  for (let key = 0; key < KEYS; key++) {
    await write(`k${key}`, 'before');
  }
  await cluster.advance(random.int(2) * 40_000);
  cluster.watch(() => expect(brokenRules(cluster)).toEqual([]));
  blackout(cluster, ...nodeIds.filter(() => random.int(4) > 0));
  startAll();
  for (let strike = 0; strike < STRIKES; strike++) {
    await cluster.advance(100 + random.int(anyOf([500, 1_500, 6_000])));
    const struck = nodeIds.filter(() => random.int(2) === 0).map((nodeId) => cluster.node(nodeId));
    switch (anyOf(['kill', 'power', 'power', 'power', 'slow disk', 'failing disk', 'good disks'])) {
      case 'kill':
        struck.forEach((node) => node.kill());
        break;
      case 'power':
        struck.forEach((node) => {
          node.kill();
          node.losePower();
        });
        break;
      case 'slow disk': {
        const ms = 50 + random.int(1_500);
        struck.forEach(({ disk }) => disk.setFaults({ writeDelay: { minMs: ms, meanMs: ms, maxMs: ms } }));
        break;
      }
      case 'failing disk':
        struck.forEach(({ folder }) => folder.setFaults({ writeErrorRate: 1, writeErrorCode: 'EMFILE' }));
        await cluster.advance(random.int(500));
        struck.forEach(({ folder }) => folder.heal());
        break;
      default:
        nodeIds.forEach((nodeId) => cluster.node(nodeId).disk.heal());
    }
    await cluster.advance(random.int(900));
    startAll();
    await write(`k${strike % KEYS}`, `during ${strike}`).catch((error: unknown) => {
      if (!isDkvError(error)) {
        throw error;
      }
    });
  }
  nodeIds.forEach((nodeId) => cluster.node(nodeId).disk.heal());
  startAll();
  await cluster.advance(90_000);
  expect(wrongVoters(cluster)).toEqual([]);
  for (let key = 0; key < KEYS; key++) {
    await write(`k${key}`, 'after');
    expect(await cluster.get('b', `k${key}`, { level: 'linearizable' })).toBe('after');
  }
}

describe.each(SIZES)('of %i nodes', (size) => {
  it.each(Array.from({ length: STORMS }, (_, seed) => seed + 1))(
    'in the end one history goes on, above all that was told (run %i)',
    (seed) => storm(size, seed),
    60_000,
  );
});
