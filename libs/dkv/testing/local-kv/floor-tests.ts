/** Floors and fences: what they erase, what they leave, what survives; and the index of what expires. */
import assert from 'node:assert/strict';
import { type LocalKvRepo } from '../../src/ports/local-kv-repo.js';
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
export function defineFloorTests(define: DefineRepoTest, durable: boolean): void {
  defineErasureTests(define);
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

function defineFenceTests(define: DefineRepoTest): void {
  define('never lowers a fence, which is of its partition alone', async ({ repo }) => {
    await repo.raiseFence(0, versionAt(5));
    await repo.raiseFence(0, versionAt(4));
    assert.equal(repo.fenceOf(0), versionAt(5));
    assert.equal(repo.fenceOf(1), '');
    assert.equal(repo.floorOf(0), '');
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
