/** Members that come and go under a cluster that has data: nothing is lost, and everything is where it should be afterwards. */
import { describe, expect, it } from 'vitest';
import { groupsOf, memberOf } from '../../../testing/simulation/group-facts.js';
import { type TestCluster } from '../../../testing/simulation/sim-cluster.js';
import { putAll, strongCluster, valuesOf } from '../../../testing/simulation/strong-cluster.js';
import { type MembershipChange } from '../../model/membership.js';
import { type ReplicatedStrongMode } from '../strong-mode.js';

/** Started, and given the time to be taken in and to be given its share. */
async function join(cluster: TestCluster, ...nodeIds: readonly string[]): Promise<void> {
  for (const nodeId of nodeIds) {
    cluster.add(nodeId);
    void cluster.node(nodeId).start();
  }
  await settled(cluster);
}

/** Nothing moves any more, as every node has it. */
async function settled(cluster: TestCluster): Promise<void> {
  for (let look = 0; look < 100; look++) {
    await cluster.advance(500);
    if (wrongPlaces(cluster).length === 0) {
      return;
    }
  }
}

/** What is not where the configuration has it, for people; empty where all is. */
function wrongPlaces(cluster: TestCluster): string[] {
  const alive = cluster.nodeIds.filter((nodeId) => cluster.node(nodeId).alive);
  const newest = alive
    .map((nodeId) => cluster.node(nodeId).view.agreed)
    .reduce((one, other) => (other.epoch > one.epoch ? other : one));
  const wrong = newest.moving.map(({ place }) => `place ${place} moves`);
  newest.target.forEach((list, place) => {
    if (list !== newest.lists[place]) {
      wrong.push(`place ${place} is on ${newest.lists[place]!.join()}, and is to be on ${list.join()}`);
    }
  });
  for (const nodeId of alive) {
    const { view } = cluster.node(nodeId);
    if (view.epoch !== newest.epoch) {
      wrong.push(`${nodeId} knows epoch ${view.epoch}, not ${newest.epoch}`);
    }
    for (const { number, raft } of groupsOf(cluster.node(nodeId))!.values()) {
      const expected = view.listOf(number).map((id) => memberOf(cluster.node(id)));
      const { voters, outgoing, learners } = raft.configuration;
      if ([...voters].sort().join() !== expected.sort().join() || outgoing.length + learners.length > 0) {
        wrong.push(`${nodeId} has ${number} with ${voters.join()} (${outgoing.join()}, ${learners.join()})`);
      }
    }
    const held = groupsOf(cluster.node(nodeId))!.size;
    const listed = newest.lists.filter((list) => list.includes(nodeId)).length;
    if (held !== listed) {
      wrong.push(`${nodeId} has ${held} groups, and is on ${listed} lists`);
    }
  }
  return wrong;
}

function change(
  cluster: TestCluster,
  nodeId: string,
  ...changes: readonly MembershipChange[]
): Promise<number> {
  const { membership } = cluster.node(nodeId).strong as ReplicatedStrongMode;
  return cluster.settle(membership.change(changes, 5_000));
}

describe('a node that starts beside a cluster', () => {
  it('is taken in, and gets its share of what there is', async () => {
    const cluster = await strongCluster(3, { partitions: 8 });
    await putAll(cluster, 'v');
    await join(cluster, 'd');
    expect(wrongPlaces(cluster)).toEqual([]);
    expect(cluster.node('a').view.isMember('d')).toBe(true);
    expect(groupsOf(cluster.node('d'))!.size).toBeGreaterThan(4);
    expect(cluster.node('d').processor.unreadyReason).toBeUndefined();
    expect(await valuesOf(cluster)).toEqual(['v']);
    await putAll(cluster, 'w');
    expect(await valuesOf(cluster)).toEqual(['w']);
  });
});

describe('a member that leaves', () => {
  it('gives away all that it has, and is a member no more', async () => {
    const cluster = await strongCluster(4, { partitions: 8 });
    await putAll(cluster, 'v');
    await change(cluster, 'b', { kind: 'leave', nodeId: 'a' });
    await settled(cluster);
    expect(wrongPlaces(cluster)).toEqual([]);
    expect(cluster.node('b').view.isMember('a')).toBe(false);
    expect(groupsOf(cluster.node('a'))!.size).toBe(0);
    expect(await valuesOf(cluster)).toEqual(['v']);
    expect(cluster.node('a').processor.unreadyReason).toMatch(/has left the cluster/);
  });
});
