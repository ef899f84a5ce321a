/** A record: what is stored for a key, on every node that holds it, byte for byte the same. */
import { DkvError } from '../dkv.errors.js';
import { checksumIn, encodeRecord, sealed } from './record-layout.js';
import { type RequestWindow } from './request-window.js';
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
  /** CRC-32 over every other field and the value as they are encoded, made where the version is stamped. */
  readonly checksum: number;
}

export interface KvRecord extends RecordHeader {
  /** When it was written by the clock of its coordinator, milliseconds since 1970; orders nothing. */
  readonly modifiedMs: number;
  /** The latest requests that made the key what it is; empty where requests need no memory (eventual namespaces). */
  readonly requests: RequestWindow;
  /** The encoded value; empty in a tombstone. Shared by all who have the record: nobody may change it. */
  readonly value: Uint8Array;
}

/** A record before its version is sealed in: what is left out takes its default. */
export type RecordDraft = Omit<KvRecord, 'checksum' | 'modifiedMs' | 'requests'> &
  Partial<Pick<KvRecord, 'modifiedMs' | 'requests'>>;

const NO_BYTES = new Uint8Array(0);

/** A record with its checksum made: only where a version is stamped. Shares no bytes with `draft`. */
export function stampRecord(draft: RecordDraft): KvRecord {
  return sealed(draft);
}

/** A stamped tombstone. */
export function stampTombstone(
  id: { namespace: string; key: string },
  version: Version,
  memory: Partial<Pick<KvRecord, 'modifiedMs' | 'requests'>> = {},
): KvRecord {
  return stampRecord({
    ...memory,
    namespace: id.namespace,
    key: id.key,
    version,
    tombstone: true,
    expiresAtMs: 0,
    value: NO_BYTES,
  });
}

/** What the checksum of `record` must be. @throws TypeError when it is none that can be encoded */
export function checksumOf(record: KvRecord): number {
  return checksumIn(encodeRecord(record));
}

/** @throws DkvError `DKV_CORRUPT_RECORD`, naming the key and `where` the bytes came from. */
export function verifyRecord(record: KvRecord, where: string): KvRecord {
  if (!isSound(record)) {
    throw new DkvError(
      'DKV_CORRUPT_RECORD',
      `The record of key ${JSON.stringify(record.key)} (namespace ${record.namespace}) in ${where} does not ` +
        `match its checksum. Remove this node's data folder so that it refills from its replicas.`,
    );
  }
  return record;
}

/** Also what cannot be encoded is damaged. */
function isSound(record: KvRecord): boolean {
  try {
    return checksumOf(record) === record.checksum;
  } catch {
    return false;
  }
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
