/** The leader that serves a snapshot is killed between two pages, and leads again with an older store: rule 22. */
import { describe, expect, it } from 'vitest';

import { createTestCluster } from '../../testing/simulation/sim-cluster.js';
import { groupsOf } from '../../testing/simulation/group-facts.js';

const MIB = 1024 * 1024;
/** Of three pages. */
const LONG = '.'.repeat(100_000);

interface Inside {
  readonly node?: { readonly snapshots: { readonly lastSlot: number; readonly underWay: number } };
}

describe('a snapshot whose server starts again between two pages', () => {
  it('has what was committed when it was begun', async () => {
    const cluster = createTestCluster(3, {
      mode: 'strong',
      partitions: 1,
      strongLimits: { uncommittedBytesMax: 64 * MIB, entryTailBytesMax: 64 * MIB },
      storage: {
        checkpointIntervalMs: 3_600_000,
        dirtyBytesMax: 64 * MIB,
        logBytesMax: 64 * MIB,
        segmentBytesMax: 64 * MIB,
      },
    });
    await cluster.start();
    await cluster.advance(3_000);
    const groupAt = (nodeId: string) => groupsOf(cluster.node(nodeId))!.get(0)!;
    const leader = cluster.nodeIds.find((nodeId) => groupAt(nodeId).leads)!;
    const [away, third] = cluster.nodeIds.filter((nodeId) => nodeId !== leader) as [string, string];
    cluster.kill(away);
    const keys = Array.from({ length: 8 }, (_, number) => `k${number}`);
    for (const key of keys) {
      await cluster.put(leader, key, `old${LONG}`);
    }
    await cluster.advance(500);
    await cluster.settle(cluster.node(leader).storage.checkpoint());
    // As where too many bytes of entries are kept for a member that is away.
    groupAt(leader).raft.compact(groupAt(leader).applied);
    for (const key of keys) {
      await cluster.put(leader, key, 'new');
    }
    void cluster.node(away).start();
    const snapshots = () => (cluster.node(away).strong as unknown as Inside | undefined)?.node?.snapshots;
    cluster.node(leader).disk.setFaults({ readDelay: { minMs: 30, meanMs: 30, maxMs: 30 } });
    while ((snapshots()?.lastSlot ?? 0) < 2) {
      await cluster.advance(1);
    }
    expect(snapshots()!.underWay).toBe(1);
    cluster.kill(leader);
    cluster.kill(third);
    cluster.node(leader).disk.heal();
    void cluster.node(leader).start();
    await cluster.advance(10_000);
    void cluster.node(third).start();
    await cluster.advance(5_000);
    for (const key of keys) {
      expect(await cluster.get(away, key), key).toBe('new');
    }
  });
});
