/** How the node log is laid out in bytes: the header of an append, and the records in it. */
import { Buffer } from 'node:buffer';
import { crc32 } from '../../model/checksum.js';
import { ENTRY_KINDS, type EntryKind } from '../../model/raft-messages.js';
import { type HardState } from '../../ports/node-log.js';

/*
 * A segment is a run of appends without gaps. All numbers are little-endian.
 *
 *   append:  magic u32 | crc u32 | body bytes u32 | crc of the append before u32 | position u64 | records
 *
 * `crc` is the CRC-32 of all that follows it, so of its predecessor's as well: an append that fits is the one that was
 * written behind that one. `position` is the append's own in the log: bytes of an older append at the same place in the
 * file do not pass for a later one, and a search for whole appends cannot be misled by copies of them in values.
 *
 *   1 segment:   format u8 | position where the segment before ended u48     (the first record of each segment)
 *   2 entry:     kind u8 | group u32 | generation u32 | term u48 | index u48 | bytes u32 | data
 *   3 hardState: group u32 | generation u32 | term u48 | bytes u16 | vote
 *   4 reset:     group u32 | generation u32 | term u48 | index u48
 *   5 batch:     number u48 | bytes u32 | data
 */
export const HEADER_BYTES = 24;
/** The last letter is the version of the layout. */
export const MAGIC = Buffer.from('DKL1').readUInt32LE(0);
const MAGIC_WITHOUT_VERSION = MAGIC & 0xffffff;

const SEGMENT = 1;
const ENTRY = 2;
const HARD_STATE = 3;
const RESET = 4;
const BATCH = 5;

const FORMAT = 1;
const SEGMENT_RECORD_BYTES = 8;
export const ENTRY_HEAD_BYTES = 26;
export const RESET_BYTES = 21;
export const BATCH_HEAD_BYTES = 11;
const HARD_STATE_HEAD_BYTES = 17;

const KIND_CODES = new Map<EntryKind, number>(ENTRY_KINDS.map((kind, code) => [kind, code]));
const TWO_TO_32 = 0x1_0000_0000;

/** Is shown the records of an append in order; `from` and `to` are offsets in the bytes that are walked. */
export interface RecordVisitor {
  segment(previousEnd: number): void;
  entry(
    group: number,
    generation: number,
    term: number,
    index: number,
    kind: EntryKind,
    from: number,
    to: number,
  ): void;
  hardState(group: number, state: HardState): void;
  reset(group: number, generation: number, index: number, term: number): void;
  batch(number: number, from: number, to: number): void;
}

/** What a whole append says that this version does not understand. */
export class UnknownRecordError extends Error {
  override readonly name = 'UnknownRecordError';
}

/** Fills in the header of `bytes`, an append with room for it in front; gives its CRC. */
export function sealAppend(bytes: Buffer, position: number, previousCrc: number): number {
  writeUInt32(bytes, MAGIC, 0);
  writeUInt32(bytes, bytes.length - HEADER_BYTES, 8);
  writeUInt32(bytes, previousCrc, 12);
  writeUInt48(bytes, position, 16);
  bytes.writeUInt16LE(0, 22);
  const crc = crc32(bytes.subarray(8));
  writeUInt32(bytes, crc, 4);
  return crc;
}

/** Bytes of the append whose header is at `at`, if that may be one that begins at `position`. */
export function appendBytesAt(bytes: Buffer, at: number, position: number): number | undefined {
  if (readUInt32(bytes, at) !== MAGIC || readUInt48(bytes, at + 16) !== position) {
    return undefined;
  }
  return HEADER_BYTES + readUInt32(bytes, at + 8);
}

/** Whether these are the first bytes of an append of another version of the layout. */
export function isOtherVersion(bytes: Buffer, at: number): boolean {
  const word = readUInt32(bytes, at);
  return word !== MAGIC && (word & 0xffffff) === MAGIC_WITHOUT_VERSION;
}

/** The CRC of a whole append, or undefined when its bytes do not give it. */
export function checkedCrc(append: Buffer): number | undefined {
  const crc = readUInt32(append, 4);
  return crc32(append.subarray(8)) === crc ? crc : undefined;
}

/** The CRC that the append says its predecessor has. */
export function previousCrcOf(append: Buffer): number {
  return readUInt32(append, 12);
}

/** Bytes of the first append of a segment. */
export function segmentHeadBytes(hardStates: ReadonlyMap<number, HardState>): number {
  let bytes = HEADER_BYTES + SEGMENT_RECORD_BYTES;
  for (const { vote } of hardStates.values()) {
    bytes += hardStateBytes(vote);
  }
  return bytes;
}

/**
 * The first append of a segment, not sealed yet. It has the last hard state of every group, so that deleting the segments
 * before it forgets no vote (rule 3 of the strong mode).
 */
export function segmentHead(previousEnd: number, hardStates: ReadonlyMap<number, HardState>): Buffer {
  const head = Buffer.alloc(segmentHeadBytes(hardStates));
  head[HEADER_BYTES] = SEGMENT;
  head[HEADER_BYTES + 1] = FORMAT;
  writeUInt48(head, previousEnd, HEADER_BYTES + 2);
  let at = HEADER_BYTES + SEGMENT_RECORD_BYTES;
  for (const [group, state] of hardStates) {
    putHardState(head, at, group, state);
    at += hardStateBytes(state.vote);
  }
  return head;
}

/** Only the head; the data belong behind it. */
export function putEntryHead(
  bytes: Buffer,
  at: number,
  group: number,
  generation: number,
  term: number,
  index: number,
  kind: EntryKind,
  dataBytes: number,
): void {
  bytes[at] = ENTRY;
  bytes[at + 1] = KIND_CODES.get(kind)!;
  writeUInt32(bytes, group, at + 2);
  writeUInt32(bytes, generation, at + 6);
  writeUInt48(bytes, term, at + 10);
  writeUInt48(bytes, index, at + 16);
  writeUInt32(bytes, dataBytes, at + 22);
}

export function hardStateBytes(vote: string): number {
  return HARD_STATE_HEAD_BYTES + Buffer.byteLength(vote);
}

export function putHardState(bytes: Buffer, at: number, group: number, state: HardState): void {
  bytes[at] = HARD_STATE;
  writeUInt32(bytes, group, at + 1);
  writeUInt32(bytes, state.generation, at + 5);
  writeUInt48(bytes, state.term, at + 9);
  bytes.writeUInt16LE(bytes.write(state.vote, at + HARD_STATE_HEAD_BYTES), at + 15);
}

export function putReset(
  bytes: Buffer,
  at: number,
  group: number,
  generation: number,
  index: number,
  term: number,
): void {
  bytes[at] = RESET;
  writeUInt32(bytes, group, at + 1);
  writeUInt32(bytes, generation, at + 5);
  writeUInt48(bytes, term, at + 9);
  writeUInt48(bytes, index, at + 15);
}

/** Only the head; the batch's bytes belong behind it. */
export function putBatchHead(bytes: Buffer, at: number, number: number, dataBytes: number): void {
  bytes[at] = BATCH;
  writeUInt48(bytes, number, at + 1);
  writeUInt32(bytes, dataBytes, at + 7);
}

/**
 * Shows the records in `bytes`, from `at` to `end`, whose CRC was found right.
 * @throws UnknownRecordError for a record of a newer version: nothing of it may be skipped
 */
export function walkRecords(bytes: Buffer, at: number, end: number, visitor: RecordVisitor): void {
  while (at < end) {
    at = walkRecord(bytes, at, visitor);
  }
}

/** Gives where the next record begins. */
function walkRecord(bytes: Buffer, at: number, visitor: RecordVisitor): number {
  const type = bytes[at]!;
  if (type === ENTRY) {
    const kind = ENTRY_KINDS[bytes[at + 1]!];
    const from = at + ENTRY_HEAD_BYTES;
    const to = from + readUInt32(bytes, at + 22);
    const group = readUInt32(bytes, at + 2);
    const index = readUInt48(bytes, at + 16);
    if (kind === undefined) {
      throw new UnknownRecordError(
        `entry ${index} of group ${group} is of the unknown kind ${bytes[at + 1]}`,
      );
    }
    visitor.entry(group, readUInt32(bytes, at + 6), readUInt48(bytes, at + 10), index, kind, from, to);
    return to;
  }
  if (type === HARD_STATE) {
    const from = at + HARD_STATE_HEAD_BYTES;
    const to = from + bytes.readUInt16LE(at + 15);
    visitor.hardState(readUInt32(bytes, at + 1), {
      generation: readUInt32(bytes, at + 5),
      term: readUInt48(bytes, at + 9),
      vote: bytes.toString('utf8', from, to),
    });
    return to;
  }
  if (type === BATCH) {
    const from = at + BATCH_HEAD_BYTES;
    const to = from + readUInt32(bytes, at + 7);
    visitor.batch(readUInt48(bytes, at + 1), from, to);
    return to;
  }
  if (type === RESET) {
    const index = readUInt48(bytes, at + 15);
    visitor.reset(readUInt32(bytes, at + 1), readUInt32(bytes, at + 5), index, readUInt48(bytes, at + 9));
    return at + RESET_BYTES;
  }
  if (type === SEGMENT && bytes[at + 1] === FORMAT) {
    visitor.segment(readUInt48(bytes, at + 2));
    return at + SEGMENT_RECORD_BYTES;
  }
  throw new UnknownRecordError(`a record is of the unknown type ${type}`);
}

// By hand: for each number Node's own methods take four times as long or more, and a write has three dozen of them.

function writeUInt32(bytes: Buffer, value: number, at: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

function readUInt32(bytes: Buffer, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

function writeUInt48(bytes: Buffer, value: number, at: number): void {
  writeUInt32(bytes, value, at);
  const upper = value < TWO_TO_32 ? 0 : Math.floor(value / TWO_TO_32);
  bytes[at + 4] = upper;
  bytes[at + 5] = upper >>> 8;
}

export function readUInt48(bytes: Buffer, at: number): number {
  return readUInt32(bytes, at) + (bytes[at + 4]! | (bytes[at + 5]! << 8)) * TWO_TO_32;
}
