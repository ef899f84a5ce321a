/** Versions of strong namespaces: there and back, in order, and as fencing numbers. */
import { describe, expect, it } from 'vitest';
import { fencingOf, formatStrongVersion, isStrongVersion, parseStrongVersion } from './strong-version.js';

describe('a strong version', () => {
  it.each([
    [0, 0, '00000000000000000000'],
    [1, 255, '000000010000000000ff'],
    [2 ** 32 - 1, 2 ** 48 - 1, 'f'.repeat(20)],
  ])('of generation %d and index %d is %s', (generation, index, text) => {
    expect(formatStrongVersion(generation, index)).toBe(text);
    expect(parseStrongVersion(text)).toEqual({ generation, index });
    expect(isStrongVersion(text)).toBe(true);
  });

  it('owes nothing to the one before it', () => {
    const parts = [
      [1, 5],
      [2, 5],
      [2, 2 ** 24 + 5],
      [1, 2 ** 24 + 5],
      [1, 5],
    ] as const;
    for (const [generation, index] of parts) {
      expect(parseStrongVersion(formatStrongVersion(generation, index))).toEqual({ generation, index });
    }
  });

  it('is ordered as text as its parts are', () => {
    const texts = [
      formatStrongVersion(0, 9),
      formatStrongVersion(0, 10),
      formatStrongVersion(0, 2 ** 48 - 1),
      formatStrongVersion(1, 0),
      formatStrongVersion(16, 0),
    ];
    expect([...texts].sort()).toEqual(texts);
  });

  it.each([
    [-1, 0],
    [0, -1],
    [0.5, 0],
    [2 ** 32, 0],
    [0, 2 ** 48],
    [Number.NaN, 0],
  ])('is none of generation %d and index %d', (generation, index) => {
    expect(() => formatStrongVersion(generation, index)).toThrow(RangeError);
  });

  it.each(['', '0'.repeat(19), '0'.repeat(21), 'F'.repeat(20), `${'0'.repeat(19)}g`])(
    'is not the text %j',
    (text) => {
      expect(isStrongVersion(text)).toBe(false);
      expect(() => parseStrongVersion(text)).toThrow(/Not a version of a strong namespace/);
    },
  );
});

describe('a fencing number', () => {
  it('is generation × 2^40 + index, and rises with both', () => {
    expect(fencingOf(formatStrongVersion(0, 7))).toBe(7);
    expect(fencingOf(formatStrongVersion(3, 7))).toBe(3 * 2 ** 40 + 7);
    const last = fencingOf(formatStrongVersion(0, 2 ** 40 - 1));
    expect(fencingOf(formatStrongVersion(1, 0))).toBe(last + 1);
  });

  it('is never one that two versions share', () => {
    expect(fencingOf(formatStrongVersion(8191, 2 ** 40 - 1))).toBe(Number.MAX_SAFE_INTEGER);
    expect(() => fencingOf(formatStrongVersion(8192, 0))).toThrow(RangeError);
    expect(() => fencingOf(formatStrongVersion(0, 2 ** 40))).toThrow(RangeError);
  });
});
