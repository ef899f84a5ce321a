import { describe, expect, it } from 'vitest';
import { crc32 } from '../../model/checksum.js';
import { type RecordHeader } from '../../model/record.js';
import { formatVersion } from '../../model/version.js';
import { digestOf } from './record-digest.js';

const version = (at: number) =>
  formatVersion({ physicalMs: 1_700_000_000_000 + at, counter: 0, nodeId: 'n', boot: 1 });
const header = (fields: Partial<RecordHeader> = {}): RecordHeader => ({
  namespace: 'default',
  key: 'k',
  version: version(1),
  tombstone: false,
  expiresAtMs: 0,
  checksum: 0x1234_5678,
  ...fields,
});
const hex = (one: RecordHeader) => {
  const { high, low } = digestOf(one);
  return high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');
};

describe('the digest of a record', () => {
  it('never changes: nodes of different releases compare it', () => {
    expect([hex(header()), hex(header({ version: version(2), checksum: 0xffff_ffff }))]).toEqual([
      '96858a47a8c52096',
      'b2a98c1fde91f3db',
    ]);
  });

  it('differs with the version and the checksum, which the names are in', () => {
    const others = [
      header({ version: version(2) }),
      header({ checksum: 0x1234_5679 }),
      header({ checksum: 0 }),
    ];
    expect(new Set([header(), ...others].map(hex)).size).toBe(4);
  });

  it('has 64 good bits: neither half collides more often than chance, together never', () => {
    const [highs, lows, wholes] = [new Set<number>(), new Set<number>(), new Set<string>()];
    const count = 200_000;
    for (let at = 0; at < count; at++) {
      // Alike as records are: keys that count, one value, versions close together.
      const one = header({ checksum: crc32(`user:${at}`), version: version(at % 3) });
      const { high, low } = digestOf(one);
      highs.add(high);
      lows.add(low);
      wholes.add(hex(one));
    }
    // n² / 2³³: some 5 pairs are expected to share a half.
    expect(count - highs.size).toBeLessThan(20);
    expect(count - lows.size).toBeLessThan(20);
    expect(wholes.size).toBe(count);
  });

  it('flips about half of its bits for one bit of the input', () => {
    let flipped = 0;
    for (let bit = 0; bit < 32; bit++) {
      const [one, two] = [
        digestOf(header()),
        digestOf(header({ checksum: (0x1234_5678 ^ (1 << bit)) >>> 0 })),
      ];
      flipped += bitsOf(one.high ^ two.high) + bitsOf(one.low ^ two.low);
    }
    expect(flipped / 32).toBeGreaterThan(28);
    expect(flipped / 32).toBeLessThan(36);
  });

  it('is not linear: two records that swap their versions do not cancel out', () => {
    const xor = (one: RecordHeader, two: RecordHeader) => (digestOf(one).high ^ digestOf(two).high) >>> 0;
    const [a1, b2] = [header({ checksum: 1 }), header({ checksum: 2, version: version(2) })];
    const [a2, b1] = [header({ checksum: 1, version: version(2) }), header({ checksum: 2 })];
    expect(xor(a1, b2)).not.toBe(xor(a2, b1));
  });
});

function bitsOf(word: number): number {
  return (word >>> 0).toString(2).replaceAll('0', '').length;
}
