/** The bytes of a round: all of it there and back, and damage told. */
import { describe, expect, it } from 'vitest';
import { caught } from '../../testing/caught.js';
import { SimRandom } from '../../testing/simulation/sim-random.js';
import { isDkvError } from '../dkv.errors.js';
import { stampRecord, stampTombstone } from '../model/record.js';
import { formatVersion, joinVersion } from '../model/version.js';
import { nameChecksum } from './disk-keys.js';
import { decodeRound, encodeRound, type RoundOwner, type StoredRound } from './round-layout.js';

const WHERE = '/data/dkv';
const ID = ownerOf();
const versionAt = (at: number) =>
  formatVersion({ physicalMs: 1_750_000_000_000 + at, counter: 0, nodeId: 'kv-0', boot: 7 });
const LONGEST = joinVersion(
  formatVersion({ physicalMs: 2 ** 48 - 1, counter: 0xffff, nodeId: 'x'.repeat(100), boot: 2 ** 32 - 1 }),
  'y'.repeat(100),
  2 ** 32 - 1,
);

const record = stampRecord({
  namespace: 'user',
  key: 'k-1',
  version: versionAt(1),
  tombstone: false,
  expiresAtMs: 0,
  value: Uint8Array.of(0, 1, 254, 0, 255),
  requests: { applied: [{ id: '01977420dc000123456789ab', version: versionAt(1) }], forgotten: '' },
});

const SAMPLES: Record<string, StoredRound> = {
  nothing: { promised: '', ballot: '', version: '', record: undefined },
  'a promise': { promised: versionAt(3), ballot: '', version: '', record: undefined },
  'what is committed': {
    promised: versionAt(3),
    ballot: versionAt(2),
    version: versionAt(1),
    record: undefined,
  },
  'an accepted record': { promised: versionAt(3), ballot: versionAt(2), version: versionAt(1), record },
  'an accepted record without a promise': {
    promised: '',
    ballot: versionAt(1),
    version: versionAt(1),
    record,
  },
  'a tombstone': {
    promised: versionAt(3),
    ballot: versionAt(2),
    version: versionAt(2),
    record: stampTombstone(record, versionAt(2)),
  },
  'the longest versions': { promised: LONGEST, ballot: LONGEST, version: LONGEST, record: undefined },
};
const SOUND = encodeRound(ID, SAMPLES['an accepted record']!);
const HEAD_BYTES = encodeRound(ID, SAMPLES['what is committed']!).byteLength;

function ownerOf({ partition = 7, namespace = 'user', key = 'k-1' } = {}): RoundOwner {
  return { partition, checksum: nameChecksum({ namespace, key }) };
}

function plain({ record: accepted, ...rest }: StoredRound): object {
  if (!accepted) {
    return rest;
  }
  const { applied, forgotten } = accepted.requests;
  return {
    ...rest,
    record: { ...accepted, requests: { applied, forgotten }, value: [...accepted.value] },
  };
}

function outcomeOf(bytes: Uint8Array): string {
  try {
    return `decoded ${JSON.stringify(decodeRound(ID, bytes, WHERE))}`;
  } catch (error) {
    return isDkvError(error, 'DKV_CORRUPT_RECORD') ? 'refused' : `threw ${String(error)}`;
  }
}

describe('the layout of a round', () => {
  it.each(Object.entries(SAMPLES))('keeps all of it: %s', (_, round) => {
    expect(plain(decodeRound(ID, encodeRound(ID, round), WHERE))).toEqual(plain(round));
  });

  it('never changes: data folders hold it', () => {
    const { promised, ballot, version } = SAMPLES['what is committed']!;
    expect(Buffer.from(encodeRound(ID, SAMPLES['what is committed']!)).toString('hex')).toBe(
      `516640720200071f1f1f${Buffer.from(`${promised}${ballot}${version}`).toString('hex')}`,
    );
    expect(Buffer.from(encodeRound(ID, SAMPLES.nothing!)).toString('hex')).toBe('ccb81b25020007000000');
  });

  it('is of one key alone', () => {
    for (const other of [{ partition: 8 }, { namespace: 'users' }, { key: 'k-2' }]) {
      expect(caught(() => decodeRound(ownerOf(other), SOUND, WHERE))).toMatchObject({
        code: 'DKV_CORRUPT_RECORD',
      });
    }
  });

  it('decodes from the middle of a larger buffer', () => {
    const frame = new Uint8Array(SOUND.byteLength + 20).fill(0xee);
    frame.set(SOUND, 11);
    const decoded = decodeRound(ID, frame.subarray(11, 11 + SOUND.byteLength), WHERE);
    expect(plain(decoded)).toEqual(plain(SAMPLES['an accepted record']!));
  });

  it('does not hold on to the value it was made of', () => {
    const value = Uint8Array.of(1, 2, 3);
    const bytes = encodeRound(ID, {
      ...SAMPLES['an accepted record']!,
      record: stampRecord({ ...record, value }),
    });
    value[0] = 9;
    expect([...decodeRound(ID, bytes, WHERE).record!.value]).toEqual([1, 2, 3]);
  });
});

describe('damaged bytes', () => {
  it('of a newer format are refused, naming the place and the remedy', () => {
    const bytes = Uint8Array.from(SOUND);
    bytes[4] = 3;
    const error = caught(() => decodeRound(ID, bytes, WHERE));
    expect(error.code).toBe('DKV_CORRUPT_RECORD');
    expect(error.message).toMatch(/\/data\/dkv.*newer format.*Remove this node's data folder/);
  });

  it.each<[string, (bytes: Uint8Array) => Uint8Array]>([
    ['no byte', () => new Uint8Array(0)],
    ['another format', (bytes) => bytes.with(4, 1)],
    ['a promise that is longer', (bytes) => bytes.with(7, 0x20)],
    ['a promise that is shorter', (bytes) => bytes.with(7, 0x1e)],
    ['a ballot past the end', (bytes) => bytes.with(8, 0xff)],
    ['a version that is none', (bytes) => bytes.with(HEAD_BYTES - 1, 0x7a)],
    ['something behind', (bytes) => Buffer.concat([bytes, Uint8Array.of(0)])],
  ])('are refused: %s', (_, damage) => {
    expect(outcomeOf(damage(SOUND))).toBe('refused');
    expect(outcomeOf(damage(encodeRound(ID, SAMPLES['what is committed']!)))).toBe('refused');
  });

  it('cut short are refused', () => {
    for (let length = 0; length < SOUND.byteLength; length++) {
      expect(outcomeOf(SOUND.subarray(0, length)), `${length} bytes`).toBe('refused');
    }
  });

  it('with one bit flipped are refused', () => {
    for (let bit = 0; bit < 8 * SOUND.byteLength; bit++) {
      const bytes = Uint8Array.from(SOUND);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      expect(outcomeOf(bytes), `bit ${bit}`).toBe('refused');
    }
  });

  it('throw nothing but a DkvError, whatever they are (seeded)', () => {
    const random = new SimRandom('rounds');
    for (let round = 0; round < 10_000; round++) {
      const bytes = random.chance(0.5) ? random.bytes(random.int(200)) : Uint8Array.from(SOUND);
      for (let change = random.int(4); change > 0 && bytes.length > 0; change--) {
        bytes[random.int(bytes.length)] = random.int(256);
      }
      const cut = bytes.subarray(0, random.chance(0.3) ? random.int(bytes.length + 1) : bytes.length);
      expect(outcomeOf(cut), Buffer.from(cut).toString('hex')).toMatch(/^(refused|decoded)/);
    }
  });
});
