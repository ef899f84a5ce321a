/** The bytes of a record: one layout, on disk and on the wire, that tells a damaged record from a sound one. */
import { DkvError } from '../dkv.errors.js';
import {
  checksumOf,
  headerOf,
  KEY_BYTES_MAX,
  type KvRecord,
  NAMESPACE_BYTES_MAX,
  type RecordHeader,
} from './record.js';
import {
  type AppliedRequest,
  isRequestId,
  NO_REQUEST,
  NO_REQUESTS,
  type RequestWindow,
  REQUESTS_MAX,
} from './request-window.js';
import { isVersion } from './version.js';

/**
 * Format 2, numbers big endian:
 *
 * | offset | bytes | field |
 * |---|---|---|
 * | 0 | 1 | format number |
 * | 1 | 1 | flags: bit 0 is the tombstone, bit 1 tells that requests were forgotten, the others are 0 |
 * | 2 | 1 | bytes of the namespace |
 * | 3 | 1 | bytes of the version |
 * | 4 | 2 | bytes of the key |
 * | 6 | 4 | bytes of the value |
 * | 10 | 8 | expiresAtMs, as a double |
 * | 18 | 4 | checksum of the record |
 * | 22 | 8 | modifiedMs, as a double |
 * | 30 | 1 | number of requests |
 * | 31 | | namespace, key (UTF-8), version (ASCII) |
 * | | 12 | the id of the last request forgotten, with bit 1 |
 * | | | for each request its id (12), the bytes of its version (1), its version (ASCII) |
 * | | | value |
 *
 * The checksum covers the contents; the lengths are covered because they decide what the contents are.
 */
export const RECORD_FORMAT = 2;

const FIXED_BYTES = 31;
const TOMBSTONE = 1;
const FORGOTTEN = 2;
const REQUEST_ID_BYTES = 12;

/** Where the parts of a record lie in its bytes. */
interface Extents {
  readonly keyAt: number;
  readonly versionAt: number;
  readonly requestsAt: number;
  readonly valueAt: number;
}

/** How many bytes {@link encodeRecord} will make of `record`, at most; cheap. */
export function recordBytesMax(record: KvRecord): number {
  const { namespace, key, version, requests, value } = record;
  const names = 3 * (namespace.length + key.length);
  return FIXED_BYTES + names + version.length + requestsBytes(requests) + value.byteLength;
}

/**
 * The bytes of `record`, a copy of its value included. Does not verify the checksum.
 * @throws TypeError when a field is outside what the layout, and so every node, can hold.
 */
export function encodeRecord(record: KvRecord): Uint8Array {
  const { namespace, key, version, tombstone, expiresAtMs, modifiedMs, requests, checksum, value } = record;
  const namespaceBytes = Buffer.byteLength(namespace);
  const keyBytes = Buffer.byteLength(key);
  const fault = faultIn(record, namespaceBytes, keyBytes);
  if (fault) {
    throw new TypeError(`Not a record: ${fault}, in key ${JSON.stringify(key).slice(0, 80)}.`);
  }
  const keyAt = FIXED_BYTES + namespaceBytes;
  const versionAt = keyAt + keyBytes;
  const requestsAt = versionAt + version.length;
  const valueAt = requestsAt + requestsBytes(requests);
  const bytes = Buffer.allocUnsafe(valueAt + value.byteLength);
  bytes[0] = RECORD_FORMAT;
  bytes[1] = (tombstone ? TOMBSTONE : 0) | (requests.forgotten === NO_REQUEST ? 0 : FORGOTTEN);
  bytes[2] = namespaceBytes;
  bytes[3] = version.length;
  bytes.writeUInt16BE(keyBytes, 4);
  bytes.writeUInt32BE(value.byteLength, 6);
  bytes.writeDoubleBE(expiresAtMs, 10);
  bytes.writeUInt32BE(checksum, 18);
  bytes.writeDoubleBE(modifiedMs, 22);
  bytes[30] = requests.applied.length;
  bytes.write(namespace, FIXED_BYTES, 'utf8');
  bytes.write(key, keyAt, 'utf8');
  bytes.write(version, versionAt, 'latin1');
  writeRequests(bytes, requestsAt, requests);
  bytes.set(value, valueAt);
  return bytes;
}

/**
 * The record in `bytes`, all of them. Its `value` is a view of `bytes`: copy it if they are used again.
 * `where` says in an error where the bytes came from: a folder, a peer.
 * @throws DkvError `DKV_CORRUPT_RECORD` when a length, a field or the checksum is wrong or the format is newer.
 */
export function decodeRecord(bytes: Uint8Array, where: string): KvRecord {
  const view = viewOf(bytes);
  return recordIn(view, extentsOf(view, where), where);
}

/** What {@link decodeRecord} gives without the value, verified all the same; copies no value. */
export function decodeHeader(bytes: Uint8Array, where: string): RecordHeader {
  const view = viewOf(bytes);
  return headerOf(recordIn(view, extentsOf(view, where), where));
}

function extentsOf(view: Buffer, where: string): Extents {
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
  const keyAt = FIXED_BYTES + view[2]!;
  const versionAt = keyAt + view.readUInt16BE(4);
  const requestsAt = versionAt + view[3]!;
  const valueAt = requestsEnd(view, requestsAt);
  const end = valueAt + view.readUInt32BE(6);
  if (end !== view.length) {
    throw corrupt(`A record in ${where} has ${view.length} bytes where its lengths make ${end}`);
  }
  return { keyAt, versionAt, requestsAt, valueAt };
}

function recordIn(view: Buffer, { keyAt, versionAt, requestsAt, valueAt }: Extents, where: string): KvRecord {
  const flags = view[1]!;
  const record: KvRecord = {
    namespace: view.toString('utf8', FIXED_BYTES, keyAt),
    key: view.toString('utf8', keyAt, versionAt),
    version: view.toString('latin1', versionAt, requestsAt),
    tombstone: (flags & TOMBSTONE) !== 0,
    expiresAtMs: view.readDoubleBE(10),
    checksum: view.readUInt32BE(18),
    modifiedMs: view.readDoubleBE(22),
    requests: requestsIn(view, requestsAt),
    value: view.subarray(valueAt),
  };
  const fault =
    flags > (TOMBSTONE | FORGOTTEN) || checksumOf(record) !== record.checksum
      ? 'it does not match its checksum'
      : faultIn(record, keyAt - FIXED_BYTES, versionAt - keyAt);
  if (fault) {
    throw corrupt(
      `The record of key ${JSON.stringify(record.key)} (namespace ${JSON.stringify(record.namespace)}) ` +
        `in ${where} is damaged: ${fault}`,
    );
  }
  return record;
}

function requestsBytes({ applied, forgotten }: RequestWindow): number {
  const ids = forgotten === NO_REQUEST ? 0 : REQUEST_ID_BYTES;
  return applied.reduce((bytes, { version }) => bytes + REQUEST_ID_BYTES + 1 + version.length, ids);
}

function writeRequests(bytes: Buffer, at: number, { applied, forgotten }: RequestWindow): void {
  let end = at + (forgotten === NO_REQUEST ? 0 : bytes.write(forgotten, at, 'hex'));
  for (const { id, version } of applied) {
    end += bytes.write(id, end, 'hex');
    bytes[end++] = version.length;
    end += bytes.write(version, end, 'latin1');
  }
}

/** Where the requests end; past the end of the view when their lengths are wrong. */
function requestsEnd(view: Buffer, at: number): number {
  let end = at + ((view[1]! & FORGOTTEN) === 0 ? 0 : REQUEST_ID_BYTES);
  for (let left = view[30]!; left > 0 && end < view.length; left--) {
    end += REQUEST_ID_BYTES + 1 + (view[end + REQUEST_ID_BYTES] ?? 0);
  }
  return end;
}

function requestsIn(view: Buffer, at: number): RequestWindow {
  const forgets = (view[1]! & FORGOTTEN) !== 0;
  const count = view[30]!;
  if (count === 0 && !forgets) {
    return NO_REQUESTS;
  }
  let end = at + (forgets ? REQUEST_ID_BYTES : 0);
  const applied: AppliedRequest[] = [];
  while (applied.length < count) {
    const versionAt = end + REQUEST_ID_BYTES + 1;
    const id = view.toString('hex', end, end + REQUEST_ID_BYTES);
    end = versionAt + view[versionAt - 1]!;
    applied.push({ id, version: view.toString('latin1', versionAt, end) });
  }
  return { applied, forgotten: forgets ? view.toString('hex', at, at + REQUEST_ID_BYTES) : NO_REQUEST };
}

/** What of a record breaks the layout's limits. */
function faultIn(record: KvRecord, namespaceBytes: number, keyBytes: number): string | undefined {
  const { namespace, version, tombstone, expiresAtMs, modifiedMs, requests, checksum, value } = record;
  if (namespaceBytes < 1 || namespaceBytes > NAMESPACE_BYTES_MAX || namespace.includes('\0')) {
    return `its namespace is not 1 to ${NAMESPACE_BYTES_MAX} bytes without NUL`;
  }
  if (keyBytes < 1 || keyBytes > KEY_BYTES_MAX) {
    return `its key has ${keyBytes} bytes; allowed are 1 to ${KEY_BYTES_MAX}`;
  }
  if (!isVersion(version)) {
    return 'its version is not one';
  }
  if (!Number.isSafeInteger(expiresAtMs) || expiresAtMs < 0 || Object.is(expiresAtMs, -0)) {
    return `its expiry is ${expiresAtMs}`;
  }
  if (!Number.isSafeInteger(modifiedMs) || modifiedMs < 0 || Object.is(modifiedMs, -0)) {
    return `its time of writing is ${modifiedMs}`;
  }
  const { applied, forgotten } = requests;
  if (
    applied.length > REQUESTS_MAX ||
    !applied.every(isApplied) ||
    !(forgotten === '' || isRequestId(forgotten))
  ) {
    return 'its requests are not well formed';
  }
  if (!Number.isInteger(checksum) || checksum < 0 || checksum > 0xffff_ffff) {
    return `its checksum is ${checksum}`;
  }
  if (tombstone && value.byteLength > 0) {
    return 'it is a tombstone with a value';
  }
  return undefined;
}

function isApplied({ id, version }: AppliedRequest): boolean {
  return isRequestId(id) && isVersion(version);
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function corrupt(what: string): DkvError {
  return new DkvError(
    'DKV_CORRUPT_RECORD',
    `${what}. If it was read from a disk, remove this node's data folder so that it refills from its replicas.`,
  );
}
