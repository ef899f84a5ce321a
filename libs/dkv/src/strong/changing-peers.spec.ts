/** Nodes that come and go while groups are at work: nobody waits for who went, and who comes is served. */
import { Buffer } from 'node:buffer';
import { expect, it } from 'vitest';
import { testNode } from '../../testing/test-nodes.js';
import { type TestCluster } from '../../testing/simulation/sim-cluster.js';
import { groupAt, strongCluster } from '../../testing/simulation/strong-cluster.js';

/** Of one partition: on three of the nodes, the first leads it. */
async function onePartition(
  size: number,
): Promise<{ cluster: TestCluster; list: readonly string[]; more: readonly string[] }> {
  const cluster = await strongCluster(size, { partitions: 1 });
  const list = cluster.listOf('k');
  return { cluster, list, more: cluster.nodeIds.filter((nodeId) => !list.includes(nodeId)) };
}

/** The nodes go by members without that one, and talk to it no more. */
function takeOut(cluster: TestCluster, nodeIds: readonly string[], gone: string): void {
  for (const nodeId of nodeIds) {
    const { view } = cluster.node(nodeId);
    const members = view.agreed.members.filter((member) => member.nodeId !== gone);
    view.adopt({ ...view.agreed, epoch: view.epoch + 1, members });
    view.dismiss(gone);
  }
}

/** Begins a write, and does not wait for it. */
function write(cluster: TestCluster, nodeId: string, value: string) {
  const written = cluster
    .node(nodeId)
    .processor.addOrUpdate('default', 'k', new Uint8Array(Buffer.from(value)), {
      level: 'quorum',
      timeoutMs: 5_000,
      ttlMs: 0,
    });
  written.catch(() => undefined);
  return written;
}

it('what a node led that goes is led by the next of the list at once, and calls under way are asked there', async () => {
  const { cluster, list } = await onePartition(3);
  const [first, second, third] = list as [string, string, string];
  expect(cluster.node(second).strong.groups.leaderOf(0)).toBe(first);
  await cluster.put(second, 'k', 'before');
  cluster.partition([first], [second, third]);
  const written = write(cluster, third, 'during');
  takeOut(cluster, [second, third], first);
  // Long before anybody would have found out by its silence.
  await cluster.advance(500);
  expect(groupAt(cluster, third).raft.leader).toMatch(new RegExp(`^${second}@`));
  await cluster.settle(written);
  expect(await cluster.get(third, 'k', { level: 'linearizable' })).toBe('during');
});

it('of who went nothing is kept that it asked', async () => {
  const { cluster, list, more } = await onePartition(4);
  const [caller] = more as [string];
  const [leader] = list as [string];
  await cluster.put(caller, 'k', 'as a member');
  expect([...groupAt(cluster, leader).askers.keys()]).toContain(caller);
  takeOut(cluster, list, caller);
  await cluster.advance(1_000);
  expect([...groupAt(cluster, leader).askers.keys()]).not.toContain(caller);
});

it('a node that is no member itself goes on as if it were, for those that still talk to it', async () => {
  const { cluster, list } = await onePartition(3);
  const [first] = list as [string];
  for (const nodeId of list) {
    const { view } = cluster.node(nodeId);
    const members = view.agreed.members.filter((member) => member.nodeId !== first);
    view.adopt({ ...view.agreed, epoch: 2, members });
  }
  await cluster.advance(1_000);
  expect(groupAt(cluster, first).raft.role).toBe('leader');
  await cluster.put(first, 'k', 'on its way out');
  expect(await cluster.get(list[1]!, 'k', { level: 'linearizable' })).toBe('on its way out');
});

it('guests that come and go in the turn in which something is said to them are no trouble', async () => {
  const { cluster, list } = await onePartition(3);
  for (let round = 0; round < 20; round++) {
    for (const nodeId of list) {
      const { view } = cluster.node(nodeId);
      view.welcome(testNode(`x${round % 7}`));
      view.dismiss(`x${(round + 3) % 7}`);
    }
    await cluster.advance(70);
    await cluster.put(list[round % 3]!, 'k', `${round}`);
  }
  expect(await cluster.get(list[0]!, 'k', { level: 'linearizable' })).toBe('19');
});
