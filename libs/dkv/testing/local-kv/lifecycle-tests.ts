/** Opening and closing: what is there afterwards, and what is refused before and after. */
import assert from 'node:assert/strict';
import { type LocalKvRepo } from '../../src/ports/local-kv-repo.js';
import {
  assertSameRecord,
  type DefineRepoTest,
  IDENTITY,
  idOf,
  recordOf,
  rejectionOf,
  tombstoneOf,
} from './repo-under-test.js';

const ID = idOf(recordOf('k'));
const HINT = { nodeId: 'node-b', ...ID };

/** Every way to ask a repository for something. */
function requestsTo(repo: LocalKvRepo): Readonly<Record<string, () => Promise<unknown>>> {
  return {
    get: () => repo.get(ID),
    getNoValue: () => repo.getNoValue(ID),
    checkTombstone: () => repo.checkTombstone(ID),
    update: () => repo.update(ID, () => recordOf('k', 9)),
    getAllNoValue: () => repo.getAllNoValue()[Symbol.asyncIterator]().next(),
    getTree: async () => repo.getTree(0),
    raiseFloor: () => repo.raiseFloor(0, '018bcfe56800-0000-a!00000001'),
    raiseFence: () => repo.raiseFence(0, '018bcfe56800-0000-a!00000001'),
    hasCollectable: () => repo.hasCollectable(0, '018bcfe56800-0000-a!00000001'),
    expired: () => repo.expired(1, 1),
    addHint: () => repo.addHint(HINT),
    removeHint: () => repo.removeHint(HINT),
    getHints: () => repo.getHints('node-b', 1),
    getMeta: () => repo.getMeta('boot'),
    putMeta: () => repo.putMeta('boot', '1'),
  };
}

export function defineLifecycleTests(define: DefineRepoTest, durable: boolean): void {
  define('answers nothing once it is closed', async (under) => {
    await under.put(recordOf('k', 1));
    await under.repo.close();
    for (const [name, request] of Object.entries(requestsTo(under.repo))) {
      const { code } = await rejectionOf(request());
      assert.equal(code, 'DKV_NOT_READY', name);
    }
    assert.equal(under.repo.hintBytes, 0);
    assert.equal(under.repo.metrics().usage.size, 0);
  });

  define('closes once, however often it is told to', async (under) => {
    await Promise.all([under.repo.close(), under.repo.close()]);
    await under.repo.close();
  });

  define('refuses to be opened twice', async (under) => {
    await under.put(recordOf('k', 1));
    const { code } = await rejectionOf(under.repo.open(IDENTITY));
    assert.equal(code, 'DKV_STORE_LOCKED');
    assertSameRecord(await under.repo.get(ID), recordOf('k', 1));
  });

  define('ends what was asked before it closes, one way or the other', async (under) => {
    const { repo } = under;
    await Promise.all(Array.from({ length: 300 }, (_, at) => under.put(recordOf(`key-${at}`, 1))));
    const scan = repo.getAllNoValue()[Symbol.asyncIterator]();
    await scan.next();
    const work = [
      ...Array.from({ length: 50 }, (_, at) => repo.get(idOf(recordOf(`key-${at}`)))),
      ...Array.from({ length: 50 }, (_, at) => under.put(recordOf(`key-${at}`, 2))),
    ];
    const settled = Promise.allSettled(work);
    await repo.close();
    for (const outcome of await settled) {
      if (outcome.status === 'rejected') {
        assert.equal((outcome.reason as { code?: string }).code, 'DKV_NOT_READY');
      }
    }
    const rest = async () => {
      for (let step = await scan.next(); step.done !== true; step = await scan.next());
    };
    await rest().catch((error: { code?: string }) => assert.equal(error.code, 'DKV_NOT_READY'));
    await scan.return?.();
  });

  define('can be opened again after closing', async (under) => {
    await under.reopen();
    await under.put(recordOf('k', 1));
    assertSameRecord(await under.repo.get(ID), recordOf('k', 1));
  });

  if (durable) {
    defineDurabilityTests(define);
  }
}

function defineDurabilityTests(define: DefineRepoTest): void {
  define('has everything again after closing and opening', async (under) => {
    await Promise.all(Array.from({ length: 100 }, (_, at) => under.put(recordOf(`key-${at}`, 1), at % 4)));
    await under.put(tombstoneOf('key-0', 2));
    await under.repo.addHint(HINT);
    await under.repo.putMeta('boot', '7');
    const before = {
      trees: [0, 1, 2, 3, 4].map((partition) => under.repo.getTree(partition)),
      headers: await under.headers(),
      counts: await under.counts(),
      hintBytes: under.repo.hintBytes,
    };
    assert.deepEqual(before.counts, { keys: 99, tombstones: 1 });

    await under.reopen();

    const after = {
      trees: [0, 1, 2, 3, 4].map((partition) => under.repo.getTree(partition)),
      headers: await under.headers(),
      counts: await under.counts(),
      hintBytes: under.repo.hintBytes,
    };
    assert.deepEqual(after, before);
    assert.deepEqual(await under.repo.getHints('node-b', 10), [HINT]);
    assert.equal(await under.repo.getMeta('boot'), '7');
    assertSameRecord(await under.repo.get(idOf(recordOf('key-1'), 1)), recordOf('key-1', 1));
    await under.assertTreesAreRight();
  });

  define('still refuses older versions after closing and opening', async (under) => {
    await under.put(recordOf('k', 2));
    await under.reopen();
    await rejectionOf(under.put(recordOf('k', 1)));
    await under.put(recordOf('k', 3));
    await under.assertTreesAreRight();
  });

  define('goes on with its counters where it stopped', async (under) => {
    for (let round = 1; round <= 5; round++) {
      await under.put(recordOf(`key-${round}`, 1));
      await under.put(round % 2 === 0 ? tombstoneOf('k', round) : recordOf('k', round));
      await under.repo.addHint({ ...HINT, key: `key-${round}` });
      const bytes = under.repo.hintBytes;
      await under.reopen();
      assert.deepEqual(
        await under.counts(),
        round % 2 === 0 ? { keys: round, tombstones: 1 } : { keys: round + 1, tombstones: 0 },
      );
      assert.equal(under.repo.hintBytes, bytes);
    }
  });

  define('keeps what was acknowledged just before it closed', async (under) => {
    const { repo } = under;
    const acknowledged: string[] = [];
    const writes = Array.from({ length: 100 }, async (_, at) => {
      await under.put(recordOf(`key-${at}`, 1));
      acknowledged.push(`key-${at}`);
    });
    await writes[0];
    await repo.close();
    await Promise.allSettled(writes);
    assert.ok(acknowledged.length > 0);
    await under.reopen();
    const keys = new Set(await under.keys());
    assert.deepEqual(
      acknowledged.filter((key) => !keys.has(key)),
      [],
    );
    assert.equal((await under.counts()).keys, keys.size);
    await under.assertTreesAreRight();
  });
}
