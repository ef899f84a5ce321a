/** What goes in comes out, byte for byte, for every record there can be. */
import assert from 'node:assert/strict';
import { headerOf, type KvRecord } from '../../src/model/record.js';
import {
  assertSameRecord,
  type DefineRepoTest,
  idOf,
  PARTITIONS,
  recordOf,
  tombstoneOf,
  versionAt,
} from './repo-under-test.js';

const ALL_BYTES = Uint8Array.from({ length: 256 }, (_, byte) => byte);
const MEBIBYTE = 1024 * 1024;

const ODD_KEYS: readonly string[] = [
  '\u{1f469}\u200d\u{1f680}\u{1fa90}',
  'a/b//c',
  '..',
  '__proto__',
  ' "\\\n\u2028 ',
  '\u0000',
  'a\u0000b',
  '\u0001',
  '\ufeffkey',
  '\ufffd',
  '\uffff',
  'é'.repeat(512),
  'x'.repeat(1024),
];

const SAMPLES: Readonly<Record<string, KvRecord>> = {
  'a value of all bytes': recordOf('bytes', 1, { value: ALL_BYTES }),
  'an empty value': recordOf('empty', 1, { value: new Uint8Array(0) }),
  'a value of 1 MiB': recordOf('large', 1, { value: new Uint8Array(MEBIBYTE).fill(0xa5) }),
  'an expiry': recordOf('expiring', 1, { expiresAtMs: 1_900_000_000_123 }),
  'a far expiry': recordOf('expiring', 1, { expiresAtMs: Number.MAX_SAFE_INTEGER }),
  'a namespace of 64 bytes': recordOf('k', 1, { namespace: 'n'.repeat(64) }),
  'a tombstone': tombstoneOf('gone', 1),
};

export function defineRecordTests(define: DefineRepoTest): void {
  define('a key that was never written is nothing', async ({ repo }) => {
    const id = { partition: 3, namespace: 'default', key: 'never' };
    assert.equal(await repo.get(id), undefined);
    assert.equal(await repo.getNoValue(id), undefined);
    assert.equal(await repo.checkTombstone(id), undefined);
  });

  for (const [name, record] of Object.entries(SAMPLES)) {
    define(`keeps ${name}`, async ({ repo }) => {
      const id = idOf(record, 5);
      assertSameRecord(await repo.update(id, () => record), record);
      assertSameRecord(await repo.get(id), record);
      assert.deepEqual(await repo.getNoValue(id), headerOf(record));
    });
  }

  define('keeps odd keys apart', async (under) => {
    for (const key of ODD_KEYS) {
      await under.put(recordOf(key));
    }
    for (const key of ODD_KEYS) {
      assertSameRecord(await under.repo.get(idOf(recordOf(key))), recordOf(key));
    }
    assert.deepEqual((await under.keys({ partition: 0 })).sort(), [...ODD_KEYS].sort());
  });

  define('refuses keys that are none', async ({ repo }) => {
    for (const key of ['', 'x'.repeat(1025), '\ud800']) {
      const id = { partition: 0, namespace: 'default', key };
      await assert.rejects(repo.get(id), { code: 'DKV_INVALID_KEY' });
      await assert.rejects(
        repo.update(id, () => recordOf(key)),
        { code: 'DKV_INVALID_KEY' },
      );
    }
  });

  define('keeps the same key of two namespaces, and of two partitions, apart', async (under) => {
    const records = [recordOf('k', 1), recordOf('k', 2, { namespace: 'other' })];
    await under.put(records[0]!);
    await under.put(records[1]!);
    await under.put(recordOf('k', 3), PARTITIONS - 1);
    assertSameRecord(await under.repo.get(idOf(records[0]!)), records[0]);
    assertSameRecord(await under.repo.get(idOf(records[1]!)), records[1]);
    assert.equal((await under.repo.get(idOf(records[0]!, PARTITIONS - 1)))?.version, versionAt(3));
    // One namespace and key must not be read as another split of the same text.
    await under.put(recordOf('b', 1, { namespace: 'xa' }));
    assert.equal(await under.repo.get({ partition: 0, namespace: 'x', key: 'ab' }), undefined);
  });

  define('tells a tombstone with its version, and only a tombstone', async (under) => {
    const id = idOf(recordOf('k'));
    await under.put(recordOf('k', 1));
    assert.equal(await under.repo.checkTombstone(id), undefined);
    await under.put(tombstoneOf('k', 2));
    assert.equal(await under.repo.checkTombstone(id), versionAt(2));
    assertSameRecord(await under.repo.get(id), tombstoneOf('k', 2));
    await under.put(recordOf('k', 3));
    assert.equal(await under.repo.checkTombstone(id), undefined);
  });

  define('does not judge an expiry: an expired record is there', async (under) => {
    const expired = recordOf('k', 1, { expiresAtMs: 1 });
    await under.put(expired);
    assertSameRecord(await under.repo.get(idOf(expired)), expired);
    assert.equal(await under.repo.checkTombstone(idOf(expired)), undefined);
  });

  define(
    'keeps what it was given when the bytes that the record was made of are used again',
    async ({ repo }) => {
      const bytes = Buffer.from('as it was written');
      const record = recordOf('k', 1, { value: bytes });
      const id = idOf(record);
      await repo.update(id, () => record);
      bytes.fill(0);
      assert.equal(Buffer.from((await repo.get(id))!.value).toString(), 'as it was written');
    },
  );

  define('may say at once what get says, and never anything else', async (under) => {
    const { repo } = under;
    const id = idOf(recordOf('k', 1));
    const agrees = async (version?: string) => {
      const hot = repo.peek?.(id.namespace, id.key);
      assert.ok(hot === undefined || (hot.partition === id.partition && hot.record?.version === version));
      assert.equal((await repo.get(id))?.version, version);
    };
    await agrees();
    await under.put(recordOf('k', 1));
    await agrees(recordOf('k', 1).version);
    await agrees(recordOf('k', 1).version);
    const writing = under.put(recordOf('k', 2));
    assert.ok(repo.peek?.(id.namespace, id.key)?.record?.version !== recordOf('k', 2).version);
    await writing;
    await agrees(recordOf('k', 2).version);
    await under.put(tombstoneOf('k', 3));
    await agrees(tombstoneOf('k', 3).version);
  });
}
