/** A store that lost what was checkpointed, and whose log went on without it: rules 5 and 12. */
import { describe, expect, it } from 'vitest';
import { createTestCluster, type TestCluster } from '../../testing/simulation/sim-cluster.js';
import { memberOf } from '../../testing/simulation/group-facts.js';

const KIB = 1024;

/** Node a's store is as it was in the beginning; its log begins behind that. Its process is dead. */
async function gapped(size: number): Promise<TestCluster> {
  const cluster = createTestCluster(size, {
    mode: 'strong',
    replicas: size - 1,
    partitions: 1,
    storage: { logBytesMax: 8 * KIB, segmentBytesMax: 4 * KIB, checkpointIntervalMs: 1_000 },
  });
  await cluster.start();
  await cluster.advance(3_000);
  await cluster.put('a', 'k0', 'first');
  await cluster.settle(cluster.node('a').storage.checkpoint());
  const { disk } = cluster.node('a');
  const old = disk.copy();
  for (let count = 1; count < 64; count++) {
    await cluster.put('a', `k${count}`, `${count} ${'.'.repeat(500)}`);
  }
  await cluster.advance(10_000);
  // What the log still has of the partition when all before is gone.
  await cluster.put('a', 'last', 'last');
  await cluster.advance(100);
  cluster.kill('a');
  disk.putBack(old);
  return cluster;
}

describe('a node whose store and log do not meet', () => {
  it('is another voter, and gets from the others what it lacks', async () => {
    const cluster = await gapped(3);
    const before = memberOf(cluster.node('b'));
    const was = cluster.node('a').log.warnings.length;
    await cluster.start('a');
    await cluster.advance(8_000);
    const { log, strong } = cluster.node('a');
    expect(log.warnings.slice(was).join()).toMatch(
      /the store shows partition 0 up to entry \d+, and the log begins/,
    );
    expect(strong.unreadyReason).toBeUndefined();
    for (let count = 1; count < 64; count++) {
      expect(await cluster.get('a', `k${count}`)).toContain(`${count} `);
    }
    expect(memberOf(cluster.node('b'))).toBe(before);
  });

  it('does not start where nobody else has it', async () => {
    const cluster = await gapped(1);
    await expect(cluster.start('a')).rejects.toMatchObject({ code: 'DKV_LOG_DAMAGED' });
  });
});
