/** What a process knows of the leases that the one before it on the same folder may have granted, and who may talk to whom. */
import { expect, it } from 'vitest';
import { groupAt, strongCluster } from '../../testing/simulation/strong-cluster.js';
import { createTestCluster, type TestCluster } from '../../testing/simulation/sim-cluster.js';

/** Whether a node that has just been started again keeps out of elections. */
async function isHeldBackAfterStart(cluster: TestCluster, nodeId: string): Promise<boolean> {
  cluster.kill(nodeId);
  cluster
    .node(nodeId)
    .start()
    .catch(() => undefined);
  await cluster.advance(100);
  return groupAt(cluster, nodeId).raft.isHeldBack;
}

it('a node that has been told to grant none waits for what it granted before, once', async () => {
  const limits = { leaseReads: true };
  const cluster = await strongCluster(3, { partitions: 1, strongLimits: limits });
  limits.leaseReads = false;
  expect(await isHeldBackAfterStart(cluster, 'a')).toBe(true);
  await cluster.advance(3_000);
  expect(await isHeldBackAfterStart(cluster, 'a')).toBe(false);
});

it('a node that waits a shorter time than before waits the longer one out after its start', async () => {
  const limits = { leaseReads: true, electionTimeoutMs: 3_000 };
  const cluster = await strongCluster(3, { partitions: 1, strongLimits: limits });
  limits.electionTimeoutMs = 1_000;
  expect(await isHeldBackAfterStart(cluster, 'a')).toBe(true);
  await cluster.advance(2_500);
  expect(groupAt(cluster, 'a').raft.isHeldBack).toBe(true);
  await cluster.advance(500);
  expect(groupAt(cluster, 'a').raft.isHeldBack).toBe(false);
});

it('a node that never granted any waits for nothing', async () => {
  const cluster = await strongCluster(3, { partitions: 1 });
  expect(await isHeldBackAfterStart(cluster, 'a')).toBe(false);
  expect(cluster.node('a').strong).toHaveProperty('leases', undefined);
});

it('a node that is alone has leases where it is told to, since others may join it', async () => {
  const limits = { leaseReads: true };
  const cluster = await strongCluster(1, { partitions: 1, strongLimits: limits });
  expect(cluster.node('a').strong).toHaveProperty('leases.reads');
  await cluster.put('a', 'k', 'v');
  // There is nobody else to lead: it waits for nothing that it granted before.
  expect(await isHeldBackAfterStart(cluster, 'a')).toBe(false);
  await cluster.advance(500);
  expect(groupAt(cluster, 'a').raft.role).toBe('leader');
});

it.each([
  ['in whether they have leases', { leaseReads: false }],
  ['in how long voters wait', { leaseReads: true, electionTimeoutMs: 1_100 }],
])('nodes that differ %s do not listen to each other, and say why', async (_, other) => {
  const limits = { leaseReads: true, electionTimeoutMs: 1_000 };
  const cluster = createTestCluster(3, { mode: 'strong', partitions: 1, strongLimits: limits });
  await cluster.start();
  cluster.kill('c');
  Object.assign(limits, other);
  cluster
    .node('c')
    .start()
    .catch(() => undefined);
  await cluster.advance(3_000);
  expect(groupAt(cluster, 'c').raft.leader).toBeUndefined();
  expect(cluster.node('c').log.warnings.join('\n')).toMatch(
    /with leaseReads and not alike in it or in electionTimeoutMs/,
  );
});

it('nodes without leases differ in electionTimeoutMs as they please', async () => {
  const limits = { leaseReads: false, electionTimeoutMs: 1_000 };
  const cluster = await strongCluster(3, { partitions: 1, strongLimits: limits });
  cluster.kill('c');
  limits.electionTimeoutMs = 1_100;
  await cluster.start('c');
  await cluster.advance(500);
  expect(groupAt(cluster, 'c').raft.leader).toBeDefined();
});
