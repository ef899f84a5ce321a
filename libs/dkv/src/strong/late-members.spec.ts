/** Members that lack some entries get those, not a snapshot of all that there is: rule 21. */
import { expect, it } from 'vitest';
import { createTestCluster, type TestCluster } from '../../testing/simulation/sim-cluster.js';
import { groupsOf } from '../../testing/simulation/group-facts.js';

interface Inside {
  readonly node: { readonly snapshots: { readonly lastSlot: number } };
}

async function started(strongLimits = {}): Promise<TestCluster> {
  const cluster = createTestCluster(3, { mode: 'strong', partitions: 4, strongLimits });
  await cluster.start();
  await cluster.advance(3_000);
  return cluster;
}

async function put(cluster: TestCluster, at: string, count: number, value: string): Promise<void> {
  for (let number = 0; number < count; number++) {
    await cluster.put(at, `k${number}`, value);
  }
}

/** Pages that the node has asked for since it was started. */
function pagesAsked(cluster: TestCluster, nodeId: string): number {
  return (cluster.node(nodeId).strong as unknown as Inside).node.snapshots.lastSlot;
}

async function expectSame(cluster: TestCluster, value: string): Promise<void> {
  await cluster.advance(5_000);
  for (const nodeId of cluster.nodeIds) {
    expect(await cluster.get(nodeId, 'k0'), nodeId).toBe(value);
    expect(cluster.node(nodeId).processor.unreadyReason, nodeId).toBeUndefined();
  }
}

it('that were away while others wrote, for longer than between two looks at what is kept', async () => {
  const cluster = await started();
  cluster.kill('c');
  for (let round = 0; round < 5; round++) {
    await put(cluster, 'a', 20, `v${round}`);
    await cluster.advance(3_000);
  }
  void cluster.node('c').start();
  await expectSame(cluster, 'v4');
  expect(pagesAsked(cluster, 'c')).toBe(0);
});

it('that are behind what all others have in their stores when all start again', async () => {
  const cluster = await started();
  await put(cluster, 'a', 20, 'before');
  cluster.kill('c');
  await put(cluster, 'a', 20, 'after');
  await cluster.settle(cluster.node('a').storage.checkpoint());
  await cluster.settle(cluster.node('b').storage.checkpoint());
  cluster.kill('a');
  cluster.kill('b');
  void cluster.node('a').start();
  void cluster.node('b').start();
  // The others lead by then, and have looked at what is worth keeping.
  await cluster.advance(8_000);
  void cluster.node('c').start();
  await expectSame(cluster, 'after');
  expect(pagesAsked(cluster, 'c')).toBe(0);
});

it('get a snapshot where too much would have to be kept for them', async () => {
  const cluster = await started({ entryTailBytesMax: 20_000 });
  cluster.kill('c');
  await put(cluster, 'a', 20, 'v'.repeat(2_000));
  await cluster.advance(3_000);
  const kept = () =>
    ['a', 'b'].map((nodeId) =>
      [...groupsOf(cluster.node(nodeId))!.values()].reduce(
        (sum, { raft }) => sum + raft.entriesFrom(raft.firstIndex, raft.lastIndex).length,
        0,
      ),
    );
  expect(kept()).toEqual([0, 0]);
  // Of no use any more, so it is not begun to be kept again.
  await put(cluster, 'a', 4, 'v'.repeat(2_000));
  await cluster.advance(3_000);
  expect(kept()).toEqual([0, 0]);
  void cluster.node('c').start();
  await expectSame(cluster, 'v'.repeat(2_000));
  expect(pagesAsked(cluster, 'c')).toBeGreaterThan(0);
});
