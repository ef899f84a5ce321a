/** Changes of rounds that are refused: they store nothing, and say why. */
import { describe, expect, it } from 'vitest';
import { rejected } from '../../testing/caught.js';
import { microtasks } from '../../testing/microtasks.js';
import { ballot, Bench, ID, IDENTITY, recordOf } from '../../testing/rounds-bench.js';
import { type RecordId } from '../model/key.js';
import { type RoundChange } from '../ports/local-kv-repo.js';

describe('a change that is refused', () => {
  it('because it threw stores nothing', async () => {
    const bench = await Bench.open();
    await bench.change('k', { promised: ballot(1) });
    const thrown = new Error('of the test');
    const changing = bench.repo.updateRound(ID, () => {
      throw thrown;
    });
    await expect(changing).rejects.toBe(thrown);
    expect(await bench.round()).toEqual({ committed: 0, promised: 1, accepted: [0, 0] });
    await bench.change('k', { promised: ballot(2) });
  });

  it.each<[string, RoundChange, object]>([
    ['older than what is committed', { committed: recordOf('k', 2) }, { code: 'DKV_CORRUPT_RECORD' }],
    [
      'of the same version and other content',
      { committed: recordOf('k', 3, 11) },
      { code: 'DKV_CORRUPT_RECORD' },
    ],
    [
      'with a wrong checksum',
      { committed: { ...recordOf('k', 4), checksum: 1 } },
      { code: 'DKV_CORRUPT_RECORD' },
    ],
    ['of another key', { committed: recordOf('l', 4) }, { name: 'TypeError' }],
  ])('because its committed record is %s stores nothing of it', async (_, change, error) => {
    const bench = await Bench.open();
    await bench.accept(recordOf('k', 3));
    await bench.repo.settle(ID, ballot(3));
    await expect(bench.change('k', { promised: ballot(9), ...change })).rejects.toMatchObject(error);
    expect(await bench.round()).toEqual({ committed: 3, promised: 3, accepted: [3, 3] });
    expect(bench.repo.failure).toBeUndefined();
  });

  it.each<[string, RecordId, object]>([
    ['partition', { ...ID, partition: 4 }, { name: 'TypeError' }],
    ['namespace', { ...ID, namespace: '' }, { name: 'TypeError' }],
    ['key', { ...ID, key: '' }, { code: 'DKV_INVALID_KEY' }],
  ])('because of its %s never runs', async (_, id, error) => {
    const { repo } = await Bench.open();
    let runs = 0;
    await expect(repo.updateRound(id, () => void runs++)).rejects.toMatchObject(error);
    await expect(repo.getRound(id)).rejects.toMatchObject(error);
    await expect(repo.settle(id, ballot(1))).rejects.toMatchObject(error);
    expect(runs).toBe(0);
  });

  it('because its store was closed while it was read says so, and stores nothing in the one opened since', async () => {
    const bench = await Bench.open();
    const { engine } = bench;
    const get = engine.get.bind(engine);
    let finish!: () => void;
    const stall = new Promise<void>((resolve) => (finish = resolve));
    engine.get = async (key) => {
      await stall;
      return get(key);
    };
    let runs = 0;
    const waiting = rejected(bench.repo.updateRound(ID, () => void runs++));
    await microtasks();
    engine.get = get;
    await bench.repo.close();
    await bench.repo.open(IDENTITY);
    finish();
    expect((await waiting).code).toBe('DKV_NOT_READY');
    expect(runs).toBe(0);
  });

  it('because the store is closed says so', async () => {
    const { repo } = await Bench.open();
    await repo.close();
    for (const work of [
      repo.getRound(ID),
      repo.updateRound(ID, () => undefined),
      repo.settle(ID, ballot(1)),
    ]) {
      expect((await rejected(work)).code).toBe('DKV_NOT_READY');
    }
    expect([...repo.unsettled()]).toEqual([]);
  });
});
