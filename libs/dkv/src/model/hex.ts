/** Hex digits of numbers as versions and request ids have them: `toString(16)` takes 0.5 µs for one above 2^32. */

const PAIRS: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Of a whole number below 2^16. */
export function hex4(value: number): string {
  return PAIRS[value >>> 8]! + PAIRS[value & 255]!;
}

/** Of a whole number below 2^32. */
export function hex8(value: number): string {
  return hex4(value >>> 16) + hex4(value & 0xffff);
}

/** Of a whole number below 2^48. */
export function hex12(value: number): string {
  return hex6(Math.floor(value / 0x1000000)) + hex6(value % 0x1000000);
}

/** Of a whole number below 2^24. */
export function hex6(value: number): string {
  return PAIRS[value >>> 16]! + PAIRS[(value >>> 8) & 255]! + PAIRS[value & 255]!;
}
