/** The bytes of a record: one layout, on disk and on the wire, that tells a damaged record from a sound one. */
import { Buffer, isUtf8 } from 'node:buffer';
import { DkvError } from '../dkv.errors.js';
import { crc32 } from './checksum.js';
import { KEY_BYTES_MAX, NAMESPACE_BYTES_MAX } from './key.js';
import { KnownTexts } from './known-texts.js';
import { type KvRecord, type RecordDraft, type RecordHeader } from './record-fields.js';
import { isVersion, physicalMsOf } from './version.js';
import { isVersionAt } from './version-bytes.js';
import { recoverRemedy } from './recover-remedy.js';
import { asBuffer } from './byte-reader.js';

/**
 * Format 4, numbers big endian:
 *
 * | offset | bytes | field |
 * |---|---|---|
 * | 0 | 1 | format number |
 * | 1 | 4 | checksum of the record: CRC-32 of all that follows |
 * | 5 | 1 | flags: bit 0 is the tombstone, the others are 0 |
 * | 6 | 1 | bytes of the namespace |
 * | 7 | 1 | bytes of the version |
 * | 8 | 2 | bytes of the key |
 * | 10 | 4 | bytes of the value |
 * | 14 | 8 | expiresAtMs, as a double |
 * | 22 | 8 | modifiedMs, as a double |
 * | 30 | | namespace, key (UTF-8), version (ASCII), value |
 *
 * The bytes of equal records are equal, so the checksum is one of the record, wherever it is.
 */
export const RECORD_FORMAT = 4;

const CHECKED_FROM = 5;
const FIXED_BYTES = 30;
/** What a decoder puts in the place of what is not UTF-8; it may also stand in a text itself. */
const REPLACEMENT = '\ufffd';
const TOMBSTONE = 1;
const NO_VERSION_FAULT = 'its version is not one';

const namespaces = new KnownTexts();

/**
 * A record that has its bytes: it is encoded once, when it is stamped, and copied ever after. Between stamping and
 * resting on three disks a record is written out some ten times, at 2 µs each.
 */
class EncodedRecord implements KvRecord {
  readonly namespace: string;
  readonly key: string;
  readonly version: string;
  readonly tombstone: boolean;
  readonly expiresAtMs: number;
  readonly checksum: number;
  readonly modifiedMs: number;
  readonly value: Uint8Array;
  readonly #bytes: Buffer;

  constructor(fields: KvRecord, bytes: Buffer) {
    this.namespace = fields.namespace;
    this.key = fields.key;
    this.version = fields.version;
    this.tombstone = fields.tombstone;
    this.expiresAtMs = fields.expiresAtMs;
    this.checksum = fields.checksum;
    this.modifiedMs = fields.modifiedMs;
    this.value = fields.value;
    this.#bytes = bytes;
  }

  static bytesOf(record: KvRecord): Buffer | undefined {
    return #bytes in record ? record.#bytes : undefined;
  }
}

/** The record of a draft: its checksum made, its bytes its own. @throws TypeError as {@link encodeRecord} */
export function encodeDraft(draft: RecordDraft): KvRecord {
  // Field by field: spreading a draft into what has a field more took as long as encoding it.
  const fields: { -readonly [K in keyof KvRecord]: KvRecord[K] } = {
    namespace: draft.namespace,
    key: draft.key,
    version: draft.version,
    tombstone: draft.tombstone,
    expiresAtMs: draft.expiresAtMs,
    checksum: 0,
    modifiedMs: draft.modifiedMs ?? physicalMsOf(draft.version),
    value: draft.value,
  };
  const bytes = encoded(fields);
  fields.checksum = checksumIn(bytes);
  bytes.writeUInt32BE(fields.checksum, 1);
  fields.value = valueIn(bytes, bytes.length - draft.value.length);
  return new EncodedRecord(fields, bytes);
}

/** The same record on bytes that its maker does not have: `record` itself where it is encoded already. */
export function withOwnBytes(record: KvRecord): KvRecord {
  if (EncodedRecord.bytesOf(record)) {
    return record;
  }
  const bytes = encoded(record);
  const value = valueIn(bytes, bytes.length - record.value.length);
  return new EncodedRecord({ ...record, value }, bytes);
}

/** The same record in memory of its own, unverified; undefined for what has no bytes. */
export function copyOfEncoded(record: KvRecord): KvRecord | undefined {
  const ownBytes = EncodedRecord.bytesOf(record);
  if (!ownBytes) {
    return undefined;
  }
  const bytes = Buffer.from(ownBytes);
  const value = valueIn(bytes, bytes.length - record.value.length);
  return new EncodedRecord({ ...record, value }, bytes);
}

/** The checksum that the record in `bytes` must have. */
export function checksumIn(bytes: Uint8Array): number {
  return crc32(bytes.subarray(CHECKED_FROM));
}

/** How many bytes {@link encodeRecord} will make of `record`, at most; cheap. */
export function recordBytesMax(record: KvRecord): number {
  const ownBytes = EncodedRecord.bytesOf(record);
  if (ownBytes) {
    return ownBytes.length;
  }
  const { namespace, key, version, value } = record;
  const names = 3 * (namespace.length + key.length);
  return FIXED_BYTES + names + version.length + value.length;
}

/**
 * The bytes of `record`, which may be its own: they must not be changed. Does not verify the checksum.
 * @throws TypeError when a field is outside what the layout, and so every node, can hold.
 */
export function encodeRecord(record: KvRecord): Uint8Array {
  return EncodedRecord.bytesOf(record) ?? encoded(record);
}

function encoded(record: KvRecord): Buffer {
  const { namespace, key, version, tombstone, expiresAtMs, modifiedMs, checksum, value } = record;
  const namespaceBytes = Buffer.byteLength(namespace);
  const keyBytes = Buffer.byteLength(key);
  const fault =
    faultIn(record, namespaceBytes, keyBytes) ?? (isVersion(version) ? undefined : NO_VERSION_FAULT);
  if (fault) {
    throw new TypeError(`Not a record: ${fault}, in key ${JSON.stringify(key).slice(0, 80)}.`);
  }
  const keyAt = FIXED_BYTES + namespaceBytes;
  const versionAt = keyAt + keyBytes;
  const valueAt = versionAt + version.length;
  const bytes = Buffer.allocUnsafe(valueAt + value.length);
  bytes[0] = RECORD_FORMAT;
  bytes.writeUInt32BE(checksum, 1);
  bytes[5] = tombstone ? TOMBSTONE : 0;
  bytes[6] = namespaceBytes;
  bytes[7] = version.length;
  bytes.writeUInt16BE(keyBytes, 8);
  bytes.writeUInt32BE(value.length, 10);
  bytes.writeDoubleBE(expiresAtMs, 14);
  bytes.writeDoubleBE(modifiedMs, 22);
  bytes.write(namespace, FIXED_BYTES, 'utf8');
  bytes.write(key, keyAt, 'utf8');
  bytes.write(version, versionAt, 'latin1');
  bytes.set(value, valueAt);
  return bytes;
}

/**
 * The record in `bytes`, all of them, which belong to it from now on: they must not be changed or used again.
 * `where` says in an error where the bytes came from: a folder, a peer.
 * @throws DkvError `DKV_CORRUPT_RECORD` when a length, a field or the checksum is wrong or the format is newer.
 */
export function decodeRecord(bytes: Uint8Array, where: string): KvRecord {
  const view = asBuffer(bytes);
  assertFormat(view, where);
  const flags = view[5]!;
  const keyAt = FIXED_BYTES + view[6]!;
  const versionAt = keyAt + view.readUInt16BE(8);
  const valueAt = versionAt + view[7]!;
  const end = valueAt + view.readUInt32BE(10);
  if (end !== view.length) {
    throw corrupt(`A record in ${where} has ${view.length} bytes where its lengths make ${end}`);
  }
  const record = new EncodedRecord(
    {
      namespace: namespaceIn(view, keyAt),
      key: view.toString('utf8', keyAt, versionAt),
      version: view.toString('latin1', versionAt, valueAt),
      tombstone: (flags & TOMBSTONE) !== 0,
      expiresAtMs: view.readDoubleBE(14),
      checksum: view.readUInt32BE(1),
      modifiedMs: view.readDoubleBE(22),
      value: valueIn(view, valueAt),
    },
    view,
  );
  const fault =
    flags > TOMBSTONE || checksumIn(view) !== record.checksum
      ? 'it does not match its checksum'
      : (faultIn(record, keyAt - FIXED_BYTES, versionAt - keyAt) ??
        (isVersionAt(view, versionAt, valueAt) ? undefined : NO_VERSION_FAULT) ??
        textFault(view, record, keyAt, versionAt));
  if (fault) {
    throw corrupt(
      `The record of key ${JSON.stringify(record.key)} (namespace ${JSON.stringify(record.namespace)}) ` +
        `in ${where} is damaged: ${fault}`,
    );
  }
  return record;
}

/** The text from the fixed fields to `end`, of which there are few: each is made once. */
function namespaceIn(view: Buffer, end: number): string {
  let namespace = namespaces.find(view, FIXED_BYTES, end);
  if (namespace === undefined) {
    namespace = view.toString('utf8', FIXED_BYTES, end);
    namespaces.add(view, FIXED_BYTES, end, namespace);
  }
  return namespace;
}

/** What {@link decodeRecord} gives without the value, verified all the same. */
export function decodeHeader(bytes: Uint8Array, where: string): RecordHeader {
  const { namespace, key, version, tombstone, expiresAtMs, checksum } = decodeRecord(bytes, where);
  return { namespace, key, version, tombstone, expiresAtMs, checksum };
}

function assertFormat(view: Buffer, where: string): void {
  if (view.length < FIXED_BYTES) {
    throw corrupt(`A record in ${where} has ${view.length} bytes, fewer than any record`);
  }
  const format = view[0]!;
  if (format > RECORD_FORMAT) {
    throw new DkvError(
      'DKV_CORRUPT_RECORD',
      `A record in ${where} has format ${format}; this release of nestjs-dkv reads up to ${RECORD_FORMAT}. ` +
        'Run the release that wrote it, or a newer one.',
    );
  }
  if (format !== RECORD_FORMAT) {
    throw corrupt(`A record in ${where} has the unknown format ${format}`);
  }
}

/** Other bytes that read as the same text would be the same key twice, and never encode to what they were. */
function textFault(
  view: Buffer,
  { namespace, key }: KvRecord,
  keyAt: number,
  versionAt: number,
): string | undefined {
  const isSound =
    (!namespace.includes(REPLACEMENT) || isUtf8(view.subarray(FIXED_BYTES, keyAt))) &&
    (!key.includes(REPLACEMENT) || isUtf8(view.subarray(keyAt, versionAt)));
  return isSound ? undefined : 'its namespace or its key is not UTF-8';
}

/** What of a record, but for its version, breaks the layout's limits. */
function faultIn(record: KvRecord, namespaceBytes: number, keyBytes: number): string | undefined {
  const { namespace, tombstone, expiresAtMs, modifiedMs, checksum, value } = record;
  if (namespaceBytes < 1 || namespaceBytes > NAMESPACE_BYTES_MAX || namespace.includes('\0')) {
    return `its namespace is not 1 to ${NAMESPACE_BYTES_MAX} bytes without NUL`;
  }
  if (keyBytes < 1 || keyBytes > KEY_BYTES_MAX) {
    return `its key has ${keyBytes} bytes; allowed are 1 to ${KEY_BYTES_MAX}`;
  }
  if (!Number.isSafeInteger(expiresAtMs) || expiresAtMs < 0 || Object.is(expiresAtMs, -0)) {
    return `its expiry is ${expiresAtMs}`;
  }
  if (!Number.isSafeInteger(modifiedMs) || modifiedMs < 0 || Object.is(modifiedMs, -0)) {
    return `its time of writing is ${modifiedMs}`;
  }
  if (!Number.isInteger(checksum) || checksum < 0 || checksum > 0xffff_ffff) {
    return `its checksum is ${checksum}`;
  }
  if (tombstone && value.length > 0) {
    return 'it is a tombstone with a value';
  }
  return undefined;
}

function valueIn(bytes: Buffer, at: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + at, bytes.length - at);
}

function corrupt(what: string): DkvError {
  return new DkvError('DKV_CORRUPT_RECORD', `${what}. If a disk gave it: ${recoverRemedy()}`);
}
