/** The bytes of a round: what a node promised and accepted for one key. */
import { DkvError } from '../dkv.errors.js';
import { crc32 } from '../model/checksum.js';
import { idOf, type RecordId } from '../model/key.js';
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

/*
 * Format 1: format number, bytes of promised, of ballot, of version (a byte each), a CRC-32 of the key's name and of
 * all that follows, these three (ASCII), the record in its own layout or nothing. A promise that is read back lower
 * than it was given would break the rounds, so every byte is covered, and whose round it is too.
 */
const ROUND_FORMAT = 1;
const CHECKSUM_AT = 4;
const FIXED_BYTES = 8;

export function encodeRound(id: RecordId, { promised, ballot, version, record }: StoredRound): Uint8Array {
  const recordAt = FIXED_BYTES + promised.length + ballot.length + version.length;
  const recordBytes = record && encodeRecord(record);
  const bytes = Buffer.allocUnsafe(recordAt + (recordBytes?.byteLength ?? 0));
  bytes[0] = ROUND_FORMAT;
  bytes[1] = promised.length;
  bytes[2] = ballot.length;
  bytes[3] = version.length;
  bytes.write(promised + ballot + version, FIXED_BYTES, 'latin1');
  if (recordBytes) {
    bytes.set(recordBytes, recordAt);
  }
  bytes.writeUInt32BE(checksumOf(id, bytes), CHECKSUM_AT);
  return bytes;
}

/** @throws DkvError `DKV_CORRUPT_RECORD` */
export function decodeRound(id: RecordId, bytes: Uint8Array, where: string): StoredRound {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const ballotAt = FIXED_BYTES + (view[1] ?? 0);
  const versionAt = ballotAt + (view[2] ?? 0);
  const recordAt = versionAt + (view[3] ?? 0);
  const promised = view.toString('latin1', FIXED_BYTES, ballotAt);
  const ballot = view.toString('latin1', ballotAt, versionAt);
  const version = view.toString('latin1', versionAt, recordAt);
  const sound =
    view[0] === ROUND_FORMAT &&
    view.length >= Math.max(recordAt, FIXED_BYTES) &&
    view.readUInt32BE(CHECKSUM_AT) === checksumOf(id, view) &&
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

function checksumOf(id: RecordId, bytes: Buffer): number {
  const lengths = crc32(bytes.subarray(0, CHECKSUM_AT), crc32(`${id.partition}\0${idOf(id)}\0`));
  return crc32(bytes.subarray(FIXED_BYTES), lengths);
}
