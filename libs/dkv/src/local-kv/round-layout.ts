/** The bytes of a round: what a node promised and accepted for one key. */
import { DkvError } from '../dkv.errors.js';
import { crc32 } from '../model/checksum.js';
import { decodeRecord, encodeRecord } from '../model/record-layout.js';
import { type KvRecord } from '../model/record.js';
import { isVersion, NO_VERSION, type Version } from '../model/version.js';

/** A round as it is stored: the accepted record is left out where it is the committed one. */
export interface StoredRound {
  readonly promised: Version;
  /** Of the record accepted last; '' for none. */
  readonly ballot: Version;
  readonly version: Version;
  readonly record: KvRecord | undefined;
}

export const NO_ROUND: StoredRound = {
  promised: NO_VERSION,
  ballot: NO_VERSION,
  version: NO_VERSION,
  record: undefined,
};

/** Whose round it is: where it lies, and the checksum of its name. */
export interface RoundOwner {
  readonly partition: number;
  readonly checksum: number;
}

/*
 * Format 2, numbers big endian: a CRC-32 of the key's name and of all that follows, format number, partition (u16),
 * bytes of promised, of ballot, of version (a byte each), these three (ASCII), the record in its own layout or
 * nothing. A promise that is read back lower than it was given would break the rounds, so every byte is covered, and
 * whose round it is too.
 */
const ROUND_FORMAT = 2;
const FORMAT_AT = 4;
const PARTITION_AT = 5;
const LENGTHS_AT = 7;
const FIXED_BYTES = 10;

export function encodeRound(
  owner: RoundOwner,
  { promised, ballot, version, record }: StoredRound,
): Uint8Array {
  const ballotAt = FIXED_BYTES + promised.length;
  const versionAt = ballotAt + ballot.length;
  const recordAt = versionAt + version.length;
  const recordBytes = record && encodeRecord(record);
  const bytes = Buffer.allocUnsafe(recordAt + (recordBytes?.byteLength ?? 0));
  bytes[FORMAT_AT] = ROUND_FORMAT;
  bytes.writeUInt16BE(owner.partition, PARTITION_AT);
  bytes[LENGTHS_AT] = promised.length;
  bytes[LENGTHS_AT + 1] = ballot.length;
  bytes[LENGTHS_AT + 2] = version.length;
  bytes.write(promised, FIXED_BYTES, 'latin1');
  bytes.write(ballot, ballotAt, 'latin1');
  bytes.write(version, versionAt, 'latin1');
  if (recordBytes) {
    bytes.set(recordBytes, recordAt);
  }
  bytes.writeUInt32BE(checksumOf(owner, bytes), 0);
  return bytes;
}

/** @throws DkvError `DKV_CORRUPT_RECORD` */
export function decodeRound(owner: RoundOwner, bytes: Uint8Array, where: string): StoredRound {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const ballotAt = FIXED_BYTES + (view[LENGTHS_AT] ?? 0);
  const versionAt = ballotAt + (view[LENGTHS_AT + 1] ?? 0);
  const recordAt = versionAt + (view[LENGTHS_AT + 2] ?? 0);
  const promised = view.toString('latin1', FIXED_BYTES, ballotAt);
  const ballot = view.toString('latin1', ballotAt, versionAt);
  const version = view.toString('latin1', versionAt, recordAt);
  const sound =
    view[FORMAT_AT] === ROUND_FORMAT &&
    view.length >= Math.max(recordAt, FIXED_BYTES) &&
    view.readUInt16BE(PARTITION_AT) === owner.partition &&
    view.readUInt32BE(0) === checksumOf(owner, view) &&
    [promised, ballot, version].every((text) => text === NO_VERSION || isVersion(text));
  if (!sound) {
    throw new DkvError(
      'DKV_CORRUPT_RECORD',
      `A round in ${where} is damaged or of a newer format. Remove this node's data folder so that it refills from ` +
        'its replicas.',
    );
  }
  const record = view.length > recordAt ? decodeRecord(view.subarray(recordAt), where) : undefined;
  return { promised, ballot, version, record };
}

function checksumOf({ checksum }: RoundOwner, bytes: Buffer): number {
  return crc32(bytes.subarray(FORMAT_AT), checksum);
}
