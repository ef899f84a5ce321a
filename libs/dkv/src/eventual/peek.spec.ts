/** Reads that find their key in memory: what they may say at once, and what not. */
import { describe, expect, it } from 'vitest';
import { createTestCluster } from '../../testing/simulation/sim-cluster.js';

const NAMESPACE = 'default';

describe('a look into memory', () => {
  it('says nothing of a key that somebody asked for in a partition that is not its own', async () => {
    const cluster = createTestCluster(3, { mode: 'eventual' });
    await cluster.start();
    const key = cluster.keyWhere((list) => list[0] === 'a');
    await cluster.put('a', key, 'v');
    cluster.kill('a');
    await cluster.start('a');
    const { processor, local } = cluster.node('a');
    const home = cluster.ring.partitionOf(key);
    const other = Array.from({ length: home + 2 }, (_, partition) => partition).find((one) => one !== home)!;
    // There is nothing there, which is remembered.
    await cluster.settle(local.get({ partition: other, namespace: NAMESPACE, key }));
    expect(local.peek?.(NAMESPACE, key)?.partition).toBe(other);
    expect(processor.peek(NAMESPACE, key)).toBeUndefined();
    expect(await cluster.get('a', key)).toBe('v');
    // Now its own partition's is known as well.
    expect(processor.peek(NAMESPACE, key)).not.toBeNull();
  });

  it('shows what was written, and that nothing is there', async () => {
    const cluster = createTestCluster(3, { mode: 'eventual' });
    await cluster.start();
    await cluster.put('a', 'k', 'v');
    await cluster.get('a', 'k');
    const { processor } = cluster.node('a');
    expect(Buffer.from(processor.peek(NAMESPACE, 'k')!.value).toString()).toBe('v');
    await cluster.remove('a', 'k');
    await cluster.get('a', 'k');
    expect(processor.peek(NAMESPACE, 'k')).toBeNull();
    expect(processor.peek(NAMESPACE, 'never asked for')).toBeUndefined();
  });
});
