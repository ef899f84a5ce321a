/** Lower-case hex digits of numbers, and back: `toString(16)` and a regular expression cost several times as much. */

const PAIRS: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const DIGIT_0 = 48;
const DIGIT_9 = 57;
const DIGIT_A = 97;
const DIGIT_F = 102;

/** Of a whole number below 2^16. */
export function hex4(value: number): string {
  return PAIRS[value >>> 8]! + PAIRS[value & 255]!;
}

/** Of a whole number below 2^48. */
export function hex12(value: number): string {
  const high = Math.floor(value / 0x1000000);
  const low = value % 0x1000000;
  return hex6(high) + hex6(low);
}

function hex6(value: number): string {
  return PAIRS[value >>> 16]! + PAIRS[(value >>> 8) & 255]! + PAIRS[value & 255]!;
}

/** The number that the digits from `from` up to, not including, `to` stand for; NaN where they are none. */
export function numberIn(text: string, from: number, to: number): number {
  let value = 0;
  for (let at = from; at < to; at++) {
    const code = text.charCodeAt(at);
    if (!isDigit(code)) {
      return NaN;
    }
    value = 16 * value + (code <= DIGIT_9 ? code - DIGIT_0 : code - DIGIT_A + 10);
  }
  return value;
}

/** Whether `text` has nothing but digits from `from` up to, not including, `to`. */
export function areDigits(text: string, from: number, to: number): boolean {
  for (let at = from; at < to; at++) {
    if (!isDigit(text.charCodeAt(at))) {
      return false;
    }
  }
  return true;
}

function isDigit(code: number): boolean {
  return (code >= DIGIT_0 && code <= DIGIT_9) || (code >= DIGIT_A && code <= DIGIT_F);
}
