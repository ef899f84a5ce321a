/** The keys of the store: how partitions, buckets, hints and the node's own values lie in one ordered map of bytes. */
import { Buffer } from 'node:buffer';
import { crc32 } from '../../model/checksum.js';
import { idOf, type RecordId } from '../../model/key.js';
import { type Version } from '../../model/version.js';
import { type ExpiringKey, type HeaderRange, type Hint, TREE_BUCKETS } from '../../ports/local-kv-repo.js';
import { type StoreRange } from '../engines/store-engine.js';
import { asBuffer } from '../../model/byte-reader.js';

/*
 * A partition is one contiguous range, and so is a bucket of it; the node's own things come last:
 *
 *   partition u16 | RECORD | bucket u8 | namespace 0 key         → record
 *   partition u16 | COLLECTABLE | version 0 namespace 0 key      → nothing: the key has what a floor there may erase
 *   0xffff        | META   | name                                → a small value of the node
 *   0xffff        | HINT   | node id 0 partition u16 namespace 0 key → nothing
 *   0xffff        | TREE   | partition u16                       → digests of its buckets, as of some batch
 *   0xffff        | JOURNAL | place u16                          → what one batch changed in digests and counters
 *   0xffff        | EXPIRY | ms u64 | partition u16 namespace 0 key → nothing: the key's value expires then
 *   0xffff        | FLOOR  | partition u16                      → floor and fence of the partition
 *
 * Numbers are big endian, so that the order of bytes is theirs; namespaces and node ids have no NUL. The digests lie
 * together, apart from their partitions, so that a start reads them in one scan that meets no record.
 */

const RECORD = 1;
const COLLECTABLE = 3;

/** The space of the node itself: no partition has this number. */
const NODE_SPACE = 0xffff;
const META = 1;
const HINT = 2;
const TREE = 3;
const JOURNAL = 4;
const EXPIRY = 6;
const FLOOR = 7;

/** Partitions are numbered from 0 to one below this, at most. */
export const PARTITIONS_MAX = NODE_SPACE;

const RECORD_PREFIX_BYTES = 4;
const NUL = Uint8Array.of(0);
/** Behind a version and its NUL, before every character that a longer version may go on with. */
const PAST_NUL = Uint8Array.of(1);
const TWO_TO_32 = 2 ** 32;

/** CRC-32 of the name of a key, which the checksums and the bucket of all that is stored for it begin with. */
export function nameChecksum({ namespace, key }: { namespace: string; key: string }): number {
  return crc32(`${namespace}\0${key}`);
}

/** The bucket of a key; the same on every node, for ever. */
export function bucketOf(id: { namespace: string; key: string }): number {
  return bucketOfName(nameChecksum(id));
}

export function bucketOfName(checksum: number): number {
  return checksum % TREE_BUCKETS;
}

export function recordKey(id: RecordId, bucket = bucketOf(id)): Buffer {
  const bytes = withName(RECORD_PREFIX_BYTES, id);
  writePrefix(bytes, id.partition, RECORD);
  bytes[3] = bucket;
  return bytes;
}

export function isRecordKey(key: Uint8Array): boolean {
  return key[2] === RECORD && key.byteLength > RECORD_PREFIX_BYTES;
}

/** What a record key says of its record, to check that they belong together. */
export function idInRecordKey(key: Uint8Array): RecordId {
  const bytes = asBuffer(key);
  return { partition: bytes.readUInt16BE(0), ...nameIn(bytes, RECORD_PREFIX_BYTES) };
}

/** Where the records of `range` lie. In the range of all partitions there may be keys of other kinds too. */
export function recordRange({ partition, bucket, after }: HeaderRange): StoreRange {
  if (partition === undefined) {
    return { from: prefix(0, 0), to: prefix(NODE_SPACE, 0) };
  }
  if (bucket === undefined) {
    return { from: prefix(partition, RECORD), to: prefix(partition, RECORD + 1) };
  }
  const start = prefix(partition, RECORD, bucket);
  return {
    // A key and a NUL is the first possible key behind it.
    from: after ? Buffer.concat([start, Buffer.from(`${after.namespace}\0${after.key}`), NUL]) : start,
    to: prefix(partition, RECORD, bucket + 1),
  };
}

export interface CollectableMark {
  readonly id: RecordId;
  readonly version: Version;
}

/** `version`: from this floor on there is something to erase. */
export function collectableKey({ partition, namespace, key }: RecordId, version: Version): Buffer {
  return Buffer.concat([prefix(partition, COLLECTABLE), Buffer.from(`${version}\0${namespace}\0${key}`)]);
}

export function collectableIn(key: Uint8Array): CollectableMark {
  const bytes = asBuffer(key);
  const separator = bytes.indexOf(0, 3);
  const version = bytes.toString('latin1', 3, separator);
  return { id: { partition: bytes.readUInt16BE(0), ...nameIn(bytes, separator + 1) }, version };
}

/** What a floor of `upTo` may erase of a partition, lowest version first; only what comes after a mark. */
export function collectableRange(partition: number, upTo: Version, after?: CollectableMark): StoreRange {
  const start = prefix(partition, COLLECTABLE);
  return {
    from: after ? Buffer.concat([collectableKey(after.id, after.version), NUL]) : start,
    to: Buffer.concat([start, Buffer.from(upTo), PAST_NUL]),
  };
}

export function expiryKey({ expiresAtMs, partition, namespace, key }: ExpiringKey): Buffer {
  return Buffer.concat([expiryPrefix(expiresAtMs), uint16(partition), Buffer.from(`${namespace}\0${key}`)]);
}

export function expiringIn(key: Uint8Array): ExpiringKey {
  const bytes = asBuffer(key);
  const expiresAtMs = bytes.readUInt32BE(3) * TWO_TO_32 + bytes.readUInt32BE(7);
  return { partition: bytes.readUInt16BE(11), ...nameIn(bytes, 13), expiresAtMs };
}

/** What expires up to and at `nowMs`, the first first; only what comes after a key. */
export function expiryRange(nowMs: number, after?: ExpiringKey): StoreRange {
  return {
    from: after ? Buffer.concat([expiryKey(after), NUL]) : prefix(NODE_SPACE, EXPIRY),
    to: expiryPrefix(nowMs + 1),
  };
}

export const FLOOR_RANGE: StoreRange = { from: prefix(NODE_SPACE, FLOOR), to: prefix(NODE_SPACE, FLOOR + 1) };

export function floorKey(partition: number): Buffer {
  return Buffer.concat([FLOOR_RANGE.from, uint16(partition)]);
}

export function partitionInFloorKey(key: Uint8Array): number {
  return asBuffer(key).readUInt16BE(3);
}

export const TREE_RANGE: StoreRange = { from: prefix(NODE_SPACE, TREE), to: prefix(NODE_SPACE, TREE + 1) };

export function treeKey(partition: number): Buffer {
  return Buffer.concat([TREE_RANGE.from, uint16(partition)]);
}

export function partitionInTreeKey(key: Uint8Array): number {
  return asBuffer(key).readUInt16BE(3);
}

export const JOURNAL_RANGE: StoreRange = {
  from: prefix(NODE_SPACE, JOURNAL),
  to: prefix(NODE_SPACE, JOURNAL + 1),
};

export function journalKey(place: number): Buffer {
  return Buffer.concat([JOURNAL_RANGE.from, uint16(place)]);
}

export function metaKey(name: string): Buffer {
  return Buffer.concat([prefix(NODE_SPACE, META), Buffer.from(name)]);
}

export function hintKey({ nodeId, partition, namespace, key }: Hint): Buffer {
  return Buffer.concat([hintPrefix(nodeId), uint16(partition), Buffer.from(`${namespace}\0${key}`)]);
}

/** All hints, for whatever node. */
export const HINTS_RANGE: StoreRange = { from: prefix(NODE_SPACE, HINT), to: prefix(NODE_SPACE, HINT + 1) };

/** The node that a hint is for. */
export function nodeIdInHintKey(key: Uint8Array): string {
  const bytes = asBuffer(key);
  return bytes.toString('latin1', HINTS_RANGE.from.length, bytes.indexOf(0, HINTS_RANGE.from.length));
}

/** All hints for a node, by partition. */
export function hintRange(nodeId: string): StoreRange {
  const from = hintPrefix(nodeId);
  const to = Buffer.from(from);
  to[to.length - 1] = 1;
  return { from, to };
}

export function hintInKey(nodeId: string, key: Uint8Array): Hint {
  const bytes = asBuffer(key);
  const at = hintPrefix(nodeId).length;
  return { nodeId, partition: bytes.readUInt16BE(at), ...nameIn(bytes, at + 2) };
}

function hintPrefix(nodeId: string): Buffer {
  return Buffer.concat([prefix(NODE_SPACE, HINT), Buffer.from(nodeId), NUL]);
}

function expiryPrefix(ms: number): Buffer {
  const bytes = Buffer.allocUnsafe(11);
  writePrefix(bytes, NODE_SPACE, EXPIRY);
  bytes.writeUInt32BE(Math.floor(ms / TWO_TO_32), 3);
  bytes.writeUInt32BE(ms % TWO_TO_32, 7);
  return bytes;
}

function uint16(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function prefix(space: number, kind: number, bucket?: number): Buffer {
  const bytes = Buffer.alloc(bucket === undefined ? 3 : RECORD_PREFIX_BYTES);
  writePrefix(bytes, space, kind);
  if (bucket !== undefined) {
    bytes[3] = bucket;
  }
  return bytes;
}

function writePrefix(bytes: Buffer, space: number, kind: number): void {
  bytes.writeUInt16BE(space, 0);
  bytes[2] = kind;
}

/** The name of a key, with room for so many bytes before it, which are to be written. */
function withName(headBytes: number, id: RecordId): Buffer {
  const name = idOf(id);
  const bytes = Buffer.allocUnsafe(headBytes + Buffer.byteLength(name));
  bytes.write(name, headBytes);
  return bytes;
}

function nameIn(bytes: Buffer, at: number): { namespace: string; key: string } {
  const separator = bytes.indexOf(0, at);
  return { namespace: bytes.toString('utf8', at, separator), key: bytes.toString('utf8', separator + 1) };
}
