/** What a node takes away of a partition that is on other nodes: records one by one, then what it keeps beside them. */
import assert from 'node:assert/strict';
import { type DefineRepoTest, idOf, recordOf, tombstoneOf, versionAt } from './repo-under-test.js';

export function defineErasureTests(define: DefineRepoTest, durable: boolean): void {
  define('erases a record of that version, with all that is kept for it', async (under) => {
    const { repo } = under;
    await Promise.all([
      under.put(recordOf('alive', 1)),
      under.put(recordOf('expires', 2, { expiresAtMs: 1 })),
      under.put(tombstoneOf('deleted', 3)),
      under.put(recordOf('other', 4)),
    ]);
    for (const [key, version] of [
      ['alive', 1],
      ['expires', 2],
      ['deleted', 3],
    ] as const) {
      assert.equal(await repo.erase(idOf(recordOf(key)), versionAt(version)), true);
      assert.equal(await repo.get(idOf(recordOf(key))), undefined);
    }
    assert.deepEqual(await under.keys({ partition: 0 }), ['other']);
    assert.deepEqual(await under.counts(), { keys: 1, tombstones: 0 });
    assert.deepEqual(await repo.expired(10, 10), []);
    assert.equal(await repo.hasCollectable(0, versionAt(9)), false);
    await under.assertTreesAreRight();
  });

  define('leaves a record of another version, and takes no harm of none', async (under) => {
    const { repo } = under;
    await under.put(recordOf('k', 2));
    assert.equal(await repo.erase(idOf(recordOf('k')), versionAt(1)), false);
    assert.equal(await repo.erase(idOf(recordOf('absent')), versionAt(1)), false);
    assert.deepEqual(await under.keys({ partition: 0 }), ['k']);
    await under.assertTreesAreRight();
  });

  define('takes a record again that was erased', async (under) => {
    const { repo } = under;
    await under.put(recordOf('k', 2));
    await repo.erase(idOf(recordOf('k')), versionAt(2));
    await under.put(recordOf('k', 1));
    assert.equal((await repo.get(idOf(recordOf('k'))))?.version, versionAt(1));
    await under.assertTreesAreRight();
  });

  define('names the partitions that have records, floors or fences', async (under) => {
    const { repo } = under;
    assert.deepEqual(repo.heldPartitions(), []);
    await under.put(recordOf('k', 1), 2);
    await under.put(tombstoneOf('gone', 1), 1);
    await repo.raiseFence(3, versionAt(1));
    assert.deepEqual(repo.heldPartitions(), [1, 2, 3]);
    await repo.erase({ ...idOf(recordOf('k')), partition: 2 }, versionAt(1));
    assert.deepEqual(repo.heldPartitions(), [1, 3]);
  });

  define('forgets floor, fence and hints of one partition', async ({ repo }) => {
    const hints = Array.from({ length: 300 }, (_, at) => ({
      nodeId: at % 2 ? 'b' : 'c',
      partition: 0,
      namespace: 'default',
      key: `k${at}`,
    }));
    const other = { ...hints[1]!, partition: 1 };
    await Promise.all([...hints, other].map((hint) => repo.addHint(hint)));
    await repo.raiseFloor(0, versionAt(5));
    await repo.raiseFloor(1, versionAt(6));
    await repo.forgetBounds(0);
    assert.deepEqual([repo.floorOf(0), repo.fenceOf(0)], ['', '']);
    assert.deepEqual([repo.floorOf(1), repo.fenceOf(1)], [versionAt(6), versionAt(6)]);
    assert.deepEqual(await repo.getHints('b', 1_000), [other]);
    assert.deepEqual(await repo.getHints('c', 1_000), []);
    await repo.removeHint(other);
    assert.equal(repo.hintBytes, 0);
  });

  if (durable) {
    define('has nothing back of what was taken away, when it is opened again', async (under) => {
      await under.put(recordOf('k', 1));
      await under.repo.raiseFloor(0, versionAt(1));
      await under.repo.forgetBounds(0);
      await under.repo.erase(idOf(recordOf('k')), versionAt(1));
      await under.reopen();
      assert.deepEqual(under.repo.heldPartitions(), []);
      assert.deepEqual(await under.keys({ partition: 0 }), []);
      await under.assertTreesAreRight();
    });
  }
}
