/** A record: what is stored for a key, on every node that holds it, byte for byte the same. */
import { DkvError } from '../dkv.errors.js';
import { crc32 } from './checksum.js';
import { type Version } from './version.js';

/** All of a record but its value: enough to compare copies. */
export interface RecordHeader {
  readonly namespace: string;
  readonly key: string;
  /** Stamped once by the coordinator of the write, copied verbatim ever after. */
  readonly version: Version;
  /** A delete is a record too. */
  readonly tombstone: boolean;
  /** Milliseconds since 1970 from which on the record counts as deleted; 0 is never. */
  readonly expiresAtMs: number;
  /** CRC-32 over every other field and the value, made where the version is stamped. */
  readonly checksum: number;
}

export interface KvRecord extends RecordHeader {
  /** The encoded value; empty in a tombstone. */
  readonly value: Uint8Array;
}

export const KEY_BYTES_MAX = 1024;
export const NAMESPACE_BYTES_MAX = 64;

const NO_BYTES = new Uint8Array(0);

/** A record with its checksum made: only where a version is stamped. */
export function stampRecord(record: Omit<KvRecord, 'checksum'>): KvRecord {
  return { ...record, checksum: checksumOf(record) };
}

/** A stamped tombstone. */
export function stampTombstone(id: { namespace: string; key: string }, version: Version): KvRecord {
  return stampRecord({
    namespace: id.namespace,
    key: id.key,
    version,
    tombstone: true,
    expiresAtMs: 0,
    value: NO_BYTES,
  });
}

export function checksumOf(record: Omit<KvRecord, 'checksum'>): number {
  const { namespace, key, version, tombstone, expiresAtMs, value } = record;
  const head = `${namespace}\0${key}\0${version}\0${tombstone ? 1 : 0}\0${expiresAtMs}\0`;
  return crc32(value, crc32(head));
}

/** @throws DkvError `DKV_CORRUPT_RECORD`, naming the key and `where` the bytes came from. */
export function verifyRecord(record: KvRecord, where: string): KvRecord {
  if (checksumOf(record) !== record.checksum) {
    throw new DkvError(
      'DKV_CORRUPT_RECORD',
      `The record of key ${JSON.stringify(record.key)} (namespace ${record.namespace}) in ${where} does not ` +
        `match its checksum. Remove this node's data folder so that it refills from its replicas.`,
    );
  }
  return record;
}

export function headerOf(record: KvRecord): RecordHeader {
  const { namespace, key, version, tombstone, expiresAtMs, checksum } = record;
  return { namespace, key, version, tombstone, expiresAtMs, checksum };
}

/** Whether a reader at `nowMs` sees a value: not deleted, not expired. */
export function isVisible(record: RecordHeader | undefined, nowMs: number): boolean {
  return (
    record !== undefined && !record.tombstone && (record.expiresAtMs === 0 || record.expiresAtMs > nowMs)
  );
}
