/** Writes the fields of one frame after another into memory that is used again for the next. */
import { Buffer } from 'node:buffer';

const SCRATCH_BYTES = 96 * 1024;
/** A number of at most 2^53 - 1 in groups of 7 bits. */
const COUNT_BYTES_MAX = 8;
/** Below it, bit operations are exact. */
const BITS_MAX = 2 ** 31;
/** So short that its length is written in one byte whatever its characters are: 3 bytes of UTF-8 each. */
const SHORT_TEXT_LENGTH = 42;

export class ByteWriter {
  private readonly scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  private bytes = this.scratch;
  private at = 0;
  /** What was written last, for fields that say "the same again". */
  lastNamespace: string | undefined;
  lastVersion: string | undefined;

  /** Forgets what was written and leaves `headBytes` free for a head that is known only at the end. */
  begin(headBytes: number): void {
    this.bytes = this.scratch;
    this.at = headBytes;
    this.lastNamespace = undefined;
    this.lastVersion = undefined;
  }

  get length(): number {
    return this.at;
  }

  /** Goes back to `at` to write a head there. */
  seek(at: number): void {
    this.at = at;
  }

  byte(value: number): void {
    this.reserve(1);
    this.bytes[this.at++] = value;
  }

  flag(value: boolean): void {
    this.byte(value ? 1 : 0);
  }

  /** Whole, from 0 to 2^53 - 1; seven bits a byte, the lowest first. */
  count(value: number): void {
    if (!(Number.isSafeInteger(value) && value >= 0)) {
      throw new TypeError(`A peer message has no place for the number ${value}.`);
    }
    this.reserve(COUNT_BYTES_MAX);
    if (value < 0x80) {
      this.bytes[this.at++] = value;
      return;
    }
    let rest = value;
    // Bits where the number has no more than these can be asked of: division of large ones is slow.
    while (rest >= BITS_MAX) {
      this.bytes[this.at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    while (rest >= 0x80) {
      this.bytes[this.at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.bytes[this.at++] = rest;
  }

  double(value: number): void {
    this.reserve(8);
    this.at = this.bytes.writeDoubleBE(value, this.at);
  }

  uint32(value: number): void {
    this.reserve(4);
    this.at = this.bytes.writeUInt32BE(value, this.at);
  }

  text(value: string): void {
    if (value.length <= SHORT_TEXT_LENGTH) {
      this.reserve(1 + 3 * value.length);
      const length = this.shortAscii(value, this.at + 1)
        ? value.length
        : this.bytes.write(value, this.at + 1, 'utf8');
      this.bytes[this.at] = length;
      this.at += 1 + length;
      return;
    }
    const length = Buffer.byteLength(value);
    this.count(length);
    this.reserve(length);
    this.at += this.bytes.write(value, this.at, 'utf8');
  }

  /** Of characters below 128. */
  ascii(value: string): void {
    this.count(value.length);
    this.asciiOf(value);
  }

  /** As `ascii`, without its length. */
  asciiOf(value: string): void {
    this.reserve(value.length);
    if (value.length > SHORT_TEXT_LENGTH || !this.shortAscii(value, this.at)) {
      this.bytes.write(value, this.at, 'latin1');
    }
    this.at += value.length;
  }

  /** Whether the text is of characters below 128: then it is written. A loop takes a fifth of what a call of Node does. */
  private shortAscii(value: string, at: number): boolean {
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i);
      if (code >= 0x80) {
        return false;
      }
      this.bytes[at + i] = code;
    }
    return true;
  }

  /** An even number of hex digits, without their length. */
  hex(digits: string): void {
    const length = digits.length / 2;
    this.reserve(length);
    if (this.bytes.write(digits, this.at, 'hex') !== length) {
      throw new TypeError(`A peer message has no place for ${JSON.stringify(digits)}: not hex digits.`);
    }
    this.at += length;
  }

  block(bytes: Uint8Array): void {
    this.count(bytes.length);
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.at);
    this.at += bytes.length;
  }

  /** A copy of what was written between `start` and `end`. */
  copy(start: number, end: number): Buffer {
    const copied = Buffer.allocUnsafe(end - start);
    this.bytes.copy(copied, 0, start, end);
    return copied;
  }

  /** What was written from `start` on; memory that is not the scratch is given away instead of copied. */
  take(start: number): Buffer {
    const taken =
      this.bytes === this.scratch ? this.copy(start, this.at) : this.bytes.subarray(start, this.at);
    this.begin(0);
    return taken;
  }

  private reserve(bytes: number): void {
    if (this.at + bytes > this.bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.ceil(1.25 * (this.at + bytes)));
      this.bytes.copy(grown, 0, 0, this.at);
      this.bytes = grown;
    }
  }
}
