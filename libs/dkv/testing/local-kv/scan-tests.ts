/** Scans and hash trees: what anti-entropy and the transfer of partitions build on. */
import assert from 'node:assert/strict';
import { headerOf } from '../../src/model/record.js';
import { type HeaderRange, TREE_BUCKETS } from '../../src/ports/local-kv-repo.js';
import {
  type DefineRepoTest,
  idOf,
  PARTITIONS,
  recordOf,
  rejectionOf,
  RepoUnderTest,
  tombstoneOf,
} from './repo-under-test.js';

const keysOf = (count: number) => Array.from({ length: count }, (_, at) => `key-${at}`);

/** Stores `keys` in partition 0, and one key of its own in its neighbours. */
async function fill(under: RepoUnderTest, keys: readonly string[]): Promise<void> {
  await Promise.all(keys.map((key, at) => under.put(at % 10 === 0 ? tombstoneOf(key, 1) : recordOf(key, 1))));
  await under.put(recordOf('neighbour', 1), 1);
  await under.put(recordOf('last', 1), PARTITIONS - 1);
}

export function defineScanTests(define: DefineRepoTest): void {
  define('scans nothing where nothing is', async (under) => {
    assert.deepEqual(await under.keys(), []);
    assert.deepEqual(await under.keys({ partition: 0 }), []);
    assert.deepEqual(await under.keys({ partition: PARTITIONS - 1, bucket: TREE_BUCKETS - 1 }), []);
  });

  define('scans all headers, a partition, or a bucket', async (under) => {
    const keys = keysOf(300);
    await fill(under, keys);
    assert.deepEqual((await under.keys()).sort(), [...keys, 'last', 'neighbour'].sort());
    const partition = await under.keys({ partition: 0 });
    assert.deepEqual([...partition].sort(), [...keys].sort());
    assert.deepEqual(await under.keys({ partition: 1 }), ['neighbour']);
    const buckets = [];
    for (let bucket = 0; bucket < TREE_BUCKETS; bucket++) {
      buckets.push(await under.keys({ partition: 0, bucket }));
    }
    assert.deepEqual(buckets.flat(), partition, 'a partition is its buckets in order');
    assert.ok(buckets.filter((bucket) => bucket.length > 0).length > 32, 'keys spread over buckets');
  });

  define('scans headers as getNoValue gives them', async (under) => {
    await under.put(tombstoneOf('gone', 2));
    await under.put(recordOf('large', 1, { value: new Uint8Array(1024 * 1024), expiresAtMs: 99 }));
    const headers = await under.headers({ partition: 0 });
    assert.equal(headers.length, 2);
    for (const header of headers) {
      assert.deepEqual(header, await under.repo.getNoValue(idOf(header)));
      assert.deepEqual(Object.keys(header).sort(), Object.keys(headerOf(recordOf('k'))).sort());
    }
  });

  define('goes on behind a key, in pages of one bucket', async (under) => {
    await fill(under, keysOf(400));
    await under.put(recordOf('same', 1, { namespace: 'a' }));
    await under.put(recordOf('same', 1, { namespace: 'z' }));
    for (let bucket = 0; bucket < TREE_BUCKETS; bucket++) {
      const whole = (await under.headers({ partition: 0, bucket })).map(({ namespace, key }) => ({
        namespace,
        key,
      }));
      for (const [at, after] of whole.entries()) {
        const rest = await under.headers({ partition: 0, bucket, after });
        assert.deepEqual(
          rest.map(({ namespace, key }) => ({ namespace, key })),
          whole.slice(at + 1),
        );
      }
    }
  });

  define('goes on behind a key that is not there any more or never was', async (under) => {
    await fill(under, keysOf(50));
    const behindAll = { namespace: '\u{10ffff}', key: 'x' };
    assert.deepEqual(await under.keys({ partition: 0, bucket: 0, after: behindAll }), []);
    const beforeAll = { namespace: ' ', key: ' ' };
    assert.deepEqual(
      await under.keys({ partition: 0, bucket: 0, after: beforeAll }),
      await under.keys({ partition: 0, bucket: 0 }),
    );
  });

  define('rejects a range that is none', async (under) => {
    const after = { namespace: 'default', key: 'k' };
    const ranges: HeaderRange[] = [
      { bucket: 1 },
      { after },
      { partition: 0, after },
      { partition: PARTITIONS },
      { partition: 0, bucket: TREE_BUCKETS },
      { partition: 0, bucket: -1 },
    ];
    for (const range of ranges) {
      await rejectionOf(under.keys(range));
    }
  });

  define('scans every key once while others are written', async (under) => {
    const keys = keysOf(1_000);
    await fill(under, keys);
    const seen = new Map<string, number>();
    let at = 0;
    for await (const { key } of under.repo.getAllNoValue()) {
      seen.set(key, (seen.get(key) ?? 0) + 1);
      if (at++ % 50 === 0) {
        await Promise.all([
          under.put(recordOf(`new-${at}`, 1)),
          under.put(recordOf(keys[at % 1_000]!, 1 + at)),
        ]);
      }
    }
    assert.ok(keys.every((key) => seen.get(key) === 1));
    assert.ok([...seen.values()].every((times) => times === 1));
  });

  define('may be left in the middle, and read by many at once', async (under) => {
    await fill(under, keysOf(500));
    for await (const { key } of under.repo.getAllNoValue()) {
      assert.ok(key.length > 0);
      break;
    }
    const [one, two] = await Promise.all([under.keys(), under.keys()]);
    assert.equal(one.length, 502);
    assert.deepEqual(one, two);
  });

  define('has a tree for every partition, empty ones alike', async ({ repo }) => {
    const empty = repo.getTree(0);
    assert.equal(empty.length, TREE_BUCKETS);
    assert.ok(empty.every((digest) => /^[0-9a-f]{16}$/.test(digest)));
    assert.deepEqual(repo.getTree(PARTITIONS - 1), empty);
  });

  define('shows every change in the bucket of its key only', async (under) => {
    const { repo } = under;
    for (const next of [recordOf('k', 1), recordOf('k', 2), tombstoneOf('k', 3)]) {
      const [before, neighbour] = [repo.getTree(0), repo.getTree(1)];
      await under.put(next);
      const changed = RepoUnderTest.changedBuckets(before, repo.getTree(0));
      assert.equal(changed.length, 1);
      assert.deepEqual(await under.keys({ partition: 0, bucket: changed[0] }), ['k']);
      assert.deepEqual(repo.getTree(1), neighbour);
    }
  });

  define('has the same tree for the same content, however it came about', async (under) => {
    await fill(under, keysOf(200));
    for (let at = 2; at < 100; at++) {
      await under.put(at % 3 === 0 ? tombstoneOf(`key-${at}`, at) : recordOf(`key-${at % 20}`, at));
    }
    await under.assertTreesAreRight();
  });

  define('tells two records apart that swapped their versions', async (under) => {
    // A linear digest, such as a CRC, would cancel out.
    const keys = keysOf(200);
    await under.withAnother(async (other) => {
      for (const [at, key] of keys.entries()) {
        const value = Buffer.from('same');
        await under.put(recordOf(key, at + 1, { value }));
        const swapped = recordOf(key, (at ^ 1) + 1, { value });
        await other.update(idOf(swapped), () => swapped);
      }
      const buckets = RepoUnderTest.changedBuckets(under.repo.getTree(0), other.getTree(0));
      const used = new Set<number>();
      for (let bucket = 0; bucket < TREE_BUCKETS; bucket++) {
        if ((await under.keys({ partition: 0, bucket })).length > 0) {
          used.add(bucket);
        }
      }
      assert.deepEqual(buckets, [...used]);
    });
  });
}
