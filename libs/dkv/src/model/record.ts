/** A record: what is stored for a key, on every node that holds it, byte for byte the same. */
import { DkvError } from '../dkv.errors.js';
import { type KvRecord, type RecordDraft, type RecordHeader } from './record-fields.js';
import { checksumIn, encodeDraft, encodeRecord } from './record-layout.js';
import { type Version } from './version.js';
import { recoverRemedy } from './recover-remedy.js';

export type { KvRecord, RecordDraft, RecordHeader };

const NO_BYTES = new Uint8Array(0);

/** A record with its checksum made: only where a version is stamped. Shares no bytes with `draft`. */
export function stampRecord(draft: RecordDraft): KvRecord {
  return encodeDraft(draft);
}

/** A stamped tombstone. */
export function stampTombstone(
  id: { namespace: string; key: string },
  version: Version,
  times: Partial<Pick<KvRecord, 'modifiedMs'>> = {},
): KvRecord {
  return stampRecord({
    ...times,
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
        `match its checksum. If a disk gave it: ${recoverRemedy()}`,
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
