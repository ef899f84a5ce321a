import { describe, expect, it } from 'vitest';
import { type Hint, TREE_BUCKETS } from '../../ports/local-kv-repo.js';
import {
  bucketOf,
  collectableIn,
  collectableKey,
  collectableRange,
  expiringIn,
  expiryKey,
  expiryRange,
  FLOOR_RANGE,
  floorKey,
  hintInKey,
  hintKey,
  hintRange,
  idInRecordKey,
  isRecordKey,
  JOURNAL_RANGE,
  journalKey,
  metaKey,
  partitionInFloorKey,
  partitionInTreeKey,
  PARTITIONS_MAX,
  recordKey,
  recordRange,
  TREE_RANGE,
  treeKey,
} from './disk-keys.js';
import { type StoreRange } from '../engines/store-engine.js';

const id = (partition: number, key = 'k', namespace = 'default') => ({ partition, namespace, key });
const hint = (nodeId: string, partition = 0, key = 'k'): Hint => ({ nodeId, ...id(partition, key) });
const isWithin = (key: Uint8Array, { from, to }: StoreRange) =>
  Buffer.compare(key, from) >= 0 && Buffer.compare(key, to) < 0;

const NAMES = ['k', '', '\0', 'a\0b', '\uffff', '\u{10ffff}', 'x'.repeat(1024)].filter((name) => name !== '');

describe('keys of the store', () => {
  it('never change: data folders have them', () => {
    expect(recordKey(id(0x0102, 'key', 'ns')).toString('hex')).toBe(
      '010201' + '2d' + '6e73' + '00' + '6b6579',
    );
    expect(treeKey(0x0102).toString('hex')).toBe('ffff030102');
    expect(journalKey(0x0102).toString('hex')).toBe('ffff040102');
    expect(metaKey('boot').toString('hex')).toBe('ffff01626f6f74');
    expect(hintKey({ nodeId: 'b', ...id(5, 'k', 'n') }).toString('hex')).toBe(
      'ffff02' + '62' + '00' + '0005' + '6e006b',
    );
    expect(collectableKey(id(0x0102, 'k', 'n'), 'v').toString('hex')).toBe('010203' + '76' + '00' + '6e006b');
    expect(expiryKey({ ...id(5, 'k', 'n'), expiresAtMs: 0x0102_0304_0506 }).toString('hex')).toBe(
      'ffff06' + '0000010203040506' + '0005' + '6e006b',
    );
    expect(floorKey(0x0102).toString('hex')).toBe('ffff070102');
  });

  it('put a key into a bucket that never changes, and keys evenly into all', () => {
    expect(['a', 'b', 'user:1', '\u{1f642}'].map((key) => bucketOf({ namespace: 'default', key }))).toEqual([
      63, 5, 15, 53,
    ]);
    const counts = new Array<number>(TREE_BUCKETS).fill(0);
    for (let at = 0; at < 64_000; at++) {
      counts[bucketOf({ namespace: 'default', key: `user:${at}` })]!++;
    }
    expect(Math.min(...counts)).toBeGreaterThan(850);
    expect(Math.max(...counts)).toBeLessThan(1150);
  });

  it('say of a record what it is', () => {
    for (const name of NAMES) {
      const key = recordKey(id(65_534, name));
      expect(isRecordKey(key)).toBe(true);
      expect(idInRecordKey(key)).toEqual(id(65_534, name));
    }
    const ofALaterKind = Buffer.from([0, 1, 2, 0, 0x61, 0, 0x62]);
    expect(isWithin(ofALaterKind, recordRange({}))).toBe(true);
    expect(isRecordKey(ofALaterKind)).toBe(false);
    expect(isWithin(ofALaterKind, recordRange({ partition: 1 }))).toBe(false);
    expect(partitionInTreeKey(treeKey(65_534))).toBe(65_534);
  });

  it('keep a partition together, and a bucket of it', () => {
    for (const partition of [0, 1, 255, 256, PARTITIONS_MAX - 1]) {
      for (const name of NAMES) {
        const key = recordKey(id(partition, name));
        const bucket = bucketOf(id(partition, name));
        expect(isWithin(key, recordRange({}))).toBe(true);
        expect(isWithin(key, recordRange({ partition }))).toBe(true);
        expect(isWithin(key, recordRange({ partition: partition + 1 }))).toBe(false);
        for (let other = 0; other < TREE_BUCKETS; other++) {
          expect(isWithin(key, recordRange({ partition, bucket: other }))).toBe(other === bucket);
        }
      }
    }
  });

  it('go on right behind a key', () => {
    const range = { partition: 1, bucket: bucketOf(id(1, 'k')) };
    const behind = recordRange({ ...range, after: { namespace: 'default', key: 'k' } });
    expect(isWithin(recordKey(id(1, 'k')), behind)).toBe(false);
    // The nearest key there can be, in the same bucket or not.
    const nearest = Buffer.concat([recordKey(id(1, 'k')), Uint8Array.of(0)]);
    expect(isWithin(nearest, behind)).toBe(true);
    expect(behind.to).toEqual(recordRange(range).to);
  });

  it("keep the node's own things out of the partitions and apart from each other", () => {
    const own = [
      metaKey('boot'),
      metaKey('\uffff'),
      hintKey(hint('b')),
      treeKey(0),
      treeKey(65_534),
      journalKey(0),
      journalKey(65_535),
    ];
    for (const key of own) {
      expect(isWithin(key, recordRange({}))).toBe(false);
      expect(isWithin(key, recordRange({ partition: PARTITIONS_MAX - 1 }))).toBe(false);
    }
    const within = (range: StoreRange) => own.flatMap((key, at) => (isWithin(key, range) ? at : []));
    expect([TREE_RANGE, JOURNAL_RANGE].map(within)).toEqual([
      [3, 4],
      [5, 6],
    ]);
    expect(own.filter((key) => isWithin(key, hintRange('b')))).toHaveLength(1);
  });

  it('put what a floor may erase in the order of versions, a join right above what it joined', () => {
    const versions = ['018-a!1', '018-a!1+0000-b!1', '018-a!1+0001-b!1', '018-a!10', '019-a!1'];
    for (const [at, upTo] of versions.entries()) {
      const within = versions.map((version) =>
        isWithin(collectableKey(id(7), version), collectableRange(7, upTo)),
      );
      expect(within).toEqual(versions.map((_, other) => other <= at));
    }
    const mark = { id: id(7, 'x\0y'), version: versions[1]! };
    expect(collectableIn(collectableKey(mark.id, mark.version))).toEqual(mark);
    expect(isWithin(collectableKey(id(8), versions[0]!), collectableRange(7, versions[4]!))).toBe(false);
    const behind = collectableRange(7, versions[4]!, mark);
    expect(isWithin(collectableKey(mark.id, mark.version), behind)).toBe(false);
    expect(isWithin(collectableKey(id(7, 'x\0y\0'), mark.version), behind)).toBe(true);
  });

  it('put expiries in their order', () => {
    const times = [1, 255, 256, 2 ** 32 - 1, 2 ** 32, 1_900_000_000_123, Number.MAX_SAFE_INTEGER];
    for (const expiresAtMs of times) {
      const key = { ...id(65_534, '\uffff'), expiresAtMs };
      expect(expiringIn(expiryKey(key))).toEqual(key);
      expect(times.map((nowMs) => isWithin(expiryKey(key), expiryRange(nowMs)))).toEqual(
        times.map((nowMs) => nowMs >= expiresAtMs),
      );
      expect(isWithin(expiryKey(key), expiryRange(expiresAtMs, key))).toBe(false);
      expect(isWithin(expiryKey({ ...key, key: '\uffff\0' }), expiryRange(expiresAtMs, key))).toBe(true);
    }
    expect(isWithin(floorKey(65_534), FLOOR_RANGE)).toBe(true);
    expect(partitionInFloorKey(floorKey(65_534))).toBe(65_534);
  });

  it('keep the hints of a node together, by partition, and away from names that begin alike', () => {
    const hints = [hint('n', 0, '\uffff'), hint('n', 1), hint('n', 256), hint('n', 65_534, 'x\0y')];
    expect(hints.map((one) => hintInKey('n', hintKey(one)))).toEqual(hints);
    const keys = hints.map(hintKey);
    expect([...keys].sort((one, two) => one.compare(two))).toEqual(keys);
    expect(keys.every((key) => isWithin(key, hintRange('n')))).toBe(true);
    for (const other of ['n-', 'n.', 'n1', 'nn', 'm', 'o', 'N']) {
      expect(isWithin(hintKey(hint(other, 65_534, '\u{10ffff}')), hintRange('n'))).toBe(false);
    }
  });
});
