/** The records of a store: read through the cache, written with their hash tree and counters in one batch. */
import { type RecordId } from '../model/key.js';
import { decodeHeader, decodeRecord, encodeRecord } from '../model/record-layout.js';
import { type KvRecord, type RecordHeader } from '../model/record.js';
import { type ExpiringKey, type HeaderRange, type RecordChange } from '../ports/local-kv-repo.js';
import {
  bucketOf,
  collectableKey,
  expiringIn,
  expiryKey,
  expiryRange,
  idInRecordKey,
  isRecordKey,
  recordKey,
  recordRange,
} from './disk-keys.js';
import { HotCache } from './hot-cache.js';
import { type BatchDraft, type StoreWrite } from './open-store.js';
import { digestOf } from './record-digest.js';
import { assertId, assertRange, isSuccessor } from './repo-arguments.js';
import { lockOf, type StoreAccess, WRITE_OVERHEAD_BYTES } from './store-access.js';

/** What an entry takes beside its key and its value, about: objects, strings, the cache's own lists. */
const ENTRY_BYTES = 300;
const REQUEST_BYTES = 150;
const NO_BYTES = new Uint8Array(0);

export class RecordStore {
  private readonly cache: HotCache<KvRecord>;
  /** Records that are committed and on their way to the disk: readers see them already. */
  private readonly ahead = new Map<string, KvRecord>();

  constructor(
    private readonly access: StoreAccess,
    cacheBytesMax: number,
  ) {
    this.cache = new HotCache(cacheBytesMax, bytesOf);
  }

  clear(): void {
    this.cache.clear();
    this.ahead.clear();
  }

  /** The record as readers see it; shared with the cache, so it must not leave the repository as it is. */
  async read(id: RecordId): Promise<KvRecord | undefined> {
    const { store, partitions, where } = this.access;
    assertId(id, partitions);
    const lock = lockOf(id);
    const ahead = this.ahead.get(lock);
    if (ahead) {
      return ahead;
    }
    return this.cache.get(lock, async () => {
      const bytes = await store.get(recordKey(id));
      return bytes && this.access.decoded(id, () => decodeRecord(bytes, where));
    });
  }

  async update(id: RecordId, change: RecordChange): Promise<KvRecord | undefined> {
    this.access.store.assertAccepting();
    return this.access.locks.run(lockOf(id), async () => {
      const current = copyOf(await this.read(id));
      const next = change(current);
      if (!next || !isSuccessor(next, current, id)) {
        return current;
      }
      await this.access.store.write(this.writeOf(id, current, next));
      return next;
    });
  }

  /** The write that puts `next` in the place of `current`. To be submitted under the key's lock. */
  writeOf(id: RecordId, current: KvRecord | undefined, next: KvRecord): StoreWrite {
    const key = recordKey(id);
    const bytes = encodeRecord(next);
    // A copy of its own: the caller may use his bytes again, and these may be a small piece of a large buffer.
    const committed = { ...next, value: new Uint8Array(next.value) };
    const lock = lockOf(id);
    return {
      bytes: WRITE_OVERHEAD_BYTES + key.byteLength + bytes.byteLength,
      addTo: (draft) => {
        draft.put(key, bytes);
        // In this order: both may have the same mark in an index.
        if (current) {
          takeOut(draft, id, current);
        }
        putIn(draft, id, next);
      },
      committed: () => this.cache.set(lock, committed),
    };
  }

  /** The write that erases `current`. To be submitted under the key's lock. */
  erasureOf(id: RecordId, current: KvRecord): StoreWrite {
    const key = recordKey(id);
    return {
      bytes: WRITE_OVERHEAD_BYTES + key.byteLength,
      addTo: (draft) => {
        draft.delete(key);
        takeOut(draft, id, current);
      },
      committed: () => this.cache.delete(lockOf(id)),
    };
  }

  /** Readers see `record` from now on, until `landed` is called: it is then in the store, or will not get there. */
  showAhead(id: RecordId, record: KvRecord): { landed(): void } {
    const lock = lockOf(id);
    this.ahead.set(lock, record);
    return {
      landed: () => {
        if (this.ahead.get(lock) === record) {
          this.ahead.delete(lock);
        }
      },
    };
  }

  async expired(nowMs: number, limit: number, after?: ExpiringKey): Promise<readonly ExpiringKey[]> {
    const expired: ExpiringKey[] = [];
    if (limit <= 0) {
      return expired;
    }
    for await (const { key } of this.access.store.entries(expiryRange(nowMs, after))) {
      expired.push(expiringIn(key));
      if (expired.length >= limit) {
        break;
      }
    }
    return expired;
  }

  async *headers(range: HeaderRange = {}): AsyncGenerator<RecordHeader> {
    const { store, partitions, where } = this.access;
    assertRange(range, partitions);
    for await (const { key, value } of store.entries(recordRange(range))) {
      if (isRecordKey(key)) {
        const id = idInRecordKey(key);
        yield this.access.decoded(id, () => decodeHeader(value, where));
      }
    }
  }
}

export function copyOf(record: KvRecord | undefined): KvRecord | undefined {
  return record && { ...record, value: new Uint8Array(record.value) };
}

export function bytesOf({ namespace, key, version, requests, value }: KvRecord): number {
  const texts = 2 * (namespace.length + key.length + version.length);
  return ENTRY_BYTES + texts + requests.applied.length * REQUEST_BYTES + value.byteLength;
}

/** Puts a record into the digest of its bucket, the counters and the index that it belongs in. */
function putIn(draft: BatchDraft, id: RecordId, record: RecordHeader): void {
  count(draft, id, record, 1);
  const mark = markOf(id, record);
  if (mark) {
    draft.put(mark, NO_BYTES);
  }
}

function takeOut(draft: BatchDraft, id: RecordId, record: RecordHeader): void {
  count(draft, id, record, -1);
  const mark = markOf(id, record);
  if (mark) {
    draft.delete(mark);
  }
}

function count(draft: BatchDraft, id: RecordId, record: RecordHeader, by: 1 | -1): void {
  draft.tree.toggle(id.partition, bucketOf(id), digestOf(record));
  draft[record.tombstone ? 'tombstones' : 'keys'] += by;
}

/** A tombstone is looked for by its version, a value that expires by its expiry, and no other record at all. */
function markOf(id: RecordId, { tombstone, version, expiresAtMs }: RecordHeader): Uint8Array | undefined {
  if (tombstone) {
    return collectableKey(id, version);
  }
  return expiresAtMs === 0 ? undefined : expiryKey({ ...id, expiresAtMs });
}
