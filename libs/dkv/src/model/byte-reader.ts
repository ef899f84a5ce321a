/** Reads fields out of bytes that anybody may have sent: every length is held against what is there. */
import { Buffer, isUtf8 } from 'node:buffer';
import { DkvError } from '../dkv.errors.js';
import { type KnownTexts } from './known-texts.js';
import { type Version } from './version.js';
import { isVersionAt } from './version-bytes.js';

/** The weight of the last group of 7 bits that a number below 2^53 can have. */
const SCALE_MAX = 2 ** 49;
const REPLACEMENT = '\ufffd';
/** Up to here it is cheaper to look at each byte than to look for what Node put in the place of wrong ones. */
const SHORT_TEXT_BYTES = 64;

export class ByteReader {
  /** What was read last, for fields that say "the same again". */
  lastNamespace: string | undefined;
  lastVersion: string | undefined;

  /** From `at` to before `end` of `bytes`. */
  constructor(
    private readonly bytes: Buffer,
    private at = 0,
    private readonly end = bytes.length,
  ) {}

  get left(): number {
    return this.end - this.at;
  }

  /** The byte that comes next, not taken; undefined at the end. */
  get next(): number | undefined {
    return this.at < this.end ? this.bytes[this.at] : undefined;
  }

  byte(): number {
    if (this.at >= this.end) {
      throw malformed('it ends too early');
    }
    return this.bytes[this.at++]!;
  }

  flag(): boolean {
    const value = this.byte();
    if (value > 1) {
      throw malformed(`${value} is neither true nor false`);
    }
    return value === 1;
  }

  /** One of the values below `count`. */
  choice(count: number): number {
    const value = this.byte();
    if (value >= count) {
      throw malformed(`${value} is none of ${count} choices`);
    }
    return value;
  }

  count(): number {
    let byte = this.byte();
    if (byte < 0x80) {
      return byte;
    }
    let value = byte & 0x7f;
    byte = this.byte();
    value |= (byte & 0x7f) << 7;
    if (byte < 0x80) {
      return value;
    }
    for (let scale = 0x4000; byte >= 0x80; scale *= 0x80) {
      byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (scale > SCALE_MAX || value > Number.MAX_SAFE_INTEGER) {
        throw malformed('a number is past 2^53 - 1');
      }
    }
    return value;
  }

  /** How many elements follow: each has a byte at least, so what is left bounds them as well. */
  elements(max: number): number {
    const count = this.count();
    if (count > max || count > this.left) {
      throw malformed(`it has ${count} elements where ${Math.min(max, this.left)} can be`);
    }
    return count;
  }

  /** Finite. */
  double(): number {
    const value = this.bytes.readDoubleBE(this.skip(8));
    if (!Number.isFinite(value)) {
      throw malformed('a number is not finite');
    }
    return value;
  }

  uint32(): number {
    return this.bytes.readUInt32BE(this.skip(4));
  }

  text(bytesMax: number): string {
    const length = this.lengthUpTo(bytesMax);
    const start = this.skip(length);
    if (length <= SHORT_TEXT_BYTES && this.isAscii(start)) {
      return this.bytes.toString('latin1', start, this.at);
    }
    const text = this.bytes.toString('utf8', start, this.at);
    // Node puts this character where bytes are not UTF-8; a text may have it of its own.
    if (text.includes(REPLACEMENT) && !isUtf8(this.bytes.subarray(start, this.at))) {
      throw malformed('a text is not UTF-8');
    }
    return text;
  }

  /** A text that passes `check`, or did when it was met before. */
  knownText(known: KnownTexts, bytesMax: number, check = asIs): string {
    const before = this.at;
    const length = this.lengthUpTo(bytesMax);
    const start = this.skip(length);
    const end = this.at;
    let text = known.find(this.bytes, start, end);
    if (text === undefined) {
      this.at = before;
      text = check(this.text(bytesMax));
      known.add(this.bytes, start, end, text);
    }
    return text;
  }

  /** Characters are what `latin1` makes of them: check them. */
  ascii(lengthMax: number): string {
    return this.asciiOf(this.lengthUpTo(lengthMax));
  }

  /** As `ascii`, of a length that was read before. */
  asciiOf(length: number): string {
    const start = this.skip(length);
    return this.bytes.toString('latin1', start, this.at);
  }

  /** A version of `length` bytes; undefined where they are none. */
  versionOf(length: number): Version | undefined {
    const start = this.skip(length);
    return isVersionAt(this.bytes, start, this.at)
      ? this.bytes.toString('latin1', start, this.at)
      : undefined;
  }

  hex(bytes: number): string {
    const start = this.skip(bytes);
    return this.bytes.toString('hex', start, this.at);
  }

  /** A view, of a length that stands before it. */
  block(bytesMax: number): Buffer {
    const length = this.lengthUpTo(bytesMax);
    const start = this.skip(length);
    return this.bytes.subarray(start, this.at);
  }

  /** A view of all that is left. */
  rest(): Buffer {
    const start = this.skip(this.left);
    return this.bytes.subarray(start, this.at);
  }

  /** As `block`, a view where it has `viewBytesMin` bytes and a copy where it has fewer. */
  bytesOf(viewBytesMin: number): Buffer {
    const length = this.lengthUpTo(this.left);
    const start = this.skip(length);
    if (length >= viewBytesMin) {
      return this.bytes.subarray(start, this.at);
    }
    const copied = Buffer.allocUnsafe(length);
    this.bytes.copy(copied, 0, start, this.at);
    return copied;
  }

  assertEnd(): void {
    if (this.left > 0) {
      throw malformed(`${this.left} bytes follow its end`);
    }
  }

  private isAscii(start: number): boolean {
    for (let at = start; at < this.at; at++) {
      if (this.bytes[at]! >= 0x80) {
        return false;
      }
    }
    return true;
  }

  private lengthUpTo(max: number): number {
    const length = this.count();
    if (length > max) {
      throw malformed(`a length is ${length} where at most ${max} is allowed`);
    }
    return length;
  }

  private skip(bytes: number): number {
    const start = this.at;
    if (bytes > this.end - start) {
      throw malformed(`${bytes} bytes are announced and ${this.end - start} are left`);
    }
    this.at = start + bytes;
    return start;
  }
}

function asIs(text: string): string {
  return text;
}

export function malformed(what: string): DkvError {
  return new DkvError('DKV_PROTOCOL', `A message between peers is malformed: ${what}.`);
}

/** The same bytes. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
