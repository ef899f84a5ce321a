import { describe, expect, it } from 'vitest';
import { type HashFunc } from '../ports/hash-func.js';
import { md5HashFunc } from './md5-hash-func.js';
import { createXxhashHashFunc } from './xxhash-hash-func.js';

const xxhashHashFunc = await createXxhashHashFunc();

describe('md5HashFunc', () => {
  // Digests from RFC 1321, appendix A.5; the last one from md5sum.
  it.each([
    ['', 0xd41d8cd9],
    ['a', 0x0cc175b9],
    ['abc', 0x90015098],
    ['message digest', 0xf96b697d],
    ['abcdefghijklmnopqrstuvwxyz', 0xc3fcd3d7],
    ['ключ', 0xc3657b66],
  ])('gives the first four bytes of the digest of %j', (text, hash) => {
    expect(md5HashFunc.hash(Buffer.from(text))).toBe(hash);
  });
});

describe('createXxhashHashFunc', () => {
  // XXH32 with seed 0: as other implementations (python-xxhash, cespare/xxhash, lz4) state it in their tests.
  it.each([
    ['', 0x02cc5d05],
    ['a', 0x550d7456],
    ['abc', 0x32d153ff],
    ['Nobody inspects the spammish repetition', 0xe2293b2f],
  ])('gives XXH32 of %j', (text, hash) => {
    expect(xxhashHashFunc.hash(Buffer.from(text))).toBe(hash);
  });

  it('hashes the bytes of a view, not of the buffer under it', () => {
    const view = Buffer.from('xxabcxx').subarray(2, 5);
    expect(xxhashHashFunc.hash(view)).toBe(0x32d153ff);
  });
});

describe.each<[string, HashFunc]>([
  ['md5HashFunc', md5HashFunc],
  ['the xxHash function', xxhashHashFunc],
])('%s', (_, hashFunc) => {
  it('has a name that fits into a data folder', () => {
    expect(hashFunc.name).toMatch(/^[a-z0-9]{1,32}$/);
  });

  it.each([
    ['counted', (i: number) => `user:${i}`],
    ['padded', (i: number) => `order/${String(i).padStart(8, '0')}/lines`],
    ['single letters apart', (i: number) => `${i.toString(2).replaceAll('0', 'a').replaceAll('1', 'b')}`],
  ])('spreads %s keys like chance would', (_kind, key) => {
    const slices = 1024;
    const keys = 64 * slices;
    const counts = new Array<number>(slices).fill(0);
    for (let i = 0; i < keys; i++) {
      counts[Math.floor((hashFunc.hash(Buffer.from(key(i))) * slices) / 2 ** 32)]!++;
    }
    const expected = keys / slices;
    const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    // Mean 1023, standard deviation 45: both too uneven and too even would show.
    expect(chiSquare).toBeGreaterThan(1023 - 5 * 45);
    expect(chiSquare).toBeLessThan(1023 + 5 * 45);
  });
});
