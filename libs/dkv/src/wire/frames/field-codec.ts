/** The words of the store as bytes: keys, versions, records; what comes in is held against their rules. */
import { type RecordId } from '../../model/key.js';
import { type Notice, NOTICES_MAX } from '../../model/peer-protocol.js';
import { KEY_BYTES_MAX, type KvRecord, NAMESPACE_BYTES_MAX, type RecordHeader } from '../../model/record.js';
import { decodeRecord, encodeRecord } from '../../model/record-layout.js';
import { type RequestId } from '../../model/request-window.js';
import { isVersion, NO_VERSION, type Version } from '../../model/version.js';
import { isKey, isNamespace } from '../field-rules.js';
import { type ByteReader, malformed } from './byte-reader.js';
import { type ByteWriter } from './byte-writer.js';

const VERSION_LENGTH_MAX = 255;
const REQUEST_ID_BYTES = 12;
/** Below this, a view costs more than its copy: it keeps the whole message in memory. */
const VIEW_BYTES_MIN = 64 * 1024;

export function writeName(to: ByteWriter, { namespace, key }: { namespace: string; key: string }): void {
  to.text(namespace);
  to.text(key);
}

export function readName(from: ByteReader): { namespace: string; key: string } {
  const namespace = from.text(NAMESPACE_BYTES_MAX);
  if (!isNamespace(namespace)) {
    throw malformed('a namespace is not 1 to 64 bytes without NUL');
  }
  const key = from.text(KEY_BYTES_MAX);
  if (!isKey(key)) {
    throw malformed('a key is empty');
  }
  return { namespace, key };
}

export function writeId(to: ByteWriter, id: RecordId): void {
  to.count(id.partition);
  writeName(to, id);
}

export function readId(from: ByteReader): RecordId {
  const partition = from.count();
  const { namespace, key } = readName(from);
  return { partition, namespace, key };
}

/** Also of {@link NO_VERSION}. */
export function writeVersion(to: ByteWriter, version: Version): void {
  to.ascii(version);
}

export function readVersion(from: ByteReader): Version {
  const version = from.ascii(VERSION_LENGTH_MAX);
  if (!isVersion(version)) {
    throw malformed('a version is none');
  }
  return version;
}

export function readVersionOrNone(from: ByteReader): Version {
  const version = from.ascii(VERSION_LENGTH_MAX);
  if (version !== NO_VERSION && !isVersion(version)) {
    throw malformed('a version is none');
  }
  return version;
}

export function writeRequestId(to: ByteWriter, id: RequestId): void {
  to.hex(id);
}

export function readRequestId(from: ByteReader): RequestId {
  return from.hex(REQUEST_ID_BYTES);
}

export function writeRecord(to: ByteWriter, record: KvRecord): void {
  to.block(encodeRecord(record));
}

/** Verified against its checksum; `where` is for the error. */
export function readRecord(from: ByteReader, where: string): KvRecord {
  const bytes = from.block(from.left);
  return decodeRecord(bytes.length < VIEW_BYTES_MIN ? Buffer.from(bytes) : bytes, where);
}

export function writeOptional<T>(
  to: ByteWriter,
  value: T | undefined,
  write: (to: ByteWriter, value: T) => void,
): void {
  to.flag(value !== undefined);
  if (value !== undefined) {
    write(to, value);
  }
}

export function readOptional<T>(
  from: ByteReader,
  where: string,
  read: (from: ByteReader, where: string) => T,
): T | undefined {
  return from.flag() ? read(from, where) : undefined;
}

export function writeHeader(to: ByteWriter, header: RecordHeader): void {
  writeName(to, header);
  writeVersion(to, header.version);
  to.flag(header.tombstone);
  to.count(header.expiresAtMs);
  to.uint32(header.checksum);
}

export function readHeader(from: ByteReader): RecordHeader {
  const { namespace, key } = readName(from);
  return {
    namespace,
    key,
    version: readVersion(from),
    tombstone: from.flag(),
    expiresAtMs: from.count(),
    checksum: from.uint32(),
  };
}

export function writeNotices(to: ByteWriter, notices: readonly Notice[]): void {
  to.count(notices.length);
  for (const notice of notices) {
    writeId(to, notice);
    writeVersion(to, notice.version);
  }
}

export function readNotices(from: ByteReader): Notice[] {
  return readList(from, NOTICES_MAX, () => ({ ...readId(from), version: readVersion(from) }));
}

export function readList<T>(from: ByteReader, max: number, read: () => T): T[] {
  const list: T[] = [];
  for (let left = from.elements(max); left > 0; left--) {
    list.push(read());
  }
  return list;
}
