/** Keys and values that strong records and their groups have in the engine: where they lie, and their bytes. */
import { Buffer } from 'node:buffer';
import { crc32 } from '../../model/checksum.js';
import { DkvError } from '../../dkv.errors.js';
import { type StoreRange } from '../engines/store-engine.js';
import { type GroupState, type PageMark, type StrongRecord } from '../../ports/strong-store.js';
import { decodeUsage, encodeUsage, type UsageByNamespace } from '../../model/usage.js';
import { recoverRemedy } from '../../model/recover-remedy.js';
import { asBuffer } from '../../model/byte-reader.js';

/*
 * Eventual records lie in the same engine, by partitions 0 to 0xfffe; 0xffff 1 to 7 are the node's own (`disk-keys.ts`).
 *
 *   0xffff | RECORD 0x20   | group u16 | namespace 0 key                  → record
 *   0xffff | EXPIRY 0x21   | group u16 | ms u48 | namespace 0 key         → nothing: the record expires then
 *   0xffff | STATE 0x22    | group u16                                    → state of the group
 *   0xffff | COVERAGE 0x23                                                → the log's batches up to here are in the engine
 *
 *   record: generation u32 | index u48 | expiry ms u48 | modified ms u48 | value | CRC-32 u32
 *   state:  applied u48 | generation u32 | usage by namespace (`model/usage.ts`) | bytes | CRC-32 u32
 *
 * Numbers are big endian, and namespaces have no NUL, so the order of bytes is (group, namespace, key). A CRC is over the
 * whole key in the engine and all that comes before it in the value: bytes that came to lie under another key are damage
 * too. It comes last so that key and value, written behind each other, are summed up in one call.
 */

const SPACE = 0xffff;
const RECORD = 0x20;
const EXPIRY = 0x21;
const STATE = 0x22;
const COVERAGE = 0x23;

/** Groups are numbered from 0 to one below this. */
export const GROUPS_MAX = 0xffff;

const GROUP_PREFIX_BYTES = 5;
const EXPIRY_PREFIX_BYTES = GROUP_PREFIX_BYTES + 6;
const RECORD_HEAD_BYTES = 22;
const STATE_HEAD_BYTES = 10;
const CRC_BYTES = 4;
const TWO_TO_16 = 2 ** 16;
const TWO_TO_48 = 2 ** 48;
const NUL = Uint8Array.of(0);
const UTF8_BYTES_PER_UNIT_MAX = 3;

/** One chunk serves many records; the last one of a batch is wasted in part. */
const CHUNK_BYTES = 32 * 1024;

export const COVERAGE_KEY: Uint8Array = Uint8Array.of(0xff, 0xff, COVERAGE);
export const STATES_RANGE: StoreRange = {
  from: Uint8Array.of(0xff, 0xff, STATE),
  to: Uint8Array.of(0xff, 0xff, STATE + 1),
};

/** A namespace's name as keys hold it, NUL included: made once. @throws TypeError for a name with a NUL */
export function namespaceBytes(namespace: string): Buffer {
  if (namespace.includes('\0')) {
    throw new TypeError(`A namespace has no NUL, got ${JSON.stringify(namespace)}.`);
  }
  return Buffer.from(`${namespace}\0`);
}

export interface EncodedRecord {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** Makes keys and records in chunks: a buffer of its own for each would cost more than its bytes. */
export class RecordEncoder {
  private chunk: Buffer = Buffer.alloc(0);
  private at = 0;
  private readonly chunks: Buffer[] = [];
  private used = 0;

  /** Keeps up to so many chunks for {@link reuse}. */
  constructor(private readonly chunksMax = 0) {}

  /** Nobody uses what it made before: its chunks serve again. */
  reuse(): void {
    this.used = 0;
    this.at = this.chunk.length;
  }

  record(group: number, namespace: Uint8Array, key: string, record: StrongRecord): EncodedRecord {
    const { value } = record;
    const start = this.room(
      GROUP_PREFIX_BYTES + namespace.length + key.length * UTF8_BYTES_PER_UNIT_MAX,
      RECORD_HEAD_BYTES + value.length + CRC_BYTES,
    );
    const { chunk } = this;
    const head = this.name(start, RECORD, group, GROUP_PREFIX_BYTES, namespace, key);
    chunk.writeUInt32BE(record.generation, head);
    writeUint48(chunk, record.index, head + 4);
    writeUint48(chunk, record.expiresAtMs, head + 10);
    writeUint48(chunk, record.modifiedMs, head + 16);
    chunk.set(value, head + RECORD_HEAD_BYTES);
    const end = head + RECORD_HEAD_BYTES + value.length;
    chunk.writeUInt32BE(crc32(chunk.subarray(start, end)), end);
    this.at = end + CRC_BYTES;
    return { key: chunk.subarray(start, head), value: chunk.subarray(head, this.at) };
  }

  recordKey(group: number, namespace: Uint8Array, key: string): Buffer {
    const start = this.room(GROUP_PREFIX_BYTES + namespace.length + key.length * UTF8_BYTES_PER_UNIT_MAX, 0);
    this.at = this.name(start, RECORD, group, GROUP_PREFIX_BYTES, namespace, key);
    return this.chunk.subarray(start, this.at);
  }

  expiryKey(group: number, expiresAtMs: number, namespace: Uint8Array, key: string): Buffer {
    const start = this.room(EXPIRY_PREFIX_BYTES + namespace.length + key.length * UTF8_BYTES_PER_UNIT_MAX, 0);
    this.at = this.name(start, EXPIRY, group, EXPIRY_PREFIX_BYTES, namespace, key);
    writeUint48(this.chunk, expiresAtMs, start + GROUP_PREFIX_BYTES);
    return this.chunk.subarray(start, this.at);
  }

  /** Where in the chunk so many bytes, at most, may be written. */
  private room(keyBytesMax: number, valueBytes: number): number {
    const size = keyBytesMax + valueBytes;
    if (this.at + size > this.chunk.length) {
      this.chunk = size > CHUNK_BYTES ? Buffer.allocUnsafeSlow(size) : this.nextChunk();
      this.at = 0;
    }
    return this.at;
  }

  private nextChunk(): Buffer {
    const chunk = this.chunks[this.used] ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
    if (this.used < this.chunksMax) {
      this.chunks[this.used++] = chunk;
    }
    return chunk;
  }

  /** Gives where it ends. */
  private name(
    start: number,
    kind: number,
    group: number,
    prefixBytes: number,
    namespace: Uint8Array,
    key: string,
  ): number {
    writePrefix(this.chunk, start, kind, group);
    this.chunk.set(namespace, start + prefixBytes);
    const at = start + prefixBytes + namespace.length;
    return at + this.chunk.write(key, at);
  }
}

export interface StoredRecord extends PageMark {
  readonly record: StrongRecord;
}

/** Undefined where the bytes are damaged. `value` is a view of `value`'s bytes in the store's answer. */
export function decodeRecord(key: Uint8Array, bytes: Uint8Array): StrongRecord | undefined {
  const value = asBuffer(bytes);
  const end = value.length - CRC_BYTES;
  if (end < RECORD_HEAD_BYTES || value.readUInt32BE(end) !== crc32(value.subarray(0, end), crc32(key))) {
    return undefined;
  }
  return {
    generation: value.readUInt32BE(0),
    index: value.readUIntBE(4, 6),
    expiresAtMs: value.readUIntBE(10, 6),
    modifiedMs: value.readUIntBE(16, 6),
    value: value.subarray(RECORD_HEAD_BYTES, end),
  };
}

export function markInRecordKey(key: Uint8Array): PageMark {
  return markAt(asBuffer(key), GROUP_PREFIX_BYTES);
}

export interface ExpiryMark extends PageMark {
  readonly expiresAtMs: number;
}

export function markInExpiryKey(key: Uint8Array): ExpiryMark {
  const bytes = asBuffer(key);
  return {
    expiresAtMs: bytes.readUIntBE(GROUP_PREFIX_BYTES, 6),
    ...markAt(bytes, EXPIRY_PREFIX_BYTES),
  };
}

/** The records of a group, only those behind `after`. */
export function recordsRange(group: number, after?: PageMark): StoreRange {
  const from = prefix(RECORD, group);
  return {
    // A key and a NUL is the first possible key behind it.
    from: after ? Buffer.concat([from, Buffer.from(`${after.namespace}\0${after.key}`), NUL]) : from,
    to: prefix(RECORD, group + 1),
  };
}

/** The expiries of a group; only those up to and at `nowMs`. */
export function expiryRange(group: number, nowMs?: number): StoreRange {
  const to = prefix(EXPIRY, group + 1);
  if (nowMs === undefined) {
    return { from: prefix(EXPIRY, group), to };
  }
  const end = Buffer.alloc(EXPIRY_PREFIX_BYTES);
  writePrefix(end, 0, EXPIRY, group);
  writeUint48(end, Math.min(Math.max(0, Math.floor(nowMs)) + 1, TWO_TO_48 - 1), GROUP_PREFIX_BYTES);
  return { from: prefix(EXPIRY, group), to: end };
}

export function stateKey(group: number): Buffer {
  return prefix(STATE, group);
}

export interface StoredState extends GroupState {
  /** Of the group's records that are in the engine, about. */
  readonly usage: UsageByNamespace;
}

export function encodeState(group: number, { applied, generation, usage, bytes }: StoredState): Buffer {
  const counts = encodeUsage(usage);
  const value = Buffer.allocUnsafe(STATE_HEAD_BYTES + counts.length + bytes.length + CRC_BYTES);
  writeUint48(value, applied, 0);
  value.writeUInt32BE(generation, 6);
  value.set(counts, STATE_HEAD_BYTES);
  value.set(bytes, STATE_HEAD_BYTES + counts.length);
  const end = value.length - CRC_BYTES;
  value.writeUInt32BE(crc32(value.subarray(0, end), crc32(stateKey(group))), end);
  return value;
}

export function groupInStateKey(key: Uint8Array): number {
  return asBuffer(key).readUInt16BE(3);
}

/** @throws DkvError `DKV_CORRUPT_RECORD` naming the group and `where` its state is */
export function decodeState(key: Uint8Array, bytes: Uint8Array, where: string): StoredState {
  const value = asBuffer(bytes);
  const end = value.length - CRC_BYTES;
  const isSound =
    end >= STATE_HEAD_BYTES && value.readUInt32BE(end) === crc32(value.subarray(0, end), crc32(key));
  const counts = isSound ? decodeUsage(value, STATE_HEAD_BYTES, end) : undefined;
  if (!counts) {
    throw new DkvError(
      'DKV_CORRUPT_RECORD',
      `The state of group ${groupInStateKey(key)} in ${where} does not match its checksum, so it is not known what ` +
        `this node has applied. ${recoverRemedy(where)}`,
    );
  }
  return {
    applied: value.readUIntBE(0, 6),
    generation: value.readUInt32BE(6),
    usage: counts.usage,
    bytes: Uint8Array.from(value.subarray(counts.end, end)),
  };
}

export function encodeCoverage(position: number): Buffer {
  const bytes = Buffer.alloc(12);
  writeUint48(bytes, position, 0);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 6), crc32(COVERAGE_KEY)), 8);
  return bytes;
}

/** @throws DkvError `DKV_CORRUPT_RECORD` naming `where` */
export function decodeCoverage(bytes: Uint8Array, where: string): number {
  const value = asBuffer(bytes);
  if (value.length !== 12 || value.readUInt32BE(8) !== crc32(value.subarray(0, 6), crc32(COVERAGE_KEY))) {
    throw new DkvError(
      'DKV_CORRUPT_RECORD',
      `The position up to which ${where} covers the node's log does not match its checksum. ` +
        recoverRemedy(where),
    );
  }
  return value.readUIntBE(0, 6);
}

/**
 * The order of (namespace, key) in the engine, as -1, 0 or 1. Texts compare by UTF-16 units, and their bytes by code
 * points: the two differ where one has a surrogate and the other a unit above them.
 */
export function compareMarks(a: PageMark, b: PageMark): number {
  return a.namespace === b.namespace ? compareTexts(a.key, b.key) : compareTexts(a.namespace, b.namespace);
}

function compareTexts(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const [unitOfA, unitOfB] = [a.charCodeAt(at), b.charCodeAt(at)];
    if (unitOfA !== unitOfB) {
      return inCodePointOrder(unitOfA) < inCodePointOrder(unitOfB) ? -1 : 1;
    }
  }
  return Math.sign(a.length - b.length);
}

/** Surrogates stand for code points behind all that one unit can tell. */
function inCodePointOrder(unit: number): number {
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit;
}

function markAt(bytes: Buffer, at: number): PageMark {
  const separator = bytes.indexOf(0, at);
  return { namespace: bytes.toString('utf8', at, separator), key: bytes.toString('utf8', separator + 1) };
}

function prefix(kind: number, group: number): Buffer {
  const bytes = Buffer.alloc(GROUP_PREFIX_BYTES);
  writePrefix(bytes, 0, kind, group);
  return bytes;
}

function writePrefix(bytes: Buffer, at: number, kind: number, group: number): void {
  bytes.writeUInt16BE(SPACE, at);
  bytes[at + 2] = kind;
  bytes.writeUInt16BE(group, at + 3);
}

function writeUint48(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt16BE(Math.floor(value / 2 ** 32) % TWO_TO_16, at);
  bytes.writeUInt32BE(value % 2 ** 32, at + 2);
}
