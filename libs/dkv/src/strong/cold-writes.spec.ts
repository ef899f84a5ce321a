/** Writes that wait for the store while what they rest on is applied, checkpointed and gone from memory. */
import { describe, expect, it } from 'vitest';
import { createTestCluster } from '../../testing/simulation/sim-cluster.js';
import { JsonCodec } from '../codec/json-codec.js';

const SLOW = { minMs: 50, meanMs: 50, maxMs: 50 };

describe('an increment under an idempotency key that is not in memory', () => {
  it('counts on from one that was proposed when its own key was looked for', async () => {
    const codec = new JsonCodec();
    const cluster = createTestCluster(1, {
      mode: 'strong',
      replicas: 0,
      partitions: 1,
      codec,
      storage: { cacheBytesMax: 0, checkpointIntervalMs: 3_600_000 },
    });
    await cluster.start();
    await cluster.advance(1_000);
    const { processor, disk, storage } = cluster.node('a');
    const increment = async (idempotencyKey?: string) => {
      const options = { level: 'quorum', timeoutMs: 5_000, ttlMs: 0, idempotencyKey } as const;
      const { record } = await processor.increment('default', 'k', 1, options);
      return codec.decode(record!.value);
    };
    expect(await cluster.settle(increment())).toBe(1);
    disk.setFaults({ readDelay: SLOW });
    const second = increment('one');
    const third = increment('other');
    expect(await cluster.settle(second)).toBe(2);
    // The third was told of the second's result when that was proposed, and still reads what is remembered of it.
    disk.heal();
    await cluster.settle(storage.checkpoint());
    expect(await cluster.settle(third)).toBe(3);
  });
});

describe('a put of a key that is not in memory', () => {
  it('without a condition waits for no read', async () => {
    const cluster = createTestCluster(1, {
      mode: 'strong',
      replicas: 0,
      partitions: 1,
      storage: { cacheBytesMax: 0, checkpointIntervalMs: 3_600_000 },
    });
    await cluster.start();
    await cluster.advance(1_000);
    const { processor, disk, storage } = cluster.node('a');
    const put = (text: string, expected?: string) => {
      const options = { level: 'quorum', timeoutMs: 5_000, ttlMs: 0, expected } as const;
      return processor.addOrUpdate('default', 'k', Buffer.from(text), options);
    };
    const first = await cluster.settle(put('one'));
    await cluster.settle(storage.checkpoint());
    disk.setFaults({ readDelay: SLOW });
    const began = cluster.scheduler.nowMs;
    await cluster.settle(put('two'));
    const blind = cluster.scheduler.nowMs - began;
    await cluster.settle(storage.checkpoint());
    const conditional = await cluster.settle(put('three', first.record!.version));
    expect(conditional).toMatchObject({ outcome: 'conflict', existed: true });
    expect(blind).toBeLessThan(SLOW.minMs);
    expect(cluster.scheduler.nowMs - began - blind).toBeGreaterThanOrEqual(SLOW.minMs);
  });
});
