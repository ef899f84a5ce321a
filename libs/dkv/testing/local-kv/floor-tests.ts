/** Floors and fences: what they erase, what they leave, what survives; and the index of what expires. */
import assert from 'node:assert/strict';
import { type RecordId } from '../../src/model/key.js';
import { type KvRecord } from '../../src/model/record.js';
import { type LocalKvRepo, type RoundChange } from '../../src/ports/local-kv-repo.js';
import {
  assertSameRecord,
  type DefineRepoTest,
  idOf,
  PARTITIONS,
  recordOf,
  rejectionOf,
  type RepoUnderTest,
  tombstoneOf,
  versionAt,
} from './repo-under-test.js';

const ID = idOf(recordOf('k'));
const store = (repo: LocalKvRepo, change: RoundChange, id: RecordId = ID) =>
  repo.updateRound(id, () => change);
/** As a round leaves it: accepted under a ballot, committed, the next ballot promised. */
const settled = (record: KvRecord, ballot: number, promised = ballot): RoundChange => ({
  promised: versionAt(promised),
  accepted: { ballot: versionAt(ballot), record },
  committed: record,
});

export function defineFloorTests(define: DefineRepoTest, durable: boolean): void {
  defineErasureTests(define);
  defineRoundTests(define);
  defineFenceTests(define);
  defineExpiryTests(define);
  if (durable) {
    defineReopeningTests(define);
  }
}

function defineErasureTests(define: DefineRepoTest): void {
  define('erases the tombstones of a partition up to its floor and nothing else', async (under) => {
    const { repo } = under;
    await Promise.all([
      under.put(tombstoneOf('old', 5)),
      under.put(tombstoneOf('at the floor', 6)),
      under.put(tombstoneOf('newer', 7)),
      under.put(recordOf('alive', 1)),
      under.put(recordOf('expired', 1, { expiresAtMs: 1 })),
      under.put(tombstoneOf('elsewhere', 5), 1),
    ]);
    assert.equal(repo.floorOf(0), '');
    assert.equal(await repo.raiseFloor(0, versionAt(6)), 2);
    assert.equal(repo.floorOf(0), versionAt(6));
    assert.equal(repo.floorOf(1), '');
    assert.deepEqual((await under.keys({ partition: 0 })).sort(), ['alive', 'expired', 'newer']);
    assert.equal(await repo.get(idOf(recordOf('old'))), undefined);
    assert.equal(await repo.checkTombstone(idOf(recordOf('old'))), undefined);
    assert.deepEqual(await under.counts(), { keys: 2, tombstones: 2 });
    await under.assertTreesAreRight();
  });

  define('never lowers a floor', async ({ repo }) => {
    await repo.raiseFloor(3, versionAt(6));
    assert.equal(await repo.raiseFloor(3, versionAt(2)), 0);
    assert.equal(repo.floorOf(3), versionAt(6));
  });

  define('erases any number of tombstones, and finishes what was left', async (under) => {
    const { repo } = under;
    await Promise.all(Array.from({ length: 300 }, (_, at) => under.put(tombstoneOf(`key-${at}`, at))));
    assert.equal(await repo.hasCollectable(0, versionAt(199)), true);
    assert.equal(await repo.raiseFloor(0, versionAt(199)), 200);
    assert.deepEqual(await under.counts(), { keys: 0, tombstones: 100 });
    assert.equal(await repo.hasCollectable(0, versionAt(199)), false);
    await under.put(tombstoneOf('late', 100));
    assert.equal(await repo.hasCollectable(0, versionAt(199)), true);
    assert.equal(await repo.raiseFloor(0, versionAt(150)), 1);
    assert.equal(await repo.get(idOf(recordOf('late'))), undefined);
    await under.assertTreesAreRight();
  });

  define('leaves a key that was written again', async (under) => {
    const { repo } = under;
    await under.put(tombstoneOf('k', 1));
    const [erased] = await Promise.all([repo.raiseFloor(0, versionAt(5)), under.put(recordOf('k', 9))]);
    assert.ok(erased <= 1);
    assertSameRecord(await repo.get(ID), recordOf('k', 9));
    assert.deepEqual(await under.counts(), { keys: 1, tombstones: 0 });
    assert.equal(await repo.hasCollectable(0, versionAt(9)), false);
    await under.assertTreesAreRight();
  });

  define('finds a key as collectable for as long as it has a tombstone', async (under) => {
    const { repo } = under;
    const isMarked = () => repo.hasCollectable(0, versionAt(100));
    await under.put(recordOf('k', 1));
    assert.equal(await isMarked(), false);
    await under.put(tombstoneOf('k', 2));
    assert.equal(await isMarked(), true);
    assert.equal(await repo.hasCollectable(0, versionAt(1)), false);
    assert.equal(await repo.hasCollectable(1, versionAt(100)), false);
    await under.put(tombstoneOf('k', 3));
    await under.put(recordOf('k', 4));
    assert.equal(await isMarked(), false);
  });

  define('refuses what is no partition or no version', async ({ repo }) => {
    await rejectionOf(repo.raiseFloor(PARTITIONS, versionAt(1)));
    await rejectionOf(repo.raiseFloor(0, 'yesterday'));
    await rejectionOf(repo.raiseFence(0, ''));
    await rejectionOf(repo.hasCollectable(-1, versionAt(1)));
  });
}

function defineRoundTests(define: DefineRepoTest): void {
  define('erases a round with its tombstone when nothing of it is above the floor', async ({ repo }) => {
    await store(repo, settled(tombstoneOf('k', 2), 4, 5));
    assert.equal(await repo.raiseFloor(0, versionAt(5)), 1);
    const { committed, accepted, promised, floor } = await repo.getRound(ID);
    assert.deepEqual([committed, accepted], [undefined, undefined]);
    assert.deepEqual([promised, floor], [versionAt(5), versionAt(5)]);
    assert.equal(await repo.hasCollectable(0, versionAt(100)), false);
  });

  define('keeps of a round with a higher ballot or promise all but the record', async (under) => {
    const { repo } = under;
    const tombstone = tombstoneOf('k', 2);
    for (const [ballot, promised, key] of [
      [2, 9, 'promised'],
      [9, 9, 'accepted'],
    ] as const) {
      const id = { ...ID, key };
      const record = tombstoneOf(key, 2);
      await store(repo, settled(record, ballot, promised), id);
      assert.equal(await repo.raiseFloor(0, versionAt(5)), 1);
      const round = await repo.getRound(id);
      assert.deepEqual([round.committed, round.promised], [undefined, versionAt(9)]);
      assert.equal(round.accepted?.ballot, versionAt(ballot));
      assertSameRecord(round.accepted?.record, record);
      assert.deepEqual([...repo.unsettled()], []);
      // A late notice does not bring the tombstone back.
      await repo.settle(id, tombstone.version);
      assert.equal(await repo.get(id), undefined);
      await repo.raiseFloor(0, versionAt(8));
      assert.equal((await repo.getRound(id)).promised, versionAt(9));
    }
    assert.deepEqual(await under.counts(), { keys: 0, tombstones: 0 });
    assert.equal(await repo.raiseFloor(0, versionAt(9)), 0);
    assert.equal((await repo.getRound({ ...ID, key: 'accepted' })).accepted, undefined);
    assert.equal(await repo.hasCollectable(0, versionAt(100)), false);
  });

  define(
    'accepts the tombstone again where its record is gone, and opens no round by it',
    async ({ repo }) => {
      const tombstone = tombstoneOf('k', 2);
      await store(repo, settled(tombstone, 2));
      await repo.raiseFloor(0, versionAt(5));
      await store(repo, { promised: versionAt(7), accepted: { ballot: versionAt(7), record: tombstone } });
      assert.deepEqual([...repo.unsettled()], []);
      assert.equal((await repo.getRound(ID)).accepted?.ballot, versionAt(7));
      assert.equal(await repo.hasCollectable(0, versionAt(6)), false);
      await repo.raiseFloor(0, versionAt(7));
      assert.equal((await repo.getRound(ID)).accepted, undefined);
    },
  );

  define('leaves a round alone that is open above the floor', async (under) => {
    const { repo } = under;
    const next = recordOf('k', 8);
    await store(repo, settled(tombstoneOf('k', 2), 2));
    await store(repo, { accepted: { ballot: versionAt(8), record: next } });
    assert.equal(await repo.raiseFloor(0, versionAt(5)), 1);
    assert.deepEqual([...repo.unsettled()], [ID]);
    await repo.settle(ID, next.version);
    assertSameRecord(await repo.get(ID), next);
    await repo.raiseFloor(0, versionAt(9));
    assertSameRecord((await repo.getRound(ID)).accepted?.record, next);
    assert.deepEqual(await under.counts(), { keys: 1, tombstones: 0 });
    await under.assertTreesAreRight();
  });

  define('closes an open round that the floor has overtaken when it is looked at', async ({ repo }) => {
    await store(repo, { accepted: { ballot: versionAt(7), record: tombstoneOf('k', 2) } });
    await repo.raiseFloor(0, versionAt(5));
    await repo.updateRound(ID, () => undefined);
    assert.deepEqual([...repo.unsettled()], []);
    await repo.raiseFloor(0, versionAt(7));
    assert.equal((await repo.getRound(ID)).accepted, undefined);
  });

  define('closes such a round with the tombstone before it', async ({ repo }) => {
    await store(repo, settled(tombstoneOf('k', 2), 2));
    await store(repo, {
      promised: versionAt(4),
      accepted: { ballot: versionAt(4), record: tombstoneOf('k', 4) },
    });
    assert.deepEqual([...repo.unsettled()], [ID]);
    await repo.raiseFloor(0, versionAt(5));
    assert.deepEqual([...repo.unsettled()], []);
    assert.equal((await repo.getRound(ID)).accepted, undefined);
  });

  define('erases promises for keys that have nothing else', async ({ repo }) => {
    await store(repo, { promised: versionAt(3) });
    await store(repo, { promised: versionAt(4) });
    assert.equal(await repo.hasCollectable(0, versionAt(3)), false);
    assert.equal(await repo.hasCollectable(0, versionAt(4)), true);
    await repo.raiseFloor(0, versionAt(3));
    assert.equal((await repo.getRound(ID)).promised, versionAt(4));
    await repo.raiseFloor(0, versionAt(4));
    assert.equal(await repo.hasCollectable(0, versionAt(100)), false);
  });

  define('has no promise to erase once something was accepted', async ({ repo }) => {
    await store(repo, { promised: versionAt(3) });
    await store(repo, { accepted: { ballot: versionAt(3), record: recordOf('k', 3) } });
    assert.equal(await repo.hasCollectable(0, versionAt(100)), false);
    await repo.settle(ID, versionAt(3));
    assert.equal(await repo.hasCollectable(0, versionAt(100)), false);
    await store(repo, settled(tombstoneOf('k', 6), 6));
    assert.equal(await repo.hasCollectable(0, versionAt(5)), false);
    assert.equal(await repo.hasCollectable(0, versionAt(6)), true);
  });
}

function defineFenceTests(define: DefineRepoTest): void {
  define('takes a fence for a promise of every key of its partition', async ({ repo }) => {
    await store(repo, { promised: versionAt(3) });
    await repo.raiseFence(0, versionAt(5));
    await repo.raiseFence(0, versionAt(4));
    assert.equal(repo.fenceOf(0), versionAt(5));
    assert.equal(repo.fenceOf(1), '');
    assert.equal(repo.floorOf(0), '');
    assert.equal((await repo.getRound(ID)).promised, versionAt(5));
    assert.equal((await repo.getRound({ ...ID, partition: 1 })).promised, '');
    await store(repo, { promised: versionAt(7) });
    assert.equal((await repo.getRound(ID)).promised, versionAt(7));
  });

  define('is fenced wherever it has a floor', async ({ repo }) => {
    await repo.raiseFloor(0, versionAt(5));
    assert.equal(repo.fenceOf(0), versionAt(5));
    await repo.raiseFence(0, versionAt(9));
    assert.deepEqual([repo.floorOf(0), repo.fenceOf(0)], [versionAt(5), versionAt(9)]);
  });

  define('has in the store what did not see the fence, once the fence is durable', async (under) => {
    const { repo } = under;
    let missed = 0;
    const writes = Array.from({ length: 40 }, (_, at) =>
      repo.update(idOf(recordOf(`key-${at}`)), () => {
        missed += repo.fenceOf(0) === '' ? 1 : 0;
        return repo.fenceOf(0) === '' ? recordOf(`key-${at}`, 1) : undefined;
      }),
    );
    await repo.raiseFence(0, versionAt(5));
    assert.equal((await under.keys({ partition: 0 })).length, missed);
    await Promise.all(writes);
    assert.equal((await under.keys({ partition: 0 })).length, missed);
  });
}

function defineExpiryTests(define: DefineRepoTest): void {
  const keysOf = async (repo: LocalKvRepo, nowMs: number, limit = 100) =>
    (await repo.expired(nowMs, limit)).map(({ key }) => key);
  const expiring = (key: string, expiresAtMs: number, at = 1) => recordOf(key, at, { expiresAtMs });

  define('finds what has expired, the earliest first, in pages', async (under) => {
    const { repo } = under;
    await under.put(expiring('late', 3_000_000_000_000));
    await under.put(expiring('second', 2_000), 7);
    await under.put(expiring('first', 1_000), 9);
    await under.put(expiring('third', 2_000), 8);
    await under.put(recordOf('never'));
    assert.deepEqual(await keysOf(repo, 999), []);
    assert.deepEqual(await repo.expired(1_000, 9), [
      { partition: 9, ...nameOf('first'), expiresAtMs: 1_000 },
    ]);
    assert.deepEqual(await keysOf(repo, 5_000), ['first', 'second', 'third']);
    assert.deepEqual(await keysOf(repo, 5_000, 2), ['first', 'second']);
    assert.deepEqual(await keysOf(repo, 5_000, 0), []);
    const [, second] = await repo.expired(5_000, 2);
    assert.deepEqual(
      (await repo.expired(5_000, 2, second)).map(({ key }) => key),
      ['third'],
    );
    assert.deepEqual(await keysOf(repo, 3_000_000_000_000), ['first', 'second', 'third', 'late']);
  });

  define('forgets an expiry with its value', async (under) => {
    const { repo } = under;
    await under.put(expiring('k', 1_000, 1));
    await under.put(expiring('k', 2_000, 2));
    assert.deepEqual(await repo.expired(1_999, 9), []);
    await under.put(expiring('k', 2_000, 3));
    assert.deepEqual(await keysOf(repo, 2_000), ['k']);
    await under.put(tombstoneOf('k', 4));
    assert.deepEqual(await repo.expired(9_999, 9), []);
    await under.put(expiring('k', 3_000, 5));
    await under.put(recordOf('k', 6));
    assert.deepEqual(await repo.expired(9_999, 9), []);
  });

  define('finds what rounds made expire', async ({ repo }) => {
    await store(repo, settled(expiring('k', 1_000, 2), 2));
    assert.deepEqual(await keysOf(repo, 1_000), ['k']);
    await store(repo, settled(expiring('k', 5_000, 3), 3));
    assert.deepEqual(await keysOf(repo, 1_000), []);
  });
}

function nameOf(key: string): { namespace: string; key: string } {
  return { namespace: 'default', key };
}

function defineReopeningTests(define: DefineRepoTest): void {
  define(
    'has its floors, fences and indexes again after closing and opening',
    async (under: RepoUnderTest) => {
      await under.put(tombstoneOf('gone', 1));
      await under.put(tombstoneOf('kept', 8));
      await under.put(recordOf('expiring', 1, { expiresAtMs: 1_000 }), 2);
      await under.repo.raiseFloor(0, versionAt(5));
      await under.repo.raiseFence(0, versionAt(7));
      await under.repo.raiseFence(4, versionAt(6));
      await under.reopen();
      const { repo } = under;
      assert.deepEqual([repo.floorOf(0), repo.fenceOf(0)], [versionAt(5), versionAt(7)]);
      assert.deepEqual([repo.floorOf(4), repo.fenceOf(4)], ['', versionAt(6)]);
      assert.deepEqual(await under.keys({ partition: 0 }), ['kept']);
      assert.equal(await repo.hasCollectable(0, versionAt(7)), false);
      assert.equal(await repo.hasCollectable(0, versionAt(8)), true);
      assert.equal((await repo.expired(1_000, 9)).length, 1);
      assert.deepEqual(await under.counts(), { keys: 1, tombstones: 1 });
      await under.assertTreesAreRight();
    },
  );
}
