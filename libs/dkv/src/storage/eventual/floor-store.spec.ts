/** Floors on a disk that fails or is damaged: nothing is erased that no durable floor stands for. */
import { describe, expect, it } from 'vitest';
import { CapturedLog } from '../../../testing/captured-log.js';
import { stampTombstone } from '../../model/record.js';
import { formatVersion } from '../../model/version.js';
import { collectableKey, floorKey, recordKey } from './disk-keys.js';
import { EngineLocalKvRepo } from './engine-local-kv-repo.js';
import { MemoryStoreEngine } from '../engines/memory-store-engine.js';
import { type StoreOperation } from '../engines/store-engine.js';

const PARTITION = 1;
const ID = { partition: PARTITION, namespace: 'default', key: 'k' };
const versionAt = (physicalMs: number) => formatVersion({ physicalMs, counter: 0, nodeId: 'n1', boot: 1 });
const TOMBSTONE = stampTombstone(ID, versionAt(1));

/** Keeps its data when it is closed, and fails from the batch on that the test names. */
class TestEngine extends MemoryStoreEngine {
  readonly batches: (readonly StoreOperation[])[] = [];
  failsAt = Infinity;

  override async batch(operations: readonly StoreOperation[]): Promise<void> {
    if (this.batches.length >= this.failsAt) {
      throw new Error('EIO');
    }
    this.batches.push(operations);
    await super.batch(operations);
  }

  override async close(): Promise<void> {}

  /** What the batches did to a key, in order: the number of the batch and the kind of operation. */
  fateOf(key: Uint8Array): string[] {
    return this.batches.flatMap((operations, at) =>
      operations.filter((one) => Buffer.compare(one.key, key) === 0).map(({ type }) => `${at} ${type}`),
    );
  }
}

async function open(engine: TestEngine): Promise<EngineLocalKvRepo> {
  const home = { where: '/data/n1', open: async () => engine, release: () => undefined };
  const limits = { durability: 'fsync', pendingBytesMax: 1_000_000, cacheBytesMax: 10_000 } as const;
  const repo = new EngineLocalKvRepo(home, { ...limits, logger: new CapturedLog() });
  await repo.open({ nodeId: 'n1', partitions: 4, hashFunc: 'md5' });
  return repo;
}

describe('a floor', () => {
  it('is durable before anything is erased', async () => {
    const engine = new TestEngine();
    const repo = await open(engine);
    await repo.update(ID, () => TOMBSTONE);
    await repo.raiseFloor(PARTITION, versionAt(5));
    expect(engine.fateOf(floorKey(PARTITION))).toEqual(['1 put']);
    expect(engine.fateOf(recordKey(ID))).toEqual(['0 put', '2 del']);
    expect(engine.fateOf(collectableKey(ID, TOMBSTONE.version))).toContain('2 del');
  });

  it('erases nothing when it could not be made durable, and is not there after a restart', async () => {
    const engine = new TestEngine();
    const repo = await open(engine);
    await repo.update(ID, () => TOMBSTONE);
    engine.failsAt = 1;
    await expect(repo.raiseFloor(PARTITION, versionAt(5))).rejects.toThrow(/EIO/);
    await repo.close();
    engine.failsAt = Infinity;
    const again = await open(engine);
    expect(again.floorOf(PARTITION)).toBe('');
    expect(await again.checkTombstone(ID)).toBe(TOMBSTONE.version);
  });

  it('that came down with a crash half way is there, and what it left is found', async () => {
    const engine = new TestEngine();
    const repo = await open(engine);
    await repo.update(ID, () => TOMBSTONE);
    engine.failsAt = 2;
    await expect(repo.raiseFloor(PARTITION, versionAt(5))).rejects.toThrow(/EIO/);
    await repo.close();
    engine.failsAt = Infinity;
    const again = await open(engine);
    expect(again.floorOf(PARTITION)).toBe(versionAt(5));
    expect(await again.hasCollectable(PARTITION, versionAt(5))).toBe(true);
    expect(await again.raiseFloor(PARTITION, versionAt(5))).toBe(1);
    expect(await again.get(ID)).toBeUndefined();
  });

  it('is not lowered by a raise that began before a higher one', async () => {
    const engine = new TestEngine();
    const repo = await open(engine);
    const raises = [3, 9, 5].map((at) => repo.raiseFence(PARTITION, versionAt(at)));
    await Promise.all(raises);
    await repo.close();
    expect((await open(engine)).fenceOf(PARTITION)).toBe(versionAt(9));
  });

  it.each(['', 'x', '\0', `${versionAt(1)}\0`, `\0${versionAt(1)}\0`])(
    'that is damaged, like %j, fails the opening',
    async (text) => {
      const engine = new TestEngine();
      await engine.batch([{ type: 'put', key: floorKey(2), value: Buffer.from(text) }]);
      await expect(open(engine)).rejects.toMatchObject({ code: 'DKV_CORRUPT_RECORD' });
    },
  );
});
