/** The one way in: what a change is shown, what becomes of its result, what is refused. */
import assert from 'node:assert/strict';
import { type KvRecord } from '../../src/model/record.js';
import {
  assertSameRecord,
  type DefineRepoTest,
  idOf,
  PARTITIONS,
  recordOf,
  rejectionOf,
  tombstoneOf,
  versionAt,
} from './repo-under-test.js';

const ID = idOf(recordOf('k'));

export function defineUpdateTests(define: DefineRepoTest): void {
  define('shows a change the current record, once, tombstones included', async ({ repo }) => {
    const seen: (KvRecord | undefined)[] = [];
    for (const next of [recordOf('k', 1), tombstoneOf('k', 2), recordOf('k', 3)]) {
      await repo.update(ID, (current) => {
        seen.push(current);
        return next;
      });
    }
    assert.equal(seen.length, 3);
    assert.equal(seen[0], undefined);
    assertSameRecord(seen[1], recordOf('k', 1));
    assertSameRecord(seen[2], tombstoneOf('k', 2));
  });

  define('leaves the record as it is when the change says so', async ({ repo }) => {
    assert.equal(await repo.update(ID, () => undefined), undefined);
    await repo.update(ID, () => recordOf('k', 1));
    assertSameRecord(await repo.update(ID, () => undefined), recordOf('k', 1));
    assertSameRecord(await repo.get(ID), recordOf('k', 1));
  });

  define('throws what the change throws, and stores nothing', async ({ repo }) => {
    await repo.update(ID, () => recordOf('k', 1));
    const thrown = new Error('not today');
    const rejection = await rejectionOf(
      repo.update(ID, () => {
        throw thrown;
      }),
    );
    assert.equal(rejection, thrown);
    assertSameRecord(await repo.get(ID), recordOf('k', 1));
    assertSameRecord(await repo.update(ID, () => recordOf('k', 2)), recordOf('k', 2));
  });

  define('takes the record it has once more, and changes nothing', async (under) => {
    await under.put(recordOf('k', 1));
    const tree = under.repo.getTree(0);
    assertSameRecord(await under.repo.update(ID, () => recordOf('k', 1)), recordOf('k', 1));
    assert.deepEqual(under.repo.getTree(0), tree);
    assert.deepEqual(await under.counts(), { keys: 1, tombstones: 0 });
  });

  define('rejects an older version', async (under) => {
    await under.put(recordOf('k', 2));
    for (const older of [recordOf('k', 1), tombstoneOf('k', 1)]) {
      await rejectionOf(under.put(older));
    }
    assertSameRecord(await under.repo.get(ID), recordOf('k', 2));
    await under.assertTreesAreRight();
  });

  define('rejects other content of an equal version', async (under) => {
    await under.put(recordOf('k', 1));
    const others = [
      recordOf('k', 1, { value: Buffer.from('other') }),
      recordOf('k', 1, { expiresAtMs: 1 }),
      tombstoneOf('k', 1),
    ];
    for (const other of others) {
      await rejectionOf(under.put(other));
    }
    assertSameRecord(await under.repo.get(ID), recordOf('k', 1));
    assert.deepEqual(await under.counts(), { keys: 1, tombstones: 0 });
  });

  define("rejects another key's record", async ({ repo }) => {
    await rejectionOf(repo.update(ID, () => recordOf('other')));
    await rejectionOf(repo.update(ID, () => recordOf('k', 1, { namespace: 'other' })));
    assert.equal(await repo.get(ID), undefined);
    assert.equal(await repo.get(idOf(recordOf('other'))), undefined);
  });

  define('rejects a record that does not match its checksum', async ({ repo }) => {
    const record = recordOf('k', 1);
    await assert.rejects(
      repo.update(ID, () => ({ ...record, checksum: (record.checksum ^ 1) >>> 0 })),
      { code: 'DKV_CORRUPT_RECORD' },
    );
    assert.equal(await repo.get(ID), undefined);
  });

  define('rejects a partition that there is not', async ({ repo }) => {
    for (const partition of [-1, PARTITIONS, 0.5, Number.NaN]) {
      await rejectionOf(repo.get({ ...ID, partition }));
      await rejectionOf(repo.update({ ...ID, partition }, () => recordOf('k')));
      assert.throws(() => repo.getTree(partition));
    }
  });

  define('counts live records and tombstones', async (under) => {
    await under.put(recordOf('a', 1));
    await under.put(recordOf('b', 1), 1);
    await under.put(tombstoneOf('c', 1), 2);
    assert.deepEqual(await under.counts(), { keys: 2, tombstones: 1 });
    await under.put(recordOf('a', 2));
    assert.deepEqual(await under.counts(), { keys: 2, tombstones: 1 });
    await under.put(tombstoneOf('a', 3));
    await under.put(recordOf('c', 2), 2);
    await under.put(tombstoneOf('b', 2), 1);
    assert.deepEqual(await under.counts(), { keys: 1, tombstones: 2 });
    assert.ok(under.repo.metrics().storageBytes > 0);
    assert.ok(under.repo.metrics().engine.length > 0);
  });

  define('has no failure while nothing failed', async (under) => {
    await under.put(recordOf('k', 1));
    await rejectionOf(under.put(recordOf('k', 0)));
    assert.equal(under.repo.failure, undefined);
    assert.equal((await under.repo.getNoValue(ID))?.version, versionAt(1));
  });
}
