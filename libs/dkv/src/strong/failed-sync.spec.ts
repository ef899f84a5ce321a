/** An engine whose sync failed once: what it has on the disk is not known until another process reads it (rule 6). */
import { describe, expect, it } from 'vitest';
import { createTestCluster, type TestCluster } from '../../testing/simulation/sim-cluster.js';

const READ = { level: 'linearizable' } as const;

/** Node a's engine fails in a checkpoint; its disk is well again afterwards. */
async function failed(size: number): Promise<TestCluster> {
  const cluster = createTestCluster(size, { mode: 'strong', replicas: size - 1, partitions: 4 });
  await cluster.start();
  await cluster.advance(2_000);
  for (let number = 0; number < 8; number++) {
    await cluster.put('a', `k${number}`, 'before');
  }
  const { disk, storage } = cluster.node('a');
  disk.setFaults({ syncErrorRate: 1 });
  await expect(cluster.settle(storage.checkpoint())).rejects.toMatchObject({ code: 'DKV_STORAGE_FAILED' });
  disk.heal();
  await cluster.advance(3_000);
  return cluster;
}

async function startAgain(cluster: TestCluster): Promise<void> {
  cluster.kill('a');
  await cluster.start('a');
  await cluster.advance(5_000);
  expect(cluster.node('a').strong.unreadyReason).toBeUndefined();
}

describe('a node whose engine failed to sync', () => {
  it('writes no checkpoint any more, says so, and leads no more', async () => {
    const cluster = await failed(3);
    const { storage, strong } = cluster.node('a');
    const again = cluster.settle(storage.checkpoint());
    await expect(again).rejects.toMatchObject({ code: 'DKV_STORAGE_FAILED' });
    expect(strong.groupsLed).toBe(0);
    expect(strong.unreadyReason).toMatch(/takes nothing but removes until it is started again/);
    for (let number = 0; number < 8; number++) {
      await cluster.put('a', `k${number}`, 'after');
    }
    await startAgain(cluster);
    expect(await cluster.get('a', 'k0', READ)).toBe('after');
  });

  it('tells of that and not of its log, whose failure may pass', async () => {
    const cluster = await failed(3);
    const { folder, storage } = cluster.node('a');
    folder.setFaults({ writeErrorRate: 1 });
    await cluster.put('b', 'k0', 'after');
    await cluster.advance(3_000);
    expect(storage.log.failure).toBeDefined();
    expect(storage.failure?.message).toBe(storage.strong.failure?.message);
  });

  it('that is the only one refuses all but removes', async () => {
    const cluster = await failed(1);
    await expect(cluster.put('a', 'k0', 'after')).rejects.toMatchObject({
      code: 'DKV_READ_ONLY',
      message: expect.stringMatching(/until it is started again/) as string,
    });
    expect(await cluster.remove('a', 'k1')).toBe(true);
    await startAgain(cluster);
    expect(await cluster.get('a', 'k0', READ)).toBe('before');
    expect(await cluster.get('a', 'k1', READ)).toBeUndefined();
    await cluster.put('a', 'k0', 'after');
  });

  it('while it took over a snapshot has not taken it over', async () => {
    const cluster = createTestCluster(3, { mode: 'strong', partitions: 4 });
    await cluster.start();
    await cluster.advance(2_000);
    await cluster.put('a', 'k0', 'before');
    cluster.kill('c');
    cluster.node('c').loseDisk();
    await cluster.start('c');
    cluster.node('c').disk.setFaults({ syncErrorRate: 1 });
    await cluster.advance(3_000);
    const { disk, log, strong } = cluster.node('c');
    disk.heal();
    await cluster.advance(3_000);
    expect(strong.unreadyReason).toMatch(/until it is started again/);
    expect(log.warnings.filter((line) => /snapshot/.test(line)).length).toBeLessThanOrEqual(4);
    await cluster.put('a', 'k0', 'after');
    cluster.kill('c');
    cluster.node('c').losePower();
    await cluster.start('c');
    await cluster.advance(5_000);
    expect(cluster.node('c').strong.unreadyReason).toBeUndefined();
    expect(await cluster.get('c', 'k0')).toBe('after');
  });
});
