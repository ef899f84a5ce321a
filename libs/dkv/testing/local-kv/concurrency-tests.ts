/** Many at once: changes of one key one after the other, changes of many keys together, reads in between. */
import assert from 'node:assert/strict';
import { type LocalKvRepo } from '../../src/ports/local-kv-repo.js';
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

/** The number that the record of `k` holds: how often it was incremented. */
const numberIn = (value: Uint8Array | undefined) => (value ? Number(Buffer.from(value).toString()) : 0);

function increment(repo: LocalKvRepo): Promise<unknown> {
  return repo.update(ID, (current) => {
    const next = numberIn(current?.value) + 1;
    return recordOf('k', next, { value: Buffer.from(`${next}`) });
  });
}

export function defineConcurrencyTests(define: DefineRepoTest): void {
  define('loses no change of a key that many change at once', async (under) => {
    const { repo } = under;
    await Promise.all(Array.from({ length: 200 }, () => increment(repo)));
    assert.equal(numberIn((await repo.get(ID))?.value), 200);
    assert.deepEqual(await under.counts(), { keys: 1, tombstones: 0 });
    await under.assertTreesAreRight();
  });

  define('changes a key in the order of asking, and goes on after a change that throws', async ({ repo }) => {
    const order: number[] = [];
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, at) =>
        repo.update(ID, () => {
          order.push(at);
          if (at % 3 === 1) {
            throw new Error(`change ${at}`);
          }
          return recordOf('k', at + 1);
        }),
      ),
    );
    assert.deepEqual(
      order,
      Array.from({ length: 20 }, (_, at) => at),
    );
    outcomes.forEach(({ status }, at) => assert.equal(status, at % 3 === 1 ? 'rejected' : 'fulfilled'));
    assert.equal((await repo.get(ID))?.version, versionAt(19 + 1 - (19 % 3 === 1 ? 1 : 0)));
  });

  define('shows a write to everybody once it is acknowledged, and never goes back', async ({ repo }) => {
    let acknowledged = 0;
    let isWriting = true;
    const write = async () => {
      for (let at = 1; at <= 100; at++) {
        await increment(repo);
        acknowledged = at;
      }
      isWriting = false;
    };
    const read = async () => {
      let seen = 0;
      while (isWriting) {
        const least = Math.max(acknowledged, seen);
        seen = numberIn((await repo.get(ID))?.value);
        assert.ok(seen >= least, `read ${seen} after ${least}`);
        // Lets writers and other readers run in between, also where a read takes no time.
        await new Promise((resolve) => void setImmediate(resolve));
      }
    };
    await Promise.all([write(), read(), read(), read()]);
  });

  define('keeps trees and counts right under many writes at once', async (under) => {
    const { repo } = under;
    await Promise.all(
      Array.from({ length: 600 }, (_, at) => {
        const key = `k${at % 150}`;
        const record = at % 5 === 0 ? tombstoneOf(key, at) : recordOf(key, at);
        return repo.update(idOf(record, at % 2), (current) =>
          current && current.version >= record.version ? undefined : record,
        );
      }),
    );
    const headers = await under.headers();
    const tombstones = headers.filter(({ tombstone }) => tombstone).length;
    assert.equal(headers.length, 150);
    assert.deepEqual(await under.counts(), { keys: headers.length - tombstones, tombstones });
    await under.assertTreesAreRight();
  });

  define('lets one key wait for nobody but itself', async ({ repo }) => {
    const others = Array.from({ length: 50 }, (_, at) => {
      const record = recordOf(`other-${at}`, 1);
      return repo.update(idOf(record, at % PARTITIONS), () => record);
    });
    await Promise.all([increment(repo), rejectionOf(repo.update(ID, () => recordOf('wrong'))), ...others]);
    assertSameRecord(await repo.get(ID), recordOf('k', 1, { value: Buffer.from('1') }));
  });
}
