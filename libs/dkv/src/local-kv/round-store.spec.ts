/** The rounds of strong keys in the repository: durable before the answer, hidden until they are committed. */
import { describe, expect, it } from 'vitest';
import { rejected } from '../../testing/caught.js';
import { microtasks } from '../../testing/microtasks.js';
import { stampRecord } from '../model/record.js';
import { type RoundChange } from '../ports/local-kv-repo.js';
import { nameChecksum, openRoundsKey, recordKey, roundKey } from './disk-keys.js';
import { encodeNames } from './name-list-layout.js';
import { encodeRound } from './round-layout.js';
import { type StoreOperation } from './store-engine.js';

import {
  TWICE_BYTES_MAX,
  UNSETTLED_MAX,
  idOf,
  ID,
  ballot,
  recordOf,
  tombstoneOf,
  numbersOf,
  Bench,
  assertInStep,
  plain,
} from '../../testing/rounds-bench.js';

describe.each([
  ['without a cache', 0],
  ['with a cache', 1_000_000],
])('a round, %s,', (_, cacheBytesMax) => {
  it('of a key that nobody wrote is empty', async () => {
    const { repo } = await Bench.open({ cacheBytesMax });
    expect(await repo.getRound(ID)).toEqual({
      committed: undefined,
      promised: '',
      accepted: undefined,
      floor: '',
    });
  });

  it('keeps what it is given, and of the rest what it had; so after a restart', async () => {
    const bench = await Bench.open({ cacheBytesMax });
    const steps: [RoundChange, object][] = [
      [{ promised: ballot(2) }, { committed: 0, promised: 2, accepted: [0, 0] }],
      [
        { accepted: { ballot: ballot(2), record: recordOf('k', 2) } },
        { committed: 0, promised: 2, accepted: [2, 2] },
      ],
      [{ promised: ballot(4) }, { committed: 0, promised: 4, accepted: [2, 2] }],
      [{ committed: recordOf('k', 2) }, { committed: 2, promised: 4, accepted: [2, 2] }],
      [
        { accepted: { ballot: ballot(4), record: recordOf('k', 2) } },
        { committed: 2, promised: 4, accepted: [4, 2] },
      ],
      [
        { promised: ballot(6), accepted: { ballot: ballot(5), record: recordOf('k', 5) } },
        { committed: 2, promised: 6, accepted: [5, 5] },
      ],
      // Learnt from another node, above what was accepted here.
      [{ committed: recordOf('k', 7) }, { committed: 7, promised: 6, accepted: [5, 5] }],
    ];
    for (const [change, expected] of steps) {
      await bench.change('k', change);
      expect(await bench.round()).toEqual(expected);
      await bench.reopen({ cacheBytesMax });
      expect(await bench.round()).toEqual(expected);
    }
  });

  it.each([0, 1, TWICE_BYTES_MAX, TWICE_BYTES_MAX + 1, 100_000])(
    'has its records whole, of %i bytes, accepted and committed',
    async (bytes) => {
      const bench = await Bench.open({ cacheBytesMax });
      const [one, two] = [recordOf('k', 1, bytes), recordOf('k', 2, bytes)];
      await bench.accept(one);
      await bench.repo.settle(ID, ballot(1));
      const settled = await bench.repo.getRound(ID);
      expect(plain(settled.committed!)).toEqual(plain(one));
      expect(plain(settled.accepted!.record)).toEqual(plain(one));
      await bench.accept(two);
      await bench.reopen({ cacheBytesMax });
      const { committed, accepted } = await bench.repo.getRound(ID);
      expect(plain(committed!)).toEqual(plain(one));
      expect(plain(accepted!.record)).toEqual(plain(two));
    },
  );

  it('that its change leaves alone is not written', async () => {
    const bench = await Bench.open({ cacheBytesMax });
    await bench.change('k', { promised: ballot(2) });
    const before = bench.engine.batches.length;
    await bench.repo.updateRound(ID, () => undefined);
    expect(bench.engine.batches).toHaveLength(before);
  });
});

describe('an accepted record', () => {
  it('is shown to no reader, and counts nowhere', async () => {
    const bench = await Bench.open();
    await bench.accept(recordOf('k', 1));
    expect(await bench.shown()).toEqual({ version: undefined, header: undefined, listed: false });
    expect(bench.repo.metrics()).toMatchObject({ keys: 0, tombstones: 0 });
    await assertInStep(bench.repo);
    await bench.reopen();
    expect(await bench.shown()).toEqual({ version: undefined, header: undefined, listed: false });
    await assertInStep(bench.repo);
  });

  it('leaves in sight what was committed before it', async () => {
    const bench = await Bench.open();
    await bench.accept(recordOf('k', 1));
    await bench.repo.settle(ID, ballot(1));
    await bench.accept(tombstoneOf('k', 2));
    expect(await bench.shown()).toEqual({ version: ballot(1), header: ballot(1), listed: true });
    expect(await bench.repo.checkTombstone(ID)).toBeUndefined();
    await assertInStep(bench.repo);
  });

  it('that gives way to another is shown by nobody ever', async () => {
    const bench = await Bench.open();
    await bench.accept(recordOf('k', 1));
    await bench.accept(recordOf('k', 2));
    await bench.repo.settle(ID, ballot(1));
    expect(await bench.repo.get(ID)).toBeUndefined();
    await bench.repo.settle(ID, ballot(2));
    expect(await bench.repo.get(ID)).toMatchObject({ version: ballot(2) });
    // It waits for the one before.
    await bench.change('k', {});
    await assertInStep(bench.repo);
  });
});

describe('settle', () => {
  it.each<[string, { committed: number; accepted: number; settled: number }, shown: number]>([
    ['shows what was accepted', { committed: 0, accepted: 5, settled: 5 }, 5],
    ['shows it in the place of what was committed', { committed: 3, accepted: 5, settled: 5 }, 5],
    ['of an older version changes nothing', { committed: 3, accepted: 5, settled: 4 }, 3],
    ['of a version that never came changes nothing', { committed: 3, accepted: 5, settled: 6 }, 3],
    ['of what is committed changes nothing', { committed: 3, accepted: 3, settled: 3 }, 3],
    ['of what was overtaken by a newer one changes nothing', { committed: 7, accepted: 5, settled: 5 }, 7],
    ['of a key that has no round changes nothing', { committed: 0, accepted: 0, settled: 5 }, 0],
  ])('%s: %j', async (_, { committed, accepted, settled }, shown) => {
    const bench = await Bench.open();
    if (accepted) {
      await bench.accept(recordOf('k', accepted));
    }
    if (committed) {
      await bench.change('k', { committed: recordOf('k', committed) });
    }
    await bench.repo.settle(ID, ballot(settled));
    await bench.repo.settle(ID, ballot(settled));
    const expected = ballot(shown) || undefined;
    expect(await bench.repo.get(ID).then((record) => record?.version)).toBe(expected);
    await bench.reopen();
    expect(await bench.shown()).toEqual({ version: expected, header: expected, listed: shown > 0 });
    await assertInStep(bench.repo);
  });

  it('of a record that was proposed again goes by its version, not by its ballot', async () => {
    const bench = await Bench.open();
    await bench.accept(recordOf('k', 2), ballot(9));
    await bench.repo.settle(ID, ballot(9));
    expect(await bench.repo.get(ID)).toBeUndefined();
    await bench.repo.settle(ID, ballot(2));
    expect(await bench.repo.get(ID)).toMatchObject({ version: ballot(2) });
    expect(await bench.round()).toEqual({ committed: 2, promised: 9, accepted: [9, 2] });
  });

  it('of a tombstone takes the value out of sight and out of the count', async () => {
    const bench = await Bench.open();
    for (const record of [recordOf('k', 1), tombstoneOf('k', 2)]) {
      await bench.accept(record);
      await bench.repo.settle(ID, record.version);
    }
    expect(await bench.repo.checkTombstone(ID)).toBe(ballot(2));
    await bench.reopen();
    expect(bench.repo.metrics()).toMatchObject({ keys: 0, tombstones: 1 });
    await assertInStep(bench.repo);
  });

  it.each([0, 1_000_000])(
    'shows the record before it is on the disk (%i bytes of cache)',
    async (cacheBytesMax) => {
      const bench = await Bench.open({ cacheBytesMax });
      await bench.accept(recordOf('k', 1));
      await bench.repo.settle(ID, ballot(1));
      await bench.accept(recordOf('k', 2));
      const onDisk = () =>
        bench.engine.get(recordKey(ID)).then((bytes) => Buffer.from(bytes!).toString('latin1'));
      const release = bench.holdUp();
      await bench.repo.settle(ID, ballot(2));
      expect(await bench.repo.get(ID)).toMatchObject({ version: ballot(2) });
      expect(await bench.repo.getNoValue(ID)).toMatchObject({ version: ballot(2) });
      expect(await onDisk()).toContain(ballot(1));
      release();
      // Behind it in the queue of the key.
      await bench.repo.updateRound(ID, () => undefined);
      expect(await onDisk()).toContain(ballot(2));
      expect(await bench.repo.get(ID)).toMatchObject({ version: ballot(2) });
      await assertInStep(bench.repo);
    },
  );

  it('is taken while other writes are refused, up to as many bytes again', async () => {
    const bench = await Bench.open({ pendingBytesMax: 10_000 });
    const keys = Array.from({ length: 12 }, (_, at) => `k${at}`);
    for (const key of keys) {
      await bench.accept(recordOf(key, 1, 2_000));
    }
    const release = bench.holdUp();
    const settling = keys.map((key) =>
      bench.repo.settle(idOf(key), ballot(1)).then(
        () => 'shown',
        (error: { code: string }) => error.code,
      ),
    );
    await microtasks();
    expect((await rejected(bench.accept(recordOf('other', 1)))).code).toBe('DKV_OVERLOADED');
    release();
    const outcomes = await Promise.all(settling);
    const shown = outcomes.filter((outcome) => outcome === 'shown').length;
    expect(shown).toBeGreaterThan(5);
    expect(shown).toBeLessThan(12);
    expect(outcomes.filter((outcome) => outcome !== 'shown').every((code) => code === 'DKV_OVERLOADED')).toBe(
      true,
    );
    expect(bench.repo.failure).toBeUndefined();
  });

  it('that the disk failed to keep leaves the record in sight: readers never go back', async () => {
    const bench = await Bench.open();
    await bench.accept(recordOf('k', 1));
    bench.engine.batchError = new Error('EIO');
    await bench.repo.settle(ID, ballot(1));
    await microtasks();
    expect(bench.repo.failure).toBeDefined();
    expect(await bench.repo.get(ID)).toMatchObject({ version: ballot(1) });
    bench.engine.batchError = undefined;
    await bench.reopen();
    // Nothing is lost: it is still accepted, and still to be settled.
    expect(await bench.round()).toEqual({ committed: 0, promised: 1, accepted: [1, 1] });
    expect(bench.unsettled).toEqual(['k']);
    await bench.repo.settle(ID, ballot(1));
    expect(await bench.repo.get(ID)).toMatchObject({ version: ballot(1) });
  });

  it.each([
    [TWICE_BYTES_MAX, true],
    [TWICE_BYTES_MAX + 1, false],
    [100_000, false],
  ])('of a value of %i bytes keeps it twice: %s', async (bytes, twice) => {
    const bench = await Bench.open();
    await bench.accept(recordOf('k', 1, bytes));
    const before = await bench.bytesAt(roundKey(ID));
    expect(before).toBeGreaterThan(bytes);
    await bench.repo.settle(ID, ballot(1));
    await bench.repo.updateRound(ID, () => undefined);
    const after = await bench.bytesAt(roundKey(ID));
    expect(after === before).toBe(twice);
    expect(after < 200).toBe(!twice);
    expect(await bench.bytesAt(recordKey(ID))).toBeGreaterThan(bytes);
  });

  it('a large value, once left out, comes back into the round before the next one takes its place', async () => {
    const bench = await Bench.open();
    const large = recordOf('k', 1, 10_000);
    await bench.accept(large);
    await bench.repo.settle(ID, ballot(1));
    await bench.change('k', { promised: ballot(3) });
    // A newer one is learnt; what was accepted here is still the old one.
    await bench.change('k', { committed: recordOf('k', 4, 10_000) });
    await bench.reopen();
    const { accepted } = await bench.repo.getRound(ID);
    expect(plain(accepted!.record)).toEqual(plain(large));
  });
});

describe('the keys with an open round', () => {
  it.each<[string, RoundChange[], boolean]>([
    ['a promise opens none', [{ promised: ballot(1) }], false],
    ['an accepted record does', [{ accepted: acceptedAt(1) }], true],
    ['that is committed does not', [{ accepted: acceptedAt(1) }, { committed: recordOf('k', 1) }], false],
    ['that is committed at once does not', [{ accepted: acceptedAt(1), committed: recordOf('k', 1) }], false],
    [
      'that is overtaken by a commit does not',
      [{ accepted: acceptedAt(1) }, { committed: recordOf('k', 2) }],
      false,
    ],
    [
      'above a commit does',
      [{ accepted: acceptedAt(1), committed: recordOf('k', 1) }, { accepted: acceptedAt(2) }],
      true,
    ],
    [
      'that is the committed one, proposed again, does not',
      [
        { accepted: acceptedAt(1), committed: recordOf('k', 1) },
        { accepted: { ballot: ballot(5), record: recordOf('k', 1) } },
      ],
      false,
    ],
    [
      'that took the place of another one does',
      [{ accepted: acceptedAt(1) }, { accepted: acceptedAt(2) }],
      true,
    ],
    ['a commit without a round opens none', [{ committed: recordOf('k', 1) }], false],
  ])('%s', async (_, changes, open) => {
    const bench = await Bench.open();
    for (const change of changes) {
      await bench.change('k', change);
    }
    expect([bench.unsettled, await bench.marks()]).toEqual(open ? [['k'], 1] : [[], 0]);
    await bench.reopen();
    expect([bench.unsettled, await bench.marks()]).toEqual(open ? [['k'], 1] : [[], 0]);
  });

  function acceptedAt(at: number) {
    return { ballot: ballot(at), record: recordOf('k', at) };
  }

  it('are named as they are, whatever is in the name, also after a restart', async () => {
    const bench = await Bench.open();
    const ids = [
      { partition: 0, namespace: 'n', key: 'a\0b' },
      { partition: 3, namespace: 'é', key: '__proto__' },
      { partition: 3, namespace: 'n', key: '\u{1f642}'.repeat(256) },
    ];
    for (const id of ids) {
      const record = stampRecord({ ...recordOf(id.key, 1), namespace: id.namespace });
      await bench.repo.updateRound(id, () => ({ accepted: { ballot: ballot(1), record } }));
    }
    expect([...bench.repo.unsettled()]).toEqual(ids);
    await bench.reopen();
    expect(new Set(bench.repo.unsettled())).toEqual(new Set(ids));
  });

  it('come oldest first', async () => {
    const bench = await Bench.open();
    for (const key of ['c', 'a', 'b']) {
      await bench.accept(recordOf(key, 1));
    }
    await bench.repo.settle(idOf('a'), ballot(1));
    await bench.repo.updateRound(idOf('a'), () => undefined);
    await bench.accept(recordOf('a', 2));
    expect(bench.unsettled).toEqual(['c', 'b', 'a']);
  });

  it('are in one batch with their round', async () => {
    const bench = await Bench.open();
    await bench.accept(recordOf('k', 1));
    await bench.repo.settle(ID, ballot(1));
    await bench.repo.updateRound(ID, () => undefined);
    const kindsOf = (operations: readonly StoreOperation[]) =>
      operations.flatMap(({ type, key }) =>
        Buffer.compare(key, roundKey(ID)) === 0
          ? `${type} round`
          : Buffer.compare(key, openRoundsKey(1)) === 0
            ? `${type} list`
            : Buffer.compare(key, recordKey(ID)) === 0
              ? `${type} record`
              : [],
      );
    expect(bench.engine.batches.map(kindsOf)).toEqual([
      ['put round', 'put list'],
      // The round has the record already, under the ballot that it has.
      ['put record', 'del list'],
    ]);
  });

  it('are bounded: then no other key may be accepted, and those that are open go on', async () => {
    const bench = new Bench();
    const ids = Array.from({ length: UNSETTLED_MAX }, (_, at) => idOf(`k${at}`));
    const operations = ids.map((id): StoreOperation => {
      const round = { promised: '', ballot: ballot(1), version: ballot(1), record: recordOf(id.key, 1) };
      const value = encodeRound({ ...id, checksum: nameChecksum(id) }, round);
      return { type: 'put', key: roundKey(id), value };
    });
    const list: StoreOperation = { type: 'put', key: openRoundsKey(1), value: encodeNames(ids) };
    await bench.engine.batch([...operations, list]);
    await bench.reopen();
    const error = await rejected(bench.accept(recordOf('other', 1)));
    expect(error.code).toBe('DKV_OVERLOADED');
    expect(error.message).toMatch(/100000 keys of \/data\/n1/);
    expect(await bench.round('other')).toEqual({ committed: 0, promised: 0, accepted: [0, 0] });
    await bench.change('other', { promised: ballot(1), committed: recordOf('other', 1) });
    await bench.accept(recordOf('k5', 1));
    await bench.repo.settle(idOf('k5'), ballot(1));
    await bench.repo.updateRound(idOf('k5'), () => undefined);
    await bench.accept(recordOf('other', 2));
    expect(bench.repo.failure).toBeUndefined();
  });
});

describe('changes of one key', () => {
  it('follow each other, each seeing what the one before left', async () => {
    const bench = await Bench.open();
    const seen: object[] = [];
    await Promise.all(
      Array.from({ length: 200 }, (_, at) =>
        bench.repo.updateRound(ID, (round) => {
          seen.push(numbersOf(round));
          return { promised: ballot(at + 1) };
        }),
      ),
    );
    expect(seen).toEqual(
      Array.from({ length: 200 }, (_, at) => ({ committed: 0, promised: at, accepted: [0, 0] })),
    );
  });

  it('of its record and of its round take turns', async () => {
    const bench = await Bench.open();
    const order: string[] = [];
    const release = bench.holdUp();
    const works = [
      bench.repo.updateRound(ID, () => {
        order.push('round');
        return { promised: ballot(1), committed: recordOf('k', 1) };
      }),
      bench.repo.update(ID, (current) => {
        order.push(`record, upon ${current?.version}`);
        return recordOf('k', 2);
      }),
      bench.repo.updateRound(ID, ({ committed }) => {
        order.push(`round, upon ${committed?.version}`);
        return undefined;
      }),
    ];
    await microtasks();
    expect(order).toEqual(['round']);
    release();
    await Promise.all(works);
    expect(order).toEqual(['round', `record, upon ${ballot(1)}`, `round, upon ${ballot(2)}`]);
    await assertInStep(bench.repo);
  });

  it('wait for a settle that shows its record already, and see it', async () => {
    const bench = await Bench.open();
    await bench.accept(recordOf('k', 1));
    const release = bench.holdUp();
    await bench.repo.settle(ID, ballot(1));
    let seen: object | undefined;
    const update = bench.repo.updateRound(ID, (round) => void (seen = numbersOf(round)));
    await microtasks();
    expect(seen).toBeUndefined();
    release();
    await update;
    expect(seen).toEqual({ committed: 1, promised: 1, accepted: [1, 1] });
  });

  it('do not wait for those of another key', async () => {
    const bench = await Bench.open();
    const release = bench.holdUp();
    const waiting = bench.change('k', { promised: ballot(1) });
    await microtasks();
    const seen: string[] = [];
    await bench.repo.updateRound(idOf('l'), () => void seen.push('l'));
    expect(seen).toEqual(['l']);
    release();
    await waiting;
  });

  it('are not done before they are on the disk', async () => {
    const bench = await Bench.open();
    const release = bench.holdUp();
    let done = false;
    const promise = bench.change('k', { promised: ballot(1) }).then(() => (done = true));
    await microtasks();
    expect(done).toBe(false);
    release();
    await promise;
  });
});
