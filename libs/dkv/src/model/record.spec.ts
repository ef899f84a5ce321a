/** Records: what the checksum covers, and when a reader sees a value. */
import { describe, expect, it } from 'vitest';
import { caught } from '../../testing/caught.js';
import { crc32 } from './checksum.js';
import { headerOf, isVisible, type KvRecord, stampRecord, stampTombstone, verifyRecord } from './record.js';

const NO_BYTES = new Uint8Array(0);
const WRITTEN_MS = 1_700_000_000_123;
const VERSION = '018bcfe5687b-0001-a!00000001';
const NEXT_VERSION = '018bcfe5687b-0002-a!00000001';

function sample(changed: Partial<KvRecord> = {}): KvRecord {
  return stampRecord({
    namespace: 'default',
    key: 'k',
    version: VERSION,
    tombstone: false,
    expiresAtMs: 0,
    value: Buffer.from('value'),
    ...changed,
  });
}

describe('the checksum', () => {
  it('is CRC-32 as everybody computes it', () => {
    expect(crc32('123456789')).toBe(0xcbf43926);
    expect(crc32(Buffer.from('6789'), crc32('12345'))).toBe(0xcbf43926);
  });

  it('is made by stamping and passes', () => {
    const record = sample();
    expect(verifyRecord(record, 'a test')).toBe(record);
    expect(verifyRecord(sample({ value: new Uint8Array(0) }), 'a test').value).toHaveLength(0);
  });

  it('is the same over equal bytes, whatever holds them', () => {
    const padded = Buffer.from('..value..').subarray(2, 7);
    expect(sample({ value: padded }).checksum).toBe(
      sample({ value: new Uint8Array(Buffer.from('value')) }).checksum,
    );
  });

  it.each<[string, Partial<KvRecord>]>([
    ['the namespace', { namespace: 'other' }],
    ['the time of writing', { modifiedMs: WRITTEN_MS + 1 }],
    ['the key', { key: 'l' }],
    ['the version', { version: NEXT_VERSION }],
    ['the tombstone flag', { tombstone: true }],
    ['the expiry', { expiresAtMs: 1 }],
    ['one bit of the value', { value: Buffer.from('valud') }],
    ['the length of the value', { value: Buffer.from('value\0') }],
    ['itself', { checksum: 0 }],
  ])('sees a change of %s', (_, change) => {
    const sound = sample();
    expect(caught(() => verifyRecord({ ...sound, ...change }, 'the store')).code).toBe('DKV_CORRUPT_RECORD');
  });

  it('that does not match names the key, the place and the remedy', () => {
    const spoilt = { ...sample({ key: 'the "key"' }), expiresAtMs: 5 };
    expect(() => verifyRecord(spoilt, 'the answer of node b')).toThrow(
      /"the \\"key\\"".*namespace default.*the answer of node b.*dkv recover --data-dir/,
    );
  });
});

describe('a tombstone', () => {
  it('is a whole record without a value', () => {
    const tombstone = stampTombstone({ namespace: 'default', key: 'k' }, VERSION);
    expect(tombstone).toMatchObject({
      namespace: 'default',
      key: 'k',
      version: VERSION,
      tombstone: true,
      expiresAtMs: 0,
    });
    expect(tombstone.value).toHaveLength(0);
    expect(verifyRecord(tombstone, 'a test')).toBe(tombstone);
  });

  it('keeps nothing of what it is made from but the name', () => {
    const tombstone = stampTombstone(sample({ expiresAtMs: 99 }), NEXT_VERSION);
    expect(tombstone).toEqual(stampTombstone({ namespace: 'default', key: 'k' }, NEXT_VERSION));
  });

  it('remembers the time that it is given', () => {
    const times = { modifiedMs: WRITTEN_MS - 5 };
    const tombstone = stampTombstone({ namespace: 'default', key: 'k' }, NEXT_VERSION, times);
    expect(tombstone).toMatchObject(times);
    expect(verifyRecord(tombstone, 'a test')).toBe(tombstone);
  });
});

describe('a record that is stamped without a time', () => {
  it('was written at the time of its version', () => {
    expect(sample()).toMatchObject({ modifiedMs: WRITTEN_MS });
  });

  it('keeps what it is given', () => {
    const given = { modifiedMs: 5 };
    expect(sample(given)).toMatchObject(given);
  });
});

it('makes a header of all that compares copies: not the value, nor what only the record remembers', () => {
  const { value, modifiedMs, ...rest } = sample({ expiresAtMs: 7 });
  expect([value.length, modifiedMs]).toEqual([5, WRITTEN_MS]);
  expect(headerOf(sample({ expiresAtMs: 7 }))).toEqual(rest);
});

describe('a reader', () => {
  const NOW = 1_000;

  it.each<[string, Partial<KvRecord> | undefined, boolean]>([
    ['nothing', undefined, false],
    ['a value', {}, true],
    ['an empty value', { value: new Uint8Array(0) }, true],
    ['a value that expires in a millisecond', { expiresAtMs: NOW + 1 }, true],
    ['a value that expires now', { expiresAtMs: NOW }, false],
    ['a value that has expired', { expiresAtMs: NOW - 1 }, false],
    ['a tombstone', { tombstone: true, value: NO_BYTES }, false],
    ['a tombstone with an expiry to come', { tombstone: true, value: NO_BYTES, expiresAtMs: NOW + 1 }, false],
  ])('of %s', (_, record, visible) => {
    expect(isVisible(record && sample(record), NOW)).toBe(visible);
  });
});
