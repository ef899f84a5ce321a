/** A node that knows that it may have forgotten, and could not note its new incarnation yet: rules 12 and 17. */
import { expect, it } from 'vitest';
import { createTestCluster } from '../../testing/simulation/sim-cluster.js';
import { groupsOf } from '../../testing/simulation/group-facts.js';

it('a member that is suspended confirms nobody as its leader', async () => {
  const cluster = createTestCluster(3, { mode: 'strong', partitions: 1 });
  await cluster.start();
  await cluster.advance(3_000);
  await cluster.put('a', 'k', 'v');
  await cluster.advance(300);
  const leader = cluster.nodeIds.find((nodeId) => groupsOf(cluster.node(nodeId))!.get(0)!.leads)!;
  const [forgot, away] = cluster.nodeIds.filter((nodeId) => nodeId !== leader) as [string, string];
  cluster.kill(away);
  const { strong } = cluster.node(forgot);
  cluster.node(forgot).breakDisk();
  (strong as unknown as { forgetting: { begin(reason: string): void } }).forgetting.begin('of a test');
  await cluster.advance(200);
  expect(groupsOf(cluster.node(forgot))!.get(0)!.isSuspended).toBe(true);
  await expect(cluster.get(leader, 'k', { level: 'linearizable', timeoutMs: 3_000 })).rejects.toThrow();
});
