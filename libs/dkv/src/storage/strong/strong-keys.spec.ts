import { describe, expect, it } from 'vitest';
import { FLOOR_RANGE, isRecordKey, metaKey, recordRange, treeKey } from '../eventual/disk-keys.js';
import { decodeBatch, encodeBatch } from '../batch-layout.js';
import {
  compareMarks,
  COVERAGE_KEY,
  decodeCoverage,
  decodeRecord,
  decodeState,
  encodeCoverage,
  encodeState,
  expiryRange,
  groupInStateKey,
  GROUPS_MAX,
  markInExpiryKey,
  markInRecordKey,
  namespaceBytes,
  RecordEncoder,
  recordsRange,
  stateKey,
  STATES_RANGE,
} from './strong-keys.js';

const encoder = new RecordEncoder();
const ns = namespaceBytes('ns');
const LAST_GROUP = GROUPS_MAX - 1;
const isWithin = (key: Uint8Array, { from, to }: { from: Uint8Array; to: Uint8Array }) =>
  Buffer.compare(key, from) >= 0 && Buffer.compare(key, to) < 0;
const record = {
  generation: 0xfffffffe,
  index: 2 ** 48 - 2,
  expiresAtMs: 2 ** 41 + 1,
  modifiedMs: 1_700_000_000_123,
  value: Buffer.from('value'),
};

describe('keys of strong records', () => {
  it('never change: data folders have them', () => {
    expect(encoder.recordKey(0x0102, ns, 'key').toString('hex')).toBe('ffff200102' + '6e7300' + '6b6579');
    expect(encoder.expiryKey(0x0102, 0x0304_0506_0708, ns, 'k').toString('hex')).toBe(
      'ffff210102' + '030405060708' + '6e7300' + '6b',
    );
    expect(stateKey(0x0102).toString('hex')).toBe('ffff220102');
    expect(Buffer.from(COVERAGE_KEY).toString('hex')).toBe('ffff23');
  });

  it('lie apart from those of eventual records and of the node, and kinds apart from each other', () => {
    const keys = [
      encoder.recordKey(LAST_GROUP, ns, 'k'),
      encoder.expiryKey(LAST_GROUP, 1, ns, 'k'),
      stateKey(LAST_GROUP),
      COVERAGE_KEY,
    ];
    const ranges = [recordsRange(LAST_GROUP), expiryRange(LAST_GROUP), STATES_RANGE];
    for (const [at, key] of keys.entries()) {
      expect(isWithin(key, recordRange({}))).toBe(false);
      expect(isRecordKey(key)).toBe(false);
      expect(isWithin(key, FLOOR_RANGE)).toBe(false);
      expect(ranges.map((range) => isWithin(key, range))).toEqual(ranges.map((_, kind) => kind === at));
    }
    for (const key of [metaKey('x'), treeKey(1)]) {
      expect(ranges.some((range) => isWithin(key, range))).toBe(false);
    }
  });

  it('have the order of groups, then of marks, whatever characters these have', () => {
    const names = ['', 'a', 'ab', 'b', 'é', '\ud7ff', '\ue000', '\uffff', '\u{10000}', '\u{10ffff}', 'a\0'];
    const marks = ['n', 'n1', 'm', '\uffff', '\u{10000}'].flatMap((namespace) =>
      names.map((key) => ({ namespace, key: `k${key}` })),
    );
    const keyOf = ({ namespace, key }: { namespace: string; key: string }) =>
      encoder.recordKey(3, namespaceBytes(namespace), key);
    const byBytes = [...marks].sort((a, b) => Buffer.compare(keyOf(a), keyOf(b)));
    expect([...marks].sort(compareMarks)).toEqual(byBytes);
    expect(byBytes.map((mark) => markInRecordKey(keyOf(mark)))).toEqual(byBytes);
    for (const [at, mark] of byBytes.entries()) {
      const range = recordsRange(3, mark);
      expect(byBytes.filter((other) => isWithin(keyOf(other), range))).toEqual(byBytes.slice(at + 1));
    }
    expect(() => namespaceBytes('a\0b')).toThrow(TypeError);
  });

  it('tell an expiry, up to and at a time', () => {
    const key = encoder.expiryKey(1, 5_000, ns, 'k');
    expect(markInExpiryKey(key)).toEqual({ expiresAtMs: 5_000, namespace: 'ns', key: 'k' });
    expect([4_999, 5_000, 5_001].map((ms) => isWithin(key, expiryRange(1, ms)))).toEqual([false, true, true]);
    expect(isWithin(key, expiryRange(2, 5_000))).toBe(false);
  });
});

describe('values of strong records', () => {
  it('come back, large and empty ones too, from chunks that are shared', () => {
    const values = ['', 'x', 'x'.repeat(100), 'x'.repeat(100_000), 'y'];
    const encoded = values.map((value, at) =>
      encoder.record(at, ns, `key${at}`, { ...record, value: Buffer.from(value) }),
    );
    for (const [at, { key, value }] of encoded.entries()) {
      expect(decodeRecord(key, value)).toEqual({ ...record, value: Buffer.from(values[at]!) });
    }
  });

  it('are damaged by any bit, in key or value', () => {
    const { key, value } = encoder.record(1, ns, 'k', record);
    for (const bytes of [key, value]) {
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        bytes[bit >> 3]! ^= 1 << (bit & 7);
        expect(decodeRecord(key, value)).toBeUndefined();
        bytes[bit >> 3]! ^= 1 << (bit & 7);
      }
    }
    for (let length = 0; length < value.length; length++) {
      expect(decodeRecord(key, value.subarray(0, length))).toBeUndefined();
    }
  });

  it('of groups and of the coverage come back, or are refused', () => {
    const usage = new Map([
      ['carts', { keys: 7, bytes: 2 ** 40 }],
      ['größer', { keys: 1, bytes: 3 }],
    ]);
    const state = { applied: 2 ** 47, generation: 3, usage, bytes: Uint8Array.of(1, 2, 3) };
    const value = encodeState(LAST_GROUP, state);
    expect(decodeState(stateKey(LAST_GROUP), value, 'x')).toEqual(state);
    expect(groupInStateKey(stateKey(LAST_GROUP))).toBe(LAST_GROUP);
    expect(() => decodeState(stateKey(1), value, '/data')).toThrow(/group 1 in \/data/);
    const coverage = encodeCoverage(2 ** 47 + 1);
    expect(decodeCoverage(coverage, 'x')).toBe(2 ** 47 + 1);
    coverage[3]! ^= 1;
    expect(() => decodeCoverage(coverage, '/data')).toThrow(/\/data/);
  });
});

describe('a batch in the log', () => {
  const operations = [
    { type: 'put', key: Buffer.from('a'), value: Buffer.from('1') },
    { type: 'del', key: Buffer.from('b') },
    { type: 'put', key: Buffer.from('c'), value: Buffer.alloc(0) },
  ] as const;
  const decoded = (bytes: Uint8Array) => {
    const told: string[] = [];
    decodeBatch(
      bytes,
      (key, value) => told.push(`${Buffer.from(key).toString()}=${Buffer.from(value).toString()}`),
      (key) => told.push(`-${Buffer.from(key).toString()}`),
    );
    return told;
  };

  it('comes back in its order', () => {
    expect(decoded(encodeBatch(operations))).toEqual(['a=1', '-b', 'c=']);
    expect(decoded(encodeBatch([]))).toEqual([]);
  });

  it('is refused where it is none', () => {
    const bytes = encodeBatch(operations);
    expect(() => decoded(bytes.subarray(0, bytes.length - 1))).toThrow(/batch/);
    expect(() => decoded(Buffer.concat([bytes, Buffer.from([9])]))).toThrow(/batch/);
  });
});
