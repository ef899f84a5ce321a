/** A cluster that is made of some of the nodes that there are, and whose leaders are in a zone: whole nodes, on virtual time. */
import { describe, expect, it } from 'vitest';
import { groupsOf } from '../../../testing/simulation/group-facts.js';
import { createTestCluster } from '../../../testing/simulation/sim-cluster.js';
import { type ReplicatedStrongMode } from '../strong-mode.js';

describe('five nodes of which three make a cluster', () => {
  it('are one in the end: the lowest three make it, the others join, also one that came late', async () => {
    const cluster = createTestCluster(5, {
      mode: 'strong',
      partitions: 8,
      strongLimits: { clusterSize: 3, hasFixedNodes: false },
    });
    await cluster.start('a', 'b');
    await cluster.advance(10_000);
    expect(cluster.node('a').processor.unreadyReason).toBe(
      'the cluster is not born yet: 2 of 3 nodes are seen (clusterSize), not seen so far: c, d, e',
    );
    void cluster.node('d').start();
    void cluster.node('e').start();
    await cluster.advance(60_000);
    const { agreed } = cluster.node('a').view;
    expect(agreed.members.map(({ nodeId }) => nodeId)).toEqual(['a', 'b', 'd', 'e']);
    expect(cluster.node('d').log.lines.join()).toMatch(/Cluster \w+ is born: 3 nodes\./);
    expect(cluster.node('e').log.lines.join()).toMatch(/Node e joins cluster/);
    void cluster.node('c').start();
    await cluster.advance(60_000);
    const ids = cluster.nodeIds.map((nodeId) => cluster.node(nodeId).view.agreed.clusterId);
    expect(new Set(ids)).toEqual(new Set([agreed.clusterId]));
    expect(cluster.node('c').view.agreed.members).toHaveLength(5);
    await cluster.put('c', 'k', 'v');
    expect(await cluster.get('e', 'k')).toBe('v');
  });
});

describe('leaders in a zone that is preferred', () => {
  it('are there as soon as it is agreed on, without a copy moved, and elsewhere while its node is away', async () => {
    const cluster = createTestCluster(3, { mode: 'strong', partitions: 8 });
    await cluster.start();
    await cluster.advance(5_000);
    const { membership } = cluster.node('a').strong as ReplicatedStrongMode;
    await cluster.settle(membership.change([{ kind: 'zone', nodeId: 'c', zone: 'z' }], 5_000));
    await cluster.settle(membership.change([{ kind: 'preferredZones', zones: ['z'] }], 5_000));
    await cluster.advance(20_000);
    const ledBy = (nodeId: string) =>
      [...groupsOf(cluster.node(nodeId))!.values()].filter(({ leads }) => leads).length;
    expect(['a', 'b', 'c'].map(ledBy)).toEqual([0, 0, 9]);
    expect(cluster.node('b').view.agreed.moving).toEqual([]);
    cluster.kill('c');
    await cluster.advance(5_000);
    expect(ledBy('a') + ledBy('b')).toBe(9);
    void cluster.node('c').start();
    await cluster.advance(60_000);
    expect(ledBy('c')).toBe(9);
  });
});
