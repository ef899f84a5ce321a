/** A log that refuses an append as too much while an earlier one is under way: rules 1, 2 and 21. */
import { describe, expect, it } from 'vitest';
import { createTestCluster } from '../../testing/simulation/sim-cluster.js';
import { groupsOf } from '../../testing/simulation/group-facts.js';

const SLOW = { minMs: 50, meanMs: 50, maxMs: 50 };
const WRITE = { level: 'quorum', timeoutMs: 5_000, ttlMs: 0 } as const;

describe('a follower whose log refuses what comes after an append that is under way', () => {
  it('has what it acknowledges of that append', async () => {
    const cluster = createTestCluster(3, {
      mode: 'strong',
      partitions: 1,
      durability: 'fsync',
      storage: { pendingBytesMax: 3_000, checkpointIntervalMs: 3_600_000 },
    });
    await cluster.start();
    await cluster.advance(3_000);
    await cluster.put('a', 'k0', 'before');
    await cluster.advance(500);
    const raftOf = (nodeId: string) => groupsOf(cluster.node(nodeId))!.get(0)!.raft;
    const leader = cluster.nodeIds.find((nodeId) => raftOf(nodeId).role === 'leader')!;
    const [slow, away] = cluster.nodeIds.filter((nodeId) => nodeId !== leader) as [string, string];
    cluster.partition([leader, slow], [away]);
    cluster.node(slow).folder.setFaults({ syncDelay: SLOW });
    const put = (key: string, bytes: number) =>
      cluster.node(leader).processor.addOrUpdate('default', key, new Uint8Array(bytes), WRITE);
    const underWay = put('k1', 10);
    await cluster.advance(10);
    put('k2', 4_000).catch(() => undefined);
    await cluster.advance(10);
    await cluster.settle(underWay);
    cluster.kill(leader);
    cluster.heal();
    cluster.node(slow).folder.heal();
    await cluster.advance(5_000);
    expect(await cluster.get(away, 'k1', { level: 'linearizable' })).toBe('\0'.repeat(10));
  });
});
