/** A node that finds out, while it runs, that it may have forgotten: rules 12 and 17. */
import { expect, it } from 'vitest';
import { createTestCluster } from '../../testing/simulation/sim-cluster.js';
import { groupsOf } from '../../testing/simulation/group-facts.js';
import {
  blackout,
  forget,
  putAll,
  startNodes,
  strongCluster,
  valuesOf,
  wrongVoters,
} from '../../testing/simulation/strong-cluster.js';

it('a member that is suspended confirms nobody as its leader', async () => {
  const cluster = createTestCluster(3, { mode: 'strong', partitions: 1 });
  await cluster.start();
  await cluster.advance(3_000);
  await cluster.put('a', 'k', 'v');
  await cluster.advance(300);
  const leader = cluster.nodeIds.find((nodeId) => groupsOf(cluster.node(nodeId))!.get(0)!.leads)!;
  const [forgot, away] = cluster.nodeIds.filter((nodeId) => nodeId !== leader) as [string, string];
  cluster.kill(away);
  cluster.node(forgot).breakDisk();
  forget(cluster, forgot);
  await cluster.advance(200);
  expect(groupsOf(cluster.node(forgot))!.get(0)!.isSuspended).toBe(true);
  await expect(cluster.get(leader, 'k', { level: 'linearizable', timeoutMs: 3_000 })).rejects.toThrow();
});

it('where all do at once, what they acknowledged is kept', async () => {
  const cluster = await strongCluster(3);
  await putAll(cluster, 'new');
  blackout(cluster);
  startNodes(cluster);
  let isBegun = false;
  cluster.watch(() => {
    if (!isBegun && cluster.nodeIds.every((nodeId) => groupsOf(cluster.node(nodeId))?.get(3))) {
      isBegun = true;
      cluster.nodeIds.forEach((nodeId) => forget(cluster, nodeId));
    }
  });
  await cluster.advance(40_000);
  expect(isBegun).toBe(true);
  expect(wrongVoters(cluster)).toEqual([]);
  expect(await valuesOf(cluster)).toEqual(['new']);
});

it.each([1, 2, 3, 4, 5, 6])(
  'and loses power after it, it is still known as who it was (run %i)',
  async (seed) => {
    const cluster = await strongCluster(3, {
      partitions: 1,
      seed,
      storage: { checkpointIntervalMs: 600_000 },
    });
    await putAll(cluster, 'new');
    await cluster.settle(
      Promise.all(cluster.nodeIds.map((nodeId) => cluster.node(nodeId).storage.checkpoint())),
    );
    for (const nodeId of ['a', 'b']) {
      forget(cluster, nodeId);
      await cluster.advance(3_000);
    }
    expect(wrongVoters(cluster)).toEqual([]);
    for (const nodeId of ['a', 'b']) {
      cluster.kill(nodeId);
      cluster.node(nodeId).losePower();
    }
    startNodes(cluster, ['a', 'b']);
    await cluster.advance(60_000);
    expect(wrongVoters(cluster)).toEqual([]);
    expect(await valuesOf(cluster)).toEqual(['new']);
  },
);
