/** A group in which nothing is written: its leader sends nothing of its own, and its followers know it by its list. */
import { expect, it } from 'vitest';
import { groupsOf } from '../../testing/simulation/group-facts.js';
import { createTestCluster } from '../../testing/simulation/sim-cluster.js';

it('is followed again by a member that lost its leader for a moment, though the list is the same as before', async () => {
  const cluster = createTestCluster(2, { mode: 'strong', replicas: 1, partitions: 1 });
  await cluster.start();
  await cluster.advance(3_000);
  const rafts = cluster.nodeIds.map((nodeId) => groupsOf(cluster.node(nodeId))!.get(0)!.raft);
  const follower = rafts.find(({ role }) => role !== 'leader')!;
  const { leader } = follower;
  expect(leader).toBeDefined();
  follower.leaderLost();
  expect(follower.leader).toBeUndefined();
  await cluster.advance(1_000);
  expect([follower.leader, rafts.find(({ role }) => role === 'leader')]).toEqual([leader, expect.anything()]);
});
