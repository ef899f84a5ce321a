/** A disk without room: puts are refused, removes and checkpoints go on in the room of the reserve (rule 6). */
import { describe, expect, it } from 'vitest';
import { createTestCluster, type TestCluster } from '../../testing/simulation/sim-cluster.js';

const READ = { level: 'linearizable' } as const;
const VALUE = 'v'.repeat(200);

async function cluster(size: number): Promise<TestCluster> {
  const created = createTestCluster(size, {
    mode: 'strong',
    replicas: size - 1,
    partitions: 4,
    storage: { reserveBytes: 40_000, checkpointIntervalMs: 3_600_000 },
  });
  await created.start();
  await created.advance(2_000);
  for (let number = 0; number < 20; number++) {
    await created.put('a', `k${number}`, VALUE);
  }
  return created;
}

/** Puts until one finds no room. */
async function fill(full: TestCluster, ...nodeIds: string[]): Promise<void> {
  for (const nodeId of nodeIds) {
    const { folder } = full.node(nodeId);
    folder.setFaults({ capacityBytes: folder.bytes + 1_000 });
  }
  for (let number = 0; number < 40; number++) {
    await full.put('a', `filling ${number}`, VALUE).catch(() => undefined);
  }
  await full.advance(3_000);
}

const puts = (full: TestCluster, key: string) => full.put('a', key, 'after');

describe('where all disks are full', () => {
  it.each([1, 3])(
    'of %s: puts are refused, removes and checkpoints go on, and all by itself once there is room',
    async (size) => {
      const full = await cluster(size);
      await fill(full, ...full.nodeIds);
      await expect(puts(full, 'k0')).rejects.toMatchObject({
        code: 'DKV_READ_ONLY',
        message: expect.stringMatching(/disk of node \w is full: it takes nothing but removes/) as string,
      });
      for (const nodeId of full.nodeIds) {
        expect(full.node(nodeId).strong.unreadyReason).toMatch(/disk is full/);
        expect(full.node(nodeId).log.warnings.join()).toMatch(/reserve of 40000 bytes is given up/);
      }
      for (let number = 0; number < 10; number++) {
        expect(await full.remove('a', `k${number}`)).toBe(true);
      }
      for (const nodeId of full.nodeIds) {
        await full.settle(full.node(nodeId).storage.checkpoint());
      }
      expect(await full.get('a', 'k0', READ)).toBeUndefined();
      expect(await full.get('a', 'k15', READ)).toBe(VALUE);
      await expect(puts(full, 'k0')).rejects.toMatchObject({ code: 'DKV_READ_ONLY' });
      full.nodeIds.forEach((nodeId) => full.node(nodeId).folder.heal());
      await full.advance(3_000);
      await puts(full, 'k0');
      expect(await full.get('a', 'k0', READ)).toBe('after');
      for (const nodeId of full.nodeIds) {
        expect(full.node(nodeId).strong.unreadyReason).toBeUndefined();
        expect(full.node(nodeId).folder.names.get('log-reserve')!.content).toHaveLength(40_000);
      }
    },
  );
});

describe('where nodes are started again', () => {
  it.each([1, 3])('of %s, all on full disks: they read and remove, as before', async (size) => {
    const full = await cluster(size);
    await fill(full, ...full.nodeIds);
    full.nodeIds.forEach((nodeId) => full.kill(nodeId));
    await full.start();
    await full.advance(5_000);
    expect(await full.get('a', 'k1', READ)).toBe(VALUE);
    await expect(puts(full, 'k0')).rejects.toMatchObject({ code: 'DKV_READ_ONLY' });
    expect(await full.remove('a', 'k0')).toBe(true);
    full.nodeIds.forEach((nodeId) => full.node(nodeId).folder.heal());
    await full.advance(3_000);
    await puts(full, 'k0');
    expect(full.node('a').strong.unreadyReason).toBeUndefined();
  });
});

describe('where one disk of three is full', () => {
  it('the other nodes lead, and all is written', async () => {
    const full = await cluster(3);
    await fill(full, 'a');
    expect(full.node('a').strong.groupsLed).toBe(0);
    for (let number = 0; number < 8; number++) {
      await full.put('a', `k${number}`, 'after');
    }
    expect(await full.get('b', 'k0', READ)).toBe('after');
    expect(full.node('b').strong.unreadyReason).toBeUndefined();
  });

  it('as a checkpoint finds it: the same', async () => {
    const full = await cluster(3);
    const { disk, storage, strong, folder } = full.node('a');
    disk.setFaults({ capacityBytes: 0 });
    folder.setFaults({ capacityBytes: folder.bytes + 5_000 });
    await expect(full.settle(storage.checkpoint())).rejects.toMatchObject({ code: 'DKV_STORAGE_FAILED' });
    await full.advance(1_000);
    expect([strong.groupsLed, folder.names.has('log-reserve')]).toEqual([0, false]);
    disk.heal();
    folder.heal();
    await full.advance(20_000);
    expect(strong.groupsLed).toBeGreaterThan(0);
    expect(strong.unreadyReason).toBeUndefined();
  });
});
