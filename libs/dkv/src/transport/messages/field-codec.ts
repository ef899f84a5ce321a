/** The words of the store as bytes: keys, versions, records; what comes in is held against their rules. */
import { KEY_BYTES_MAX, NAMESPACE_BYTES_MAX, type RecordId } from '../../model/key.js';
import { type KvRecord, type RecordHeader } from '../../model/record.js';
import { decodeRecord, encodeRecord } from '../../model/record-layout.js';
import { type RequestId } from '../../model/request-id.js';
import { NO_VERSION, NODE_ID_PATTERN, type Version } from '../../model/version.js';
import { isKey, isNamespace } from './name-rules.js';
import { type ByteReader, malformed } from '../../model/byte-reader.js';
import { type ByteWriter } from '../../model/byte-writer.js';
import { KnownTexts } from '../../model/known-texts.js';

export const VERSION_LENGTH_MAX = 255;
const REQUEST_ID_BYTES = 12;
/** Below this, a view costs more than its copy: it keeps the whole message in memory. */
const VIEW_BYTES_MIN = 64 * 1024;
/** In the place of a namespace's length: it is the one before it in the frame. No namespace is empty. */
const SAME_NAMESPACE = 0;
/** In the place of a version's length: it is the one before it in the frame. No version is so short. */
const SAME_VERSION = 1;
const NODE_ID_LENGTH_MAX = 100;

const namespaces = new KnownTexts();
const nodeIds = new KnownTexts();

export function writeName(to: ByteWriter, { namespace, key }: { namespace: string; key: string }): void {
  if (namespace === to.lastNamespace) {
    to.byte(SAME_NAMESPACE);
  } else {
    to.text(namespace);
    to.lastNamespace = namespace;
  }
  to.text(key);
}

export function readNamespace(from: ByteReader): string {
  if (from.next === SAME_NAMESPACE && from.lastNamespace !== undefined) {
    from.byte();
    return from.lastNamespace;
  }
  const namespace = from.knownText(namespaces, NAMESPACE_BYTES_MAX, checkedNamespace);
  from.lastNamespace = namespace;
  return namespace;
}

export function readKey(from: ByteReader): string {
  const key = from.text(KEY_BYTES_MAX);
  if (!isKey(key)) {
    throw malformed('a key is empty');
  }
  return key;
}

export function readName(from: ByteReader): { namespace: string; key: string } {
  return { namespace: readNamespace(from), key: readKey(from) };
}

export function readNodeId(from: ByteReader): string {
  return from.knownText(nodeIds, NODE_ID_LENGTH_MAX, checkedNodeId);
}

export function writeId(to: ByteWriter, id: RecordId): void {
  to.count(id.partition);
  writeName(to, id);
}

export function readId(from: ByteReader): RecordId {
  return { partition: from.count(), namespace: readNamespace(from), key: readKey(from) };
}

/** Also of {@link NO_VERSION}. Versions of one message are often the same: then the second is one byte. */
export function writeVersion(to: ByteWriter, version: Version): void {
  if (version !== NO_VERSION && version === to.lastVersion) {
    to.byte(SAME_VERSION);
    return;
  }
  if (version.length > VERSION_LENGTH_MAX) {
    throw new TypeError(`A peer message has no place for the version ${JSON.stringify(version)}.`);
  }
  to.byte(version.length);
  to.asciiOf(version);
  to.lastVersion = version === NO_VERSION ? to.lastVersion : version;
}

export function readVersion(from: ByteReader): Version {
  const version = readVersionOrNone(from);
  if (version === NO_VERSION) {
    throw malformed('a version is none');
  }
  return version;
}

export function readVersionOrNone(from: ByteReader): Version {
  const length = from.byte();
  if (length === 0) {
    return NO_VERSION;
  }
  if (length === SAME_VERSION && from.lastVersion !== undefined) {
    return from.lastVersion;
  }
  const version = from.versionOf(length);
  if (version === undefined) {
    throw malformed('a version is none');
  }
  from.lastVersion = version;
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
  to.lastVersion = record.version;
}

/** Verified against its checksum; `where` is for the error. */
export function readRecord(from: ByteReader, where: string): KvRecord {
  const record = decodeRecord(from.bytesOf(VIEW_BYTES_MIN), where);
  from.lastVersion = record.version;
  return record;
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
  return {
    namespace: readNamespace(from),
    key: readKey(from),
    version: readVersion(from),
    tombstone: from.flag(),
    expiresAtMs: from.count(),
    checksum: from.uint32(),
  };
}

export function readList<T>(from: ByteReader, max: number, read: (from: ByteReader) => T): T[] {
  const list: T[] = [];
  for (let left = from.elements(max); left > 0; left--) {
    list.push(read(from));
  }
  return list;
}

function checkedNamespace(namespace: string): string {
  if (!isNamespace(namespace)) {
    throw malformed('a namespace is not 1 to 64 bytes without NUL');
  }
  return namespace;
}

function checkedNodeId(nodeId: string): string {
  if (!NODE_ID_PATTERN.test(nodeId)) {
    throw malformed('a node id is none');
  }
  return nodeId;
}
