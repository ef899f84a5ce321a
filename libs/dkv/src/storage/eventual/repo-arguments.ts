/** What the repository demands of its callers, in one place: every engine shares the checks. */
import { Buffer } from 'node:buffer';
import { DkvError } from '../../dkv.errors.js';
import { assertKey, NAMESPACE_BYTES_MAX, type RecordId } from '../../model/key.js';
import { checksumOf, type KvRecord } from '../../model/record.js';
import { NODE_ID_PATTERN } from '../../model/version.js';
import { type HeaderRange, TREE_BUCKETS } from '../../ports/local-kv-repo.js';

const META_NAME_MAX = 64;

/** @throws TypeError; DkvError `DKV_INVALID_KEY` */
export function assertId({ partition, namespace, key }: RecordId, partitions: number): void {
  assertPartition(partition, partitions);
  // A UTF-16 unit is at most 3 bytes of UTF-8: short names need no counting.
  const fits =
    namespace.length * 3 <= NAMESPACE_BYTES_MAX || Buffer.byteLength(namespace) <= NAMESPACE_BYTES_MAX;
  if (namespace.length === 0 || !fits || namespace.includes('\0') || !namespace.isWellFormed()) {
    throw new TypeError(
      `A namespace is 1 to ${NAMESPACE_BYTES_MAX} bytes of UTF-8 without NUL, not ${JSON.stringify(namespace)}.`,
    );
  }
  assertKey(key);
}

/** @throws TypeError */
export function assertPartition(partition: number, partitions: number): void {
  if (!Number.isInteger(partition) || partition < 0 || partition >= partitions) {
    throw new TypeError(`Partitions are numbered 0 to ${partitions - 1}; there is no ${partition}.`);
  }
}

/** @throws TypeError */
export function assertRange({ partition, bucket, after }: HeaderRange, partitions: number): void {
  if (partition === undefined ? bucket !== undefined : bucket === undefined && after !== undefined) {
    throw new TypeError('A range names a bucket only with its partition, and `after` only with a bucket.');
  }
  if (partition === undefined && after !== undefined) {
    throw new TypeError('A range names `after` only with a partition and a bucket.');
  }
  if (partition !== undefined) {
    assertPartition(partition, partitions);
  }
  if (bucket !== undefined && (!Number.isInteger(bucket) || bucket < 0 || bucket >= TREE_BUCKETS)) {
    throw new TypeError(`Buckets are numbered 0 to ${TREE_BUCKETS - 1}; there is no ${bucket}.`);
  }
}

/** @throws TypeError */
export function assertNodeId(nodeId: string): void {
  if (!NODE_ID_PATTERN.test(nodeId)) {
    throw new TypeError(`Not a node id: ${JSON.stringify(nodeId)}.`);
  }
}

/** @throws TypeError */
export function assertMetaName(name: string): void {
  if (name.length === 0 || name.length > META_NAME_MAX || !name.isWellFormed()) {
    throw new TypeError(`A meta name has 1 to ${META_NAME_MAX} characters, unlike ${JSON.stringify(name)}.`);
  }
}

/**
 * Whether `next` may follow `current` as the record of `id`, and is not the same record once more.
 * @throws TypeError when it is another key's; DkvError `DKV_CORRUPT_RECORD` when it is older, of equal version with
 *   other content, or does not match its checksum.
 */
export function isSuccessor(next: KvRecord, current: KvRecord | undefined, id: RecordId): boolean {
  if (next.namespace !== id.namespace || next.key !== id.key) {
    throw new TypeError(
      `A change of key ${JSON.stringify(id.key)} (${id.namespace}) made a record of key ` +
        `${JSON.stringify(next.key)} (${next.namespace}).`,
    );
  }
  if (checksumOf(next) !== next.checksum) {
    throw new DkvError(
      'DKV_CORRUPT_RECORD',
      `A record of key ${JSON.stringify(id.key)} (${id.namespace}) that was to be stored does not match its ` +
        'checksum: it was changed after its version was stamped, or on its way here. It was not stored.',
    );
  }
  if (!current || next.version > current.version) {
    return true;
  }
  const equal = next.version === current.version;
  if (equal && hasEqualContent(next, current)) {
    return false;
  }
  throw new DkvError(
    'DKV_CORRUPT_RECORD',
    `Key ${JSON.stringify(id.key)} (${id.namespace}) is held at version ${current.version}; it cannot become ` +
      `${equal ? 'other content of that version' : `the older ${next.version}`}. It was left as it is.`,
  );
}

function hasEqualContent(one: KvRecord, two: KvRecord): boolean {
  return (
    one.checksum === two.checksum &&
    one.tombstone === two.tombstone &&
    one.expiresAtMs === two.expiresAtMs &&
    Buffer.compare(one.value, two.value) === 0
  );
}
