/** Hex digits: the same as the platform's. */
import { describe, expect, it } from 'vitest';
import { hex12, hex4, hex8 } from './hex.js';

const UP_TO_16_BITS = [0, 1, 9, 10, 15, 16, 255, 256, 0xabc, 0x7fff, 0x8000, 0xffff];
const UP_TO_48_BITS = [...UP_TO_16_BITS, 2 ** 24 - 1, 2 ** 24, 2 ** 31, 2 ** 32, 2 ** 47 + 1, 2 ** 48 - 1];

describe('the digits of a number', () => {
  it.each(UP_TO_16_BITS)('are four: %d', (value) => {
    expect(hex4(value)).toBe(value.toString(16).padStart(4, '0'));
  });

  it.each(UP_TO_48_BITS.filter((value) => value < 2 ** 32))('are eight: %d', (value) => {
    expect(hex8(value)).toBe(value.toString(16).padStart(8, '0'));
  });

  it.each(UP_TO_48_BITS)('are twelve: %d', (value) => {
    expect(hex12(value)).toBe(value.toString(16).padStart(12, '0'));
  });
});
