/** The digest of one record, which the hash tree XORs over a bucket. */
import { type RecordHeader } from '../../model/record.js';

/** 64 bits as two unsigned 32-bit halves: XOR of BigInts would allocate on every write. */
export interface Digest64 {
  readonly high: number;
  readonly low: number;
}

/**
 * A 64-bit hash of (version, checksum), which tell records apart: a version is stamped once, and the checksum is over
 * the names too. Two lanes of the mixing of MurmurHash3 (Austin Appleby, public domain; x86, 128 bits) over UTF-16
 * units, joined at the end. Not for adversaries. It must not be linear, as a CRC is: XORed over a bucket, two records
 * that swapped their versions would cancel out. 0.2 µs, against 2.7 µs for MD5.
 */
export function digestOf({ version, checksum }: Pick<RecordHeader, 'version' | 'checksum'>): Digest64 {
  let one = checksum | 0;
  let two = ~checksum;
  for (let at = 0; at < version.length; at += 2) {
    const word = version.charCodeAt(at) | (version.charCodeAt(at + 1) << 16);
    one ^= Math.imul(rotated(Math.imul(word, 0x239b961b), 15), 0xab0e9789 | 0);
    one = (Math.imul(rotated(one, 19) + two, 5) + 0x561ccd1b) | 0;
    two ^= Math.imul(rotated(Math.imul(word, 0xab0e9789 | 0), 16), 0x38b34ae5);
    two = (Math.imul(rotated(two, 17) + one, 5) + 0x0bcaa747) | 0;
  }
  one = finished(one ^ version.length);
  two = finished((two ^ version.length) + one);
  return { high: finished(one + two) >>> 0, low: two >>> 0 };
}

function rotated(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

/** Spreads every bit over all: `fmix32` of MurmurHash3. */
function finished(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b | 0);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35 | 0);
  return mixed ^ (mixed >>> 16);
}
