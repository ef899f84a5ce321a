/** A partition that waits for a snapshot from nobody must not keep the log of the others: rule 21. */
import { expect, it } from 'vitest';
import { createTestCluster } from '../../testing/simulation/sim-cluster.js';
import { groupsOf } from '../../testing/simulation/group-facts.js';

const KIB = 1024;

interface Inside {
  readonly node: { readonly snapshots: { readonly fetching: Map<number, Promise<void>> } };
}

it('the log stays short while a partition has no leader to fetch a snapshot from', async () => {
  const cluster = createTestCluster(5, {
    mode: 'strong',
    partitions: 64,
    storage: {
      dirtyBytesMax: 256 * KIB,
      logBytesMax: 128 * KIB,
      segmentBytesMax: 16 * KIB,
      checkpointIntervalMs: 1_000,
    },
    strongLimits: { entryTailBytesMax: 1_000 },
  });
  await cluster.start();
  await cluster.advance(2_000);
  // One partition of a with two others, one of a without those.
  const peersOf = (key: string) => cluster.listOf(key).filter((nodeId) => nodeId !== 'a');
  const others = ['b', 'c'];
  const waiting = cluster.keyWhere((list) => ['a', ...others].every((nodeId) => list.includes(nodeId)));
  const busy = cluster.keyWhere(
    (list) => list.includes('a') && !others.some((nodeId) => list.includes(nodeId)),
  );
  const { storage, strong } = cluster.node('a');
  const number = cluster.ring.partitionOf(waiting);
  const group = groupsOf(cluster.node('a'))!.get(number)!;
  // As while many others are fetched: it waits, and its log goes on. Then its peers are lost.
  const { fetching } = (strong as unknown as Inside).node.snapshots;
  fetching.set(number, Promise.resolve());
  group.beginFetching();
  for (let count = 0; count < 5; count++) {
    await cluster.put('b', waiting, `${count}`);
  }
  await cluster.advance(200);
  fetching.delete(number);
  others.forEach((nodeId) => cluster.kill(nodeId));
  let most = 0;
  for (let round = 0; round < 5; round++) {
    for (let count = 0; count < 40; count++) {
      await cluster.put(peersOf(busy)[0]!, busy, 'y'.repeat(2_000));
    }
    await cluster.advance(5_000);
    most = Math.max(most, storage.log.bytes);
  }
  expect(group.isFetching).toBe(true);
  expect(most).toBeLessThan(256 * KIB);
});
