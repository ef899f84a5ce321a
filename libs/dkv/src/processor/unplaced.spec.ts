/** Eventual namespaces of nodes that discovery shows as they come: nothing is written or read before it is known who holds what. */
import { describe, expect, it } from 'vitest';
import { rejected } from '../../testing/caught.js';
import { createTestCluster } from '../../testing/simulation/sim-cluster.js';

function formingCluster() {
  return createTestCluster(3, {
    mode: 'eventual',
    limits: { isProvisional: true },
    strongLimits: { clusterSize: 3, hasFixedNodes: false },
  });
}

describe('before there is a cluster', () => {
  it('calls are refused with what is waited for, which is why the node is not ready; afterwards they are served', async () => {
    const cluster = formingCluster();
    void cluster.node('a').start();
    void cluster.node('b').start();
    await cluster.advance(10_000);
    const { processor } = cluster.node('a');
    const why = 'the cluster is not born yet: 2 of 3 nodes are seen (clusterSize), not seen so far: c';
    expect(processor.ready).toBe(false);
    expect(processor.unreadyReason).toBe(why);
    const refusal = {
      code: 'DKV_NOT_READY',
      message: `Node a has no place for keys yet: ${why}. Nothing was done.`,
    };
    const calls = [
      () => cluster.put('a', 'k', 'v'),
      () => cluster.get('a', 'k'),
      () => cluster.remove('a', 'k'),
    ];
    for (const call of calls) {
      expect(await rejected(call())).toMatchObject(refusal);
    }
    expect(processor.peek('default', 'k')).toBeUndefined();
    void cluster.node('c').start();
    await cluster.advance(10_000);
    expect(processor.unreadyReason).toBeUndefined();
    await cluster.put('a', 'k', 'v');
    expect(await cluster.get('c', 'k', { level: 'quorum' })).toBe('v');
  });
});

describe('a member whose disk was lost, before it has heard of the cluster', () => {
  it('takes and shows nothing that others would count, and refills once it has heard, however late', async () => {
    const cluster = formingCluster();
    for (const nodeId of cluster.nodeIds) {
      void cluster.node(nodeId).start();
    }
    await cluster.advance(10_000);
    const key = cluster.keyWhere((list) => list[0] === 'c');
    await cluster.put('a', key, 'v', { level: 'all' });
    cluster.kill('c');
    cluster.node('c').loseDisk();
    await cluster.advance(5_000);
    cluster.partition(['a', 'b'], ['c']);
    void cluster.node('c').start();
    await cluster.advance(30_000);
    const { processor, view, local } = cluster.node('c');
    expect([view.epoch, view.heardOf, view.stateOf('a')]).toEqual([0, 0, 'down']);
    expect(processor.ready).toBe(false);
    const partition = view.partitionOf(key, 0);
    const ask = { id: { partition, namespace: 'default', key }, epoch: 1 };
    const { configuration } = view;
    const asked = processor.serve({
      kind: 'get',
      from: 'a',
      configuration,
      sentAtMs: cluster.node('c').clock.now(),
      ask,
    });
    expect(await rejected(cluster.settle(asked))).toMatchObject({ code: 'DKV_NOT_READY' });
    let shown: readonly string[] | undefined;
    cluster.watch(() => {
      if (view.epoch > 0 && processor.caughtUp) {
        shown ??= [...local.getTree(partition)];
      }
    });
    cluster.heal();
    await cluster.advance(20_000);
    expect(processor.ready).toBe(true);
    expect(shown).toEqual(cluster.node('a').local.getTree(partition));
    expect(await cluster.get('c', key)).toBe('v');
  });
});
