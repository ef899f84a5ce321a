/** A node that needs no other's vote, started with an older copy of its folder: others may vote by now (rule 12). */
import { describe, expect, it } from 'vitest';
import { groupsOf, memberOf } from '../../testing/simulation/group-facts.js';
import { type NodeCopy, type TestCluster } from '../../testing/simulation/sim-cluster.js';
import { putAll, startNodes, strongCluster, valuesOf } from '../../testing/simulation/strong-cluster.js';

/** Whether the node has as many members, and nothing moves any more, as it knows. */
function isSettled(cluster: TestCluster, nodeId: string, members: number): boolean {
  const { moving, target, lists, members: known } = cluster.node(nodeId).view.agreed;
  const isThere = target.every((list, place) => list.join() === lists[place]!.join());
  return known.length === members && moving.length === 0 && isThere;
}

async function until(cluster: TestCluster, isSo: () => boolean): Promise<void> {
  for (let look = 0; look < 400 && !isSo(); look++) {
    await cluster.advance(100);
  }
  expect(isSo()).toBe(true);
}

/** One node that grew to three, which hold everything, and its folder as it was when it knew of so many members. */
async function grown(members: number): Promise<[TestCluster, NodeCopy]> {
  const cluster = await strongCluster(1, { partitions: 4, replicas: 2 });
  await putAll(cluster, 'before ');
  await cluster.advance(1_000);
  cluster.add('b');
  cluster.add('c');
  startNodes(cluster, ['b', 'c']);
  const a = cluster.node('a');
  await until(cluster, () => a.view.agreed.members.length >= members);
  const copy = a.copy();
  await until(cluster, () => cluster.nodeIds.every((nodeId) => isSettled(cluster, nodeId, 3)));
  await putAll(cluster, 'after ');
  await cluster.advance(2_000);
  return [cluster, copy];
}

function leads(cluster: TestCluster, nodeId: string): boolean {
  const groups = groupsOf(cluster.node(nodeId));
  return [...(groups?.values() ?? [])].some(({ raft }) => raft.role === 'leader');
}

describe('a sole voter whose folder is an older copy', () => {
  it.each([1, 2])(
    'leads nothing where it knew of members: %i, and learns that it has forgotten',
    async (members) => {
      const [cluster, copy] = await grown(members);
      const a = cluster.node('a');
      const before = memberOf(a);
      cluster.kill('a');
      await cluster.advance(3_000);
      a.putBack(copy);
      startNodes(cluster, ['a']);
      for (let look = 0; look < 500; look++) {
        await cluster.advance(5);
        expect(leads(cluster, 'a') && memberOf(a) === before, `at ${cluster.scheduler.nowMs} ms`).toBe(false);
      }
      expect(memberOf(a)).not.toBe(before);
      await until(cluster, () => isSettled(cluster, 'a', 3));
      expect(await valuesOf(cluster)).toEqual(['after ']);
    },
  );

  it('leads after a while where nobody answers', async () => {
    const [cluster, copy] = await grown(2);
    cluster.nodeIds.forEach((nodeId) => cluster.kill(nodeId));
    cluster.node('a').putBack(copy);
    startNodes(cluster, ['a']);
    await cluster.advance(800);
    expect(leads(cluster, 'a')).toBe(false);
    await until(cluster, () => leads(cluster, 'a'));
  });
});
