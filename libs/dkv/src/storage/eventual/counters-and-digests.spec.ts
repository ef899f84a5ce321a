/** Trees and counters through batches, crashes and starts, on a journal that is short. */
import { describe, expect, it } from 'vitest';
import { SimRandom } from '../../../testing/simulation/sim-random.js';
import { TREE_BUCKETS } from '../../ports/local-kv-repo.js';
import { CountersAndDigests, type JournalLimits } from './counters-and-digests.js';
import { type StoreTotals } from './counters-and-digests-layout.js';
import { JOURNAL_RANGE, journalKey, TREE_RANGE, treeKey } from './disk-keys.js';
import { HashTree, TreeChanges } from './hash-tree.js';
import { MemoryStoreEngine } from '../engines/memory-store-engine.js';
import { type StoreEngine, type StoreRange } from '../engines/store-engine.js';

const WHERE = '/data/n1';
const PARTITIONS = 5;
const LIMITS: JournalLimits = { batches: 8, steps: 30 };

const load = (engine: StoreEngine) => CountersAndDigests.load(engine, WHERE, LIMITS);
const totalsAt = (keys: number): StoreTotals => ({
  usage: new Map(keys > 0 ? [['ns', { keys, bytes: 4 * keys }]] : []),
  tombstones: 2 * keys,
  hintBytes: 3 * keys,
});
const digestsOf = (summary: Pick<CountersAndDigests, 'digests'>) =>
  Array.from({ length: PARTITIONS }, (_, partition) => summary.digests(partition));

function randomChanges(random: SimRandom, steps: number): TreeChanges {
  const changes = new TreeChanges();
  for (let step = 0; step < steps; step++) {
    const digest = { high: random.int(2 ** 32), low: random.int(2 ** 32) };
    changes.toggle(random.int(PARTITIONS), random.int(TREE_BUCKETS), digest);
  }
  return changes;
}

async function keysIn(engine: StoreEngine, range: StoreRange): Promise<number> {
  let count = 0;
  for await (const { key } of engine.iterate(range)) {
    count += key.byteLength > 0 ? 1 : 0;
  }
  return count;
}

/** Writes batches of the given numbers of steps. */
async function filled(engine: StoreEngine, ...steps: number[]): Promise<CountersAndDigests> {
  const summary = await load(engine);
  const random = new SimRandom(1);
  for (const count of steps) {
    await engine.batch(summary.operationsFor(randomChanges(random, count), totalsAt(count)), { sync: false });
    summary.stored();
  }
  return summary;
}

describe('trees and counters', () => {
  it('are those of all batches that were stored, after every crash and start (seeded)', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = new SimRandom(seed);
      const engine = new MemoryStoreEngine();
      const expected = new HashTree();
      let [summary, totals] = [await load(engine), totalsAt(0)];
      for (let batch = 1; batch <= 120; batch++) {
        const changes = randomChanges(random, random.int(random.chance(0.1) ? 60 : 6));
        const operations = summary.operationsFor(changes, totalsAt(batch));
        if (random.chance(0.1)) {
          // It did not reach the disk.
          summary = await load(engine);
        } else {
          await engine.batch(operations);
          summary.stored();
          expected.apply(changes);
          totals = totalsAt(batch);
        }
        if (random.chance(0.1)) {
          summary = await load(engine);
        }
        expect(digestsOf(summary), `seed ${seed}, batch ${batch}`).toEqual(digestsOf(expected));
        expect(summary.totals).toEqual(totals);
        expect(await keysIn(engine, JOURNAL_RANGE)).toBeLessThanOrEqual(LIMITS.batches);
      }
    }
  });

  it('cost one put for a batch, as long as the journal has room', async () => {
    const engine = new MemoryStoreEngine();
    const summary = await load(engine);
    for (let batch = 1; batch <= LIMITS.batches; batch++) {
      const operations = summary.operationsFor(randomChanges(new SimRandom(batch), 3), totalsAt(batch));
      expect(operations.map(({ type }) => type)).toEqual(['put']);
      await engine.batch(operations);
      summary.stored();
    }
  });

  it('are stored whole only for partitions that the oldest batch knows of and no snapshot does', async () => {
    const engine = new MemoryStoreEngine();
    await filled(engine, ...Array<number>(LIMITS.batches).fill(1));
    expect(await keysIn(engine, TREE_RANGE)).toBe(0);
    const summary = await load(engine);
    await engine.batch(summary.operationsFor(new TreeChanges(), totalsAt(9)));
    summary.stored();
    expect(await keysIn(engine, TREE_RANGE)).toBe(1);
    expect(await keysIn(engine, JOURNAL_RANGE)).toBe(LIMITS.batches);
  });

  it('are read from a bounded number of steps: large batches leave the journal sooner', async () => {
    const engine = new MemoryStoreEngine();
    await filled(engine, 10, 10, 10, 10, 25);
    expect(await keysIn(engine, JOURNAL_RANGE)).toBe(1);
    await filled(engine, 1, 1, 1);
    expect(await keysIn(engine, JOURNAL_RANGE)).toBe(4);
  });

  it('of a batch that is larger than the journal are kept', async () => {
    const engine = new MemoryStoreEngine();
    const summary = await filled(engine, 3, 100, 2);
    expect(digestsOf(await load(engine))).toEqual(digestsOf(summary));
  });
});

describe('damage', () => {
  const corrupt = { code: 'DKV_CORRUPT_RECORD', message: expect.stringContaining(WHERE) as string };

  it('of a byte anywhere is told', async () => {
    for (const key of [journalKey(2), treeKey(0)]) {
      const engine = new MemoryStoreEngine();
      await filled(engine, 20, 20);
      const value = await engine.get(key);
      for (const at of [0, 4, 9, 12, 40, value!.byteLength - 1]) {
        await engine.batch([{ type: 'put', key, value: value!.with(at, value![at]! ^ 1) }]);
        await expect(load(engine), `byte ${at}`).rejects.toMatchObject(corrupt);
      }
      for (const bytes of [new Uint8Array(0), value!.subarray(0, 20)]) {
        await engine.batch([{ type: 'put', key, value: bytes }]);
        await expect(load(engine)).rejects.toMatchObject(corrupt);
      }
    }
  });

  it.each([
    ['in the middle', [3]],
    ['all of them, where there are snapshots', [2, 3, 4, 5]],
  ])('of entries that are gone is told: %s', async (_, gone) => {
    const engine = new MemoryStoreEngine();
    await filled(engine, 20, 20, 2, 2, 2);
    await engine.batch(gone.map((place) => ({ type: 'del', key: journalKey(place) })));
    await expect(load(engine)).rejects.toMatchObject(corrupt);
  });
});
