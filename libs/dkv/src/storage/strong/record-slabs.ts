/** Memory of the records of the table: slabs, each filled from its start and given back as a whole. */
import { Buffer } from 'node:buffer';
import { type Aged, AgeList } from '../../model/age-list.js';
import { type StrongRecord } from '../../ports/strong-store.js';
import {
  ABSENT,
  byteOf,
  DIRTY,
  doubleOf,
  EXPIRES_AT,
  GENERATION,
  HASH,
  HEAD_BYTES,
  INDEX,
  KEY,
  KEY_BYTES,
  MODIFIED,
  NAMED,
  NO_VALUE,
  OWNER,
  SIZE_CODES,
  sizeCode,
  sizeOf,
  sizeOfCode,
  STORED_LOWER,
  STORED_UPPER,
  UNIT_BITS,
  UNIT_BYTES,
  VALUE,
  wordOf,
} from './record-head.js';

const SLAB_BYTES_MAX = UNIT_BYTES * 2 ** UNIT_BITS;
const SLAB_BYTES_MIN = 1024;
/** Positions are below 2^31, which V8 keeps as integers. */
const SLABS_MAX = 2 ** (31 - UNIT_BITS);
/** A record of more than this part of a slab has one of its own size: what is left over of others is never more. */
const LARGE = 0.25;
/** What is dirty needs far fewer. */
const SLABS_SPARE = 4_096;
/** Empty slabs are kept for what comes next up to this part of all memory of records. */
const EMPTY = 1 / 8;

export interface EncodedKey {
  /** The key in UTF-8 from the start, and anything behind it. */
  readonly bytes: Buffer;
  readonly length: number;
  /** Of namespace and key. */
  readonly hash: number;
  /** Its number. */
  readonly namespace: number;
}

export class Slab implements Aged<Slab> {
  readonly bytes: Buffer;
  readonly words: Int32Array;
  readonly doubles: Float64Array;
  /** While it has records. */
  number = 0;
  /** Bytes from the start that records have. */
  used = 0;
  /** Records that are named. */
  named = 0;
  namedBytes = 0;
  dirtyBytes = 0;
  /** Records that a checkpoint is writing: they stay where they are. */
  taken = 0;
  /** Somebody has views of its bytes, perhaps for long: it is never filled again. */
  isLent = false;
  older: Slab | undefined;
  newer: Slab | undefined;

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafeSlow(size);
    this.words = new Int32Array(this.bytes.buffer);
    this.doubles = new Float64Array(this.bytes.buffer);
  }

  sizeAt(position: number): number {
    const word = wordOf(position);
    return sizeOf(this.words[word + KEY]! & KEY_BYTES, this.words[word + VALUE]!);
  }

  /** Whether it was made for one record that is too large for others. */
  get isOfOne(): boolean {
    return this.used === this.bytes.length && this.sizeAt(this.number << UNIT_BITS) === this.used;
  }

  /** Positions of all records, those that are gone too, in the order in which they came. */
  *positions(): Generator<number> {
    const first = this.number << UNIT_BITS;
    for (let at = 0; at < this.used;) {
      const position = first + at / UNIT_BYTES;
      // Before the caller may change it.
      at += this.sizeAt(position);
      yield position;
    }
  }
}

/** A record of the table, as it was when it was asked for. */
class ShownRecord implements StrongRecord {
  constructor(
    readonly generation: number,
    readonly index: number,
    readonly expiresAtMs: number,
    readonly modifiedMs: number,
    private readonly bytes: Buffer,
    private readonly start: number,
    private readonly end: number,
  ) {}

  get value(): Uint8Array {
    return this.bytes.subarray(this.start, this.end);
  }
}

/**
 * What is written is never changed until its slab is given up. Then it is filled again, or left to the collector where
 * records of it were given out: views of them that are still in use stay as they are. After the segments of log-structured
 * memory (Rumble and others, Log-structured Memory for DRAM-based Storage, FAST 2014).
 */
export class RecordSlabs {
  readonly slabBytes: number;
  /** From the oldest. */
  readonly byAge = new AgeList<Slab>();
  /** By their numbers, of which 0 is never given. */
  private readonly slabs: (Slab | undefined)[] = [undefined];
  private readonly free: number[] = [];
  /** Of the usual size, to be filled again. */
  private readonly empty: Slab[] = [];
  private readonly emptyMax: number;
  private current: Slab | undefined;
  private total = 0;

  /** For about so many bytes in all; slabs are small beside it. */
  constructor(bytes: number) {
    const wanted = 2 ** Math.floor(Math.log2(Math.max(1, bytes / 512)));
    this.slabBytes = Math.min(Math.max(wanted, SLAB_BYTES_MIN), SLAB_BYTES_MAX);
    this.emptyMax = Math.floor((bytes * EMPTY) / this.slabBytes);
  }

  /** Of all slabs with records. */
  get bytes(): number {
    return this.total;
  }

  get count(): number {
    return this.slabs.length - 1 - this.free.length;
  }

  /** Whether there are so many that some must go before others may come. */
  get isCrowded(): boolean {
    return this.count > SLABS_MAX - SLABS_SPARE;
  }

  at(position: number): Slab {
    return this.slabs[position >> UNIT_BITS]!;
  }

  flagsAt(position: number, slab = this.at(position)): number {
    return slab.words[wordOf(position) + KEY]!;
  }

  groupAt(position: number): number {
    return this.at(position).words[wordOf(position) + OWNER]! & 0xffff;
  }

  /** Whether it is the newest of its key. */
  isNamedAt(position: number): boolean {
    return (this.flagsAt(position) & NAMED) !== 0;
  }

  isDirtyAt(position: number): boolean {
    return (this.flagsAt(position) & DIRTY) !== 0;
  }

  keyAt(position: number): string {
    const start = byteOf(position) + HEAD_BYTES;
    const length = this.flagsAt(position) & KEY_BYTES;
    return this.at(position).bytes.toString('utf8', start, start + length);
  }

  hasValue(position: number): boolean {
    return this.at(position).words[wordOf(position) + VALUE] !== NO_VALUE;
  }

  /** 0 for never, and where there is no record. */
  expiryAt(position: number): number {
    return this.at(position).doubles[doubleOf(position) + EXPIRES_AT]!;
  }

  /** The expiry that its record in the engine has (0: never), {@link ABSENT} or {@link UNKNOWN}. */
  storedAt(position: number): number {
    const { words } = this.at(position);
    const upper = words[wordOf(position) + STORED_UPPER]!;
    const code = upper >>> 16;
    return code >= SIZE_CODES
      ? code - 0x1_0000
      : (upper & 0xffff) * 2 ** 32 + (words[wordOf(position) + STORED_LOWER]! >>> 0);
  }

  /** Bytes of key and value in the engine, about; 0 where no record is, or nothing is known. */
  storedBytesAt(position: number): number {
    const code = this.at(position).words[wordOf(position) + STORED_UPPER]! >>> 16;
    return code >= SIZE_CODES ? 0 : this.keyBytesAt(position) + sizeOfCode(code);
  }

  /** Bytes of key and value, counted as {@link storedBytesAt} does; 0 where there is no record. */
  bytesAt(position: number): number {
    return this.hasValue(position)
      ? this.keyBytesAt(position) + sizeOfCode(sizeCode(this.valueBytesAt(position)))
      : 0;
  }

  /** Says what the engine has: an expiry, with the bytes of the value, or {@link ABSENT} or {@link UNKNOWN}. */
  setStored(position: number, stored: number, valueBytes = 0): void {
    const { words } = this.at(position);
    const word = wordOf(position);
    if (stored < 0) {
      words[word + STORED_UPPER] = stored << 16;
    } else {
      // Of a number past 2^32 its lower half.
      words[word + STORED_LOWER] = stored;
      words[word + STORED_UPPER] = Math.floor(stored / 2 ** 32) | (sizeCode(valueBytes) << 16);
    }
  }

  /** The engine has by now what the record at `from`, of the same key, is. */
  setStoredAs(position: number, from: number): void {
    if (this.hasValue(from)) {
      this.setStored(position, this.expiryAt(from), this.valueBytesAt(from));
    } else {
      this.setStored(position, ABSENT);
    }
  }

  /** Of the same key the engine has what `from` says. */
  copyStored(position: number, from: number): void {
    const [to, of] = [this.at(position).words, this.at(from).words];
    to[wordOf(position) + STORED_LOWER] = of[wordOf(from) + STORED_LOWER]!;
    to[wordOf(position) + STORED_UPPER] = of[wordOf(from) + STORED_UPPER]!;
  }

  private keyBytesAt(position: number): number {
    return this.flagsAt(position) & KEY_BYTES;
  }

  private valueBytesAt(position: number): number {
    return this.at(position).words[wordOf(position) + VALUE]!;
  }

  /** Undefined where there is none. Its bytes stay as they are for as long as anybody has it. */
  recordAt(position: number): StrongRecord | undefined {
    const record = this.passingAt(position);
    if (record) {
      this.at(position).isLent = true;
    }
    return record;
  }

  /** The same for who needs it no longer than its slab is certain to stay: in this turn, before anything is written. */
  passingAt(position: number): StrongRecord | undefined {
    const { words, doubles, bytes } = this.at(position);
    const word = wordOf(position);
    const double = doubleOf(position);
    const length = words[word + VALUE]!;
    if (length === NO_VALUE) {
      return undefined;
    }
    const start = byteOf(position) + HEAD_BYTES + (words[word + KEY]! & KEY_BYTES);
    return new ShownRecord(
      words[word + GENERATION]! >>> 0,
      doubles[double + INDEX]!,
      doubles[double + EXPIRES_AT]!,
      doubles[double + MODIFIED]!,
      bytes,
      start,
      start + length,
    );
  }

  /** Bytes of the slab that a record of that size would begin; 0 where it fits into the current one. */
  needs(size: number): number {
    if (size > this.slabBytes * LARGE) {
      return size;
    }
    const { current } = this;
    return current && current.used + size <= current.bytes.length ? 0 : this.slabBytes;
  }

  /** Writes a record, or that there is none, and gives its position; it is not named, nor said what the engine has. */
  place(group: number, key: EncodedKey, record: StrongRecord | undefined, flags: number): number {
    const value = record?.value;
    const position = this.allot(sizeOf(key.length, value ? value.length : 0));
    const { words, doubles, bytes } = this.at(position);
    const double = doubleOf(position);
    doubles[double + INDEX] = record ? record.index : 0;
    doubles[double + EXPIRES_AT] = record ? record.expiresAtMs : 0;
    doubles[double + MODIFIED] = record ? record.modifiedMs : 0;
    const word = wordOf(position);
    words[word + HASH] = key.hash;
    words[word + OWNER] = group | (key.namespace << 16);
    words[word + GENERATION] = record ? record.generation : 0;
    words[word + KEY] = key.length | flags;
    words[word + VALUE] = value ? value.length : NO_VALUE;
    const start = byteOf(position) + HEAD_BYTES;
    // Quicker than a call for the few bytes that keys have.
    for (let at = 0; at < key.length; at++) {
      bytes[start + at] = key.bytes[at]!;
    }
    if (value) {
      bytes.set(value, start + key.length);
    }
    return position;
  }

  /** A copy in the newest slab; it is not named yet. */
  copy(from: number, slab: Slab, flags: number): number {
    const size = slab.sizeAt(from);
    const position = this.allot(size);
    const { bytes, words } = this.at(position);
    slab.bytes.copy(bytes, byteOf(position), byteOf(from), byteOf(from) + size);
    words[wordOf(position) + KEY] = flags & ~NAMED;
    return position;
  }

  /** The position of room for a record, whose head, key and value its caller writes at once. */
  private allot(size: number): number {
    const slab = size > this.slabBytes * LARGE ? this.made(size) : this.withRoom(size);
    const position = (slab.number << UNIT_BITS) + slab.used / UNIT_BYTES;
    slab.used += size;
    return position;
  }

  private withRoom(size: number): Slab {
    const { current } = this;
    if (current && current.used + size <= current.bytes.length) {
      return current;
    }
    this.current = this.made(this.slabBytes);
    if (current) {
      this.giveUpIfEmpty(current);
    }
    return this.current;
  }

  /** Nothing more goes into it. */
  close(slab: Slab): void {
    if (slab === this.current) {
      this.current = undefined;
    }
  }

  /** As if it were the newest. */
  renew(slab: Slab): void {
    this.byAge.remove(slab);
    this.byAge.add(slab);
  }

  /** Bytes of it that are given out: of all but the current one those that are left over, too. */
  givenOut(slab: Slab): number {
    return slab === this.current ? slab.used : slab.bytes.length;
  }

  giveUpIfEmpty(slab: Slab): void {
    const isEmpty = slab.named === 0 && slab.taken === 0 && slab !== this.current;
    if (isEmpty && this.slabs[slab.number] === slab) {
      this.byAge.remove(slab);
      this.slabs[slab.number] = undefined;
      this.free.push(slab.number);
      this.total -= slab.bytes.length;
      if (!slab.isLent && slab.bytes.length === this.slabBytes && this.empty.length < this.emptyMax) {
        slab.used = 0;
        this.empty.push(slab);
      }
    }
  }

  private made(size: number): Slab {
    const number = this.free.pop() ?? this.slabs.length;
    if (number >= SLABS_MAX) {
      throw new RangeError(`There are ${number} slabs of records: no more can be named.`);
    }
    const slab = (size === this.slabBytes ? this.empty.pop() : undefined) ?? new Slab(size);
    slab.number = number;
    this.slabs[number] = slab;
    this.byAge.add(slab);
    this.total += size;
    return slab;
  }
}
