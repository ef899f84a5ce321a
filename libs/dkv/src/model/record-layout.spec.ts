/** The bytes of a record: every field there and back, and no damage that passes for a record. */
import { describe, expect, it } from 'vitest';
import { isDkvError } from '../dkv.errors.js';
import {
  checksumIn,
  decodeHeader,
  decodeRecord,
  encodeRecord,
  RECORD_FORMAT,
  recordBytesMax,
  withOwnBytes,
} from './record-layout.js';
import { headerOf, type KvRecord, stampRecord, stampTombstone } from './record.js';
import { formatVersion } from './version.js';

const WHERE = '/data/dkv';
/** Before the namespace. */
const FIXED_BYTES = 30;
const VERSION = formatVersion({ physicalMs: 1_750_000_000_000, counter: 3, nodeId: 'kv-0', boot: 7 });
const LONGEST_VERSION = formatVersion({
  physicalMs: 2 ** 48 - 1,
  counter: 0xffff,
  nodeId: 'x'.repeat(100),
  boot: 2 ** 32 - 1,
});

describe('the layout of a record', () => {
  it.each(Object.entries(samples()))('keeps every field: %s', (_, record) => {
    const bytes = encodeRecord(record);
    const decoded = decodeRecord(bytes, WHERE);
    expect(plain(decoded)).toEqual(plain(record));
    expect(decodeHeader(bytes, WHERE)).toEqual(headerOf(record));
    expect(bytes.byteLength).toBeLessThanOrEqual(recordBytesMax(record));
  });

  it('never changes: data folders and older nodes hold it', () => {
    const bytes = Buffer.from(encodeRecord(samples().plain));
    expect(bytes.toString('hex')).toBe(
      '04a6a8f1de00041f000300000005427977420dc00000427977420dc00000' +
        Buffer.from(`user${'k-1'}${VERSION}`).toString('hex') +
        '0001fe00ff',
    );
  });

  it('decodes from the middle of a larger buffer', () => {
    const bytes = encodeRecord(samples().plain);
    const frame = new Uint8Array(bytes.byteLength + 20).fill(0xee);
    frame.set(bytes, 11);
    expect(decodeRecord(frame.subarray(11, 11 + bytes.byteLength), WHERE).key).toBe('k-1');
  });

  it('is made once: a record has its bytes, and one on bytes of its own shares none with who made it', () => {
    const record = samples().plain;
    expect(encodeRecord(record)).toBe(encodeRecord(record));
    expect(withOwnBytes(record)).toBe(record);
    const literal = { ...record, value: Uint8Array.from(record.value) };
    const own = withOwnBytes(literal);
    literal.value.fill(9);
    expect(plain(own)).toEqual(plain(record));
    expect(bytesOf(own)).toEqual(bytesOf(record));
  });

  it('copies the value when encoding and views it when decoding', () => {
    const value = Uint8Array.of(1, 2, 3);
    const bytes = encodeRecord(stampRecord({ ...samples().plain, value }));
    value[0] = 9;
    const decoded = decodeRecord(bytes, WHERE);
    expect([...decoded.value]).toEqual([1, 2, 3]);
    expect(decoded.value.buffer).toBe(bytes.buffer);
  });

  it('tells a newer format from a damaged record', () => {
    const bytes = bytesOf(samples().plain);
    bytes[0] = RECORD_FORMAT + 1;
    expect(() => decodeRecord(bytes, WHERE)).toThrow(/format 5; this release of nestjs-dkv reads up to 4/);
    for (const format of [0, 1, 2, 3]) {
      bytes[0] = format;
      expect(() => decodeRecord(bytes, WHERE)).toThrow(`unknown format ${format}`);
    }
  });

  it('names the key, the place and the remedy', () => {
    const bytes = bytesOf(samples().plain);
    bytes[bytes.byteLength - 1]! ^= 1;
    for (const decode of [decodeRecord, decodeHeader]) {
      expect(() => decode(bytes, WHERE)).toThrow(
        expect.objectContaining({
          code: 'DKV_CORRUPT_RECORD',
          message: expect.stringMatching(
            /"k-1".*"user".*\/data\/dkv.*checksum.*dkv recover --data-dir/,
          ) as string,
        }),
      );
    }
  });

  it.each([
    ['an empty key', { key: '' }],
    ['a key of 1025 bytes', { key: 'é'.repeat(512) + 'x' }],
    ['an empty namespace', { namespace: '' }],
    ['a namespace of 65 bytes', { namespace: 'n'.repeat(65) }],
    ['a namespace with NUL', { namespace: 'a\0b' }],
    ['no version', { version: '' }],
    ['an expiry before 1970', { expiresAtMs: -1 }],
    ['a broken expiry', { expiresAtMs: 0.5 }],
    ['a tombstone with a value', { tombstone: true }],
    ['a time of writing before 1970', { modifiedMs: -1 }],
    ['a broken time of writing', { modifiedMs: 0.5 }],
    ['a time of writing of -0', { modifiedMs: -0 }],
  ] satisfies [string, Partial<KvRecord>][])('does not encode %s', (_, change) => {
    expect(() => encodeRecord(stampRecord({ ...samples().plain, ...change }))).toThrow(TypeError);
  });

  it('does not encode a checksum that is no 32-bit number', () => {
    expect(() => encodeRecord({ ...samples().plain, checksum: -1 })).toThrow(/checksum is -1/);
  });
});

describe('damaged bytes', () => {
  it('with any one bit flipped are refused', () => {
    for (const record of [samples().plain, samples().tombstone, samples().backdated]) {
      const sound = encodeRecord(record);
      for (let bit = 0; bit < sound.byteLength * 8; bit++) {
        const bytes = Uint8Array.from(sound);
        bytes[bit >> 3]! ^= 1 << (bit & 7);
        expect(outcomeOf(bytes), `bit ${bit}`).toBe('refused');
      }
    }
  });

  it('whose names are not UTF-8 are refused, also with the right checksum', () => {
    for (const at of [FIXED_BYTES, FIXED_BYTES + 'user'.length + 1]) {
      const bytes = bytesOf(samples().plain);
      bytes[at] = 0xff;
      bytes.writeUInt32BE(checksumIn(bytes), 1);
      expect(outcomeOf(bytes)).toBe('refused');
    }
  });

  it('cut short or with something behind are refused', () => {
    for (const record of [samples().plain, samples().backdated, samples().backdatedTombstone]) {
      const sound = encodeRecord(record);
      for (let length = 0; length < sound.byteLength; length++) {
        expect(outcomeOf(sound.subarray(0, length)), `${length} bytes`).toBe('refused');
      }
      expect(outcomeOf(Buffer.concat([sound, Uint8Array.of(0)]))).toBe('refused');
    }
  });

  it('never give another record and nothing but a DkvError, whatever is done to them (seeded)', () => {
    const random = randomFrom(20_250_401);
    const sound = Object.values(samples())
      .filter(({ value }) => value.byteLength < 1_000)
      .map((record) => encodeRecord(record));
    for (let round = 0; round < 30_000; round++) {
      const original = sound[random(sound.length)]!;
      const bytes = mutated(original, sound[random(sound.length)]!, random);
      if (
        Buffer.compare(bytes, original) !== 0 &&
        !sound.some((other) => Buffer.compare(bytes, other) === 0)
      ) {
        expect(outcomeOf(bytes), `round ${round}: ${Buffer.from(bytes).toString('hex')}`).toBe('refused');
      }
    }
  });

  it('that are no record at all are refused (seeded)', () => {
    const random = randomFrom(7);
    for (let round = 0; round < 10_000; round++) {
      const bytes = Uint8Array.from({ length: random(120) }, () => random(256));
      bytes[0] = random(2) === 0 ? RECORD_FORMAT : bytes[0]!;
      expect(outcomeOf(bytes), `round ${round}`).toBe('refused');
    }
  });
});

/** With every field to be seen. */
function plain(record: KvRecord) {
  return { ...record, value: [...record.value] };
}

/** Bytes to be spoilt. */
function bytesOf(record: KvRecord): Buffer {
  return Buffer.from(encodeRecord(record));
}

function samples() {
  const plain = stampRecord({
    namespace: 'user',
    key: 'k-1',
    version: VERSION,
    tombstone: false,
    expiresAtMs: 1_750_000_000_000,
    value: Uint8Array.of(0, 1, 254, 0, 255),
  });
  return {
    plain,
    tombstone: stampTombstone(plain, VERSION),
    backdated: stampRecord({ ...plain, modifiedMs: 1_749_999_999_999 }),
    backdatedTombstone: stampTombstone(plain, VERSION, { modifiedMs: 0 }),
    emptyValue: stampRecord({ ...plain, value: new Uint8Array(0), expiresAtMs: 0 }),
    oddText: stampRecord({
      ...plain,
      namespace: 'n\u{1f642}',
      key: '\ufeff \u{1f468}\u200d\u{1f469}\ufffd\n"\0.',
    }),
    longest: stampRecord({
      ...plain,
      namespace: 'n'.repeat(64),
      key: '\u{1f642}'.repeat(256),
      expiresAtMs: Number.MAX_SAFE_INTEGER,
      modifiedMs: Number.MAX_SAFE_INTEGER,
      version: LONGEST_VERSION,
    }),
    oneMebibyte: stampRecord({ ...plain, value: new Uint8Array(1 << 20).fill(0xa5) }),
  };
}

function outcomeOf(bytes: Uint8Array): string {
  try {
    return `decoded ${JSON.stringify(decodeRecord(bytes, WHERE))}`;
  } catch (error) {
    return isDkvError(error, 'DKV_CORRUPT_RECORD') ? 'refused' : `threw ${String(error)}`;
  }
}

/** The flags and the lengths. */
const LENGTHS_AT = [1, 2, 3, 4, 5, 6, 7, 8, 9];

/** One to four changes: bytes set, ranges cut, doubled or taken from another record, lengths moved. */
function mutated(original: Uint8Array, other: Uint8Array, random: (bound: number) => number): Uint8Array {
  let bytes = Uint8Array.from(original);
  for (let change = random(4); change >= 0; change--) {
    const at = random(bytes.length + 1);
    const end = at + random(bytes.length - at + 1);
    const cut = [bytes.subarray(0, at), bytes.subarray(end)] as const;
    switch (random(5)) {
      case 0:
        bytes[Math.min(at, bytes.length - 1)] = random(256);
        break;
      case 1:
        bytes = Uint8Array.from(Buffer.concat(cut));
        break;
      case 2:
        bytes = Uint8Array.from(Buffer.concat([bytes.subarray(0, end), cut[1], bytes.subarray(at, end)]));
        break;
      case 3:
        bytes = Uint8Array.from(Buffer.concat([cut[0], other.subarray(at, end), cut[1]]));
        break;
      default:
        if (bytes.length > 30) {
          bytes[LENGTHS_AT[random(LENGTHS_AT.length)]!]! += random(2) === 0 ? 1 : 255;
        }
    }
  }
  return bytes;
}

/** A small generator of whole numbers below a bound (mulberry32). */
function randomFrom(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
}
