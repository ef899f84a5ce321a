/** A snapshot whose server starts again between two pages, or that has no leader to come from: rule 22. */
import { afterEach, describe, expect, it, vi } from 'vitest';

import { createTestCluster } from '../../testing/simulation/sim-cluster.js';
import { groupsOf, memberOf } from '../../testing/simulation/group-facts.js';
import {
  putAll,
  startNodes,
  strongCluster,
  valuesOf,
  wrongVoters,
} from '../../testing/simulation/strong-cluster.js';
import { Snapshots } from './snapshots.js';

const MIB = 1024 * 1024;
/** Of three pages. */
const LONG = '.'.repeat(100_000);

afterEach(() => vi.restoreAllMocks());

interface Inside {
  readonly forgetting: { begin(reason: string): void };
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

describe('a member whose records are void', () => {
  it('takes them over from whoever has some, where nobody but itself has the log to lead', async () => {
    const cluster = await strongCluster(3, { partitions: 1 });
    const groupAt = (nodeId: string) => groupsOf(cluster.node(nodeId))!.get(0)!;
    await putAll(cluster, 'old');
    await cluster.advance(60_000);
    cluster.partition(['a'], ['b', 'c']);
    await cluster.advance(5_000);
    await cluster.put('b', 'k0', 'new0');
    cluster.kill('a');
    cluster.heal();
    cluster.kill('b');
    cluster.node('b').losePower();
    groupAt('c').beginFetching();
    startNodes(cluster, ['a', 'b']);
    await cluster.advance(30_000);
    expect(wrongVoters(cluster)).toEqual([]);
    expect(await cluster.get('a', 'k0', { level: 'linearizable' })).toBe('new0');
  });

  it('is no voter before it has them, although its log goes on', async () => {
    const cluster = await strongCluster(3, { partitions: 1, storage: { checkpointIntervalMs: 600_000 } });
    const groupAt = (nodeId: string) => groupsOf(cluster.node(nodeId))!.get(0)!;
    await putAll(cluster, 'old');
    const receive = vi.spyOn(Snapshots.prototype, 'receive').mockReturnValue();
    const before = memberOf(cluster.node('c'));
    (cluster.node('c').strong as unknown as Inside).forgetting.begin('of a test');
    groupAt('c').beginFetching();
    await cluster.advance(2_000);
    await putAll(cluster, 'new');
    await cluster.advance(10_000);
    expect(groupAt('c').isFetching).toBe(true);
    expect(groupAt('a').raft.configuration).toMatchObject({
      voters: expect.arrayContaining([before]) as unknown,
      learners: [memberOf(cluster.node('c'))],
    });
    receive.mockRestore();
    await cluster.advance(20_000);
    expect(wrongVoters(cluster)).toEqual([]);
    expect(await valuesOf(cluster)).toEqual(['new']);
  });
});
