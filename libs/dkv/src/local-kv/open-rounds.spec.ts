/** Lists of open rounds: few writes, exact after every start, given up when little of them is open. */
import { describe, expect, it } from 'vitest';
import { Bench, ballot, idOf, recordOf } from '../../testing/rounds-bench.js';
import { caught } from '../../testing/caught.js';
import { openRoundsKey } from './disk-keys.js';
import { decodeNames, encodeNames } from './name-list-layout.js';

const names = (count: number) => Array.from({ length: count }, (_, at) => `k${at}`);

/** Opens rounds of all keys in one batch. */
async function openAll(bench: Bench, keys: readonly string[], at = 1): Promise<void> {
  const release = bench.holdUp();
  const first = bench.accept(recordOf(`before-${keys[0]}`, at));
  await Promise.resolve();
  await Promise.resolve();
  const all = keys.map((key) => bench.accept(recordOf(key, at)));
  release();
  await Promise.all([first, ...all]);
}

async function settle(bench: Bench, keys: readonly string[], at = 1): Promise<void> {
  for (const key of keys) {
    await bench.repo.settle(idOf(key), ballot(at));
    // Behind it, under the same lock.
    await bench.repo.updateRound(idOf(key), () => undefined);
  }
}

describe('rounds that are opened in one batch', () => {
  it('are in one list, which is all that their settling deletes', async () => {
    const bench = await Bench.open();
    await openAll(bench, names(100));
    expect(bench.engine.batches.at(-1)).toHaveLength(100 + 1);
    expect(await bench.marks()).toBe(2);
    await settle(bench, ['before-k0', ...names(100)]);
    expect(await bench.marks()).toBe(0);
    expect(bench.unsettled).toEqual([]);
  });

  it('are exactly those after a start, also where the list names more', async () => {
    const bench = await Bench.open();
    await openAll(bench, names(8));
    await settle(bench, ['before-k0', 'k1', 'k3', 'k5']);
    expect(await bench.marks()).toBe(1);
    await bench.reopen();
    expect(bench.unsettled).toEqual(['k0', 'k2', 'k4', 'k6', 'k7']);
    await settle(bench, ['k0', 'k2', 'k4', 'k6', 'k7']);
    expect(await bench.marks()).toBe(0);
    await bench.reopen();
    expect(bench.unsettled).toEqual([]);
  });

  it('go over to a newer list when few of theirs are left, so that lists stay as short as what is open', async () => {
    const bench = await Bench.open();
    await openAll(bench, names(100));
    await settle(bench, ['before-k0', ...names(100).slice(0, 75)]);
    const lists: number[] = [];
    for (let number = 1; number <= 10; number++) {
      const bytes = await bench.engine.get(openRoundsKey(number));
      lists.push(...(bytes ? [decodeNames(bytes, '').length] : []));
    }
    expect(lists).toEqual([25]);
    expect(bench.unsettled).toEqual(names(100).slice(75));
    await bench.reopen();
    expect(bench.unsettled).toEqual(names(100).slice(75));
    await settle(bench, names(100).slice(75));
    expect(await bench.marks()).toBe(0);
  });

  it('again after they were settled are open in the newer list alone', async () => {
    const bench = await Bench.open();
    await openAll(bench, names(4));
    await settle(bench, ['before-k0', 'k1']);
    await bench.accept(recordOf('k1', 2));
    expect(bench.unsettled).toEqual(['k0', 'k2', 'k3', 'k1']);
    await bench.reopen();
    expect(bench.unsettled).toEqual(['k0', 'k2', 'k3', 'k1']);
    await settle(bench, ['k1'], 2);
    expect(bench.unsettled).toEqual(['k0', 'k2', 'k3']);
    await settle(bench, ['k0', 'k2', 'k3']);
    expect(await bench.marks()).toBe(0);
  });

  it('of which none is open after a start are forgotten with the next batch', async () => {
    const bench = await Bench.open();
    await bench.engine.batch([{ type: 'put', key: openRoundsKey(7), value: encodeNames([idOf('gone')]) }]);
    await bench.reopen();
    expect([bench.unsettled, await bench.marks()]).toEqual([[], 1]);
    await bench.accept(recordOf('k', 1));
    expect([bench.unsettled, await bench.marks()]).toEqual([['k'], 1]);
    await settle(bench, ['k']);
    expect(await bench.marks()).toBe(0);
  });

  it('count as open where their round cannot be read: whoever looks at it is told', async () => {
    const bench = await Bench.open();
    await bench.accept(recordOf('k', 1));
    const { key } = bench.engine.batches[0]![0]!;
    await bench.engine.batch([{ type: 'put', key, value: Uint8Array.of(1, 2, 3) }]);
    await bench.reopen();
    expect(bench.unsettled).toEqual(['k']);
    await expect(bench.repo.getRound(idOf('k'))).rejects.toMatchObject({ code: 'DKV_CORRUPT_RECORD' });
  });
});

describe('the names in a list', () => {
  const ids = ['k', '', 'a\0b', '\u{1f642}', 'x'.repeat(1_024)].map((key, partition) => {
    return { partition: 13_107 * partition, namespace: 'n', key };
  });

  it('come back as they were', () => {
    expect(decodeNames(encodeNames(ids), '/data/n1')).toEqual(ids);
    expect(decodeNames(encodeNames([]), '/data/n1')).toEqual([]);
  });

  it('are refused when they are damaged', () => {
    const bytes = encodeNames(ids);
    for (const damaged of [
      bytes.subarray(0, 3),
      bytes.subarray(0, -1),
      Buffer.from(bytes.with(9, bytes[9]! ^ 1)),
    ]) {
      expect(caught(() => decodeNames(damaged, '/data/n1'))).toMatchObject({
        code: 'DKV_CORRUPT_RECORD',
        message: expect.stringContaining('/data/n1') as string,
      });
    }
  });
});
