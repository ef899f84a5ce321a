/** The records of a store: read through the cache, written with their hash tree and counters in one batch. */
import { Buffer } from 'node:buffer';
import { type RecordId } from '../../model/key.js';
import {
  decodeHeader,
  decodeRecord,
  encodeRecord,
  recordBytesMax,
  withOwnBytes,
} from '../../model/record-layout.js';
import { type KvRecord, type RecordHeader } from '../../model/record.js';
import { type Version } from '../../model/version.js';
import {
  type ExpiringKey,
  type HeaderRange,
  type HotRecord,
  type RecordChange,
} from '../../ports/local-kv-repo.js';
import {
  collectableKey,
  expiringIn,
  expiryKey,
  expiryRange,
  idInRecordKey,
  isRecordKey,
  recordKey,
  recordRange,
} from './disk-keys.js';
import { type HotKey, type HotKeys } from './hot-keys.js';
import { type BatchDraft, type OpenStore, type StoreWrite } from './open-store.js';
import { digestOf } from './record-digest.js';
import { assertId, assertRange, isSuccessor } from './repo-arguments.js';
import { type Changed, type StoreAccess, WRITE_OVERHEAD_BYTES } from './store-access.js';

const NO_BYTES = new Uint8Array(0);

export class RecordStore {
  /** Reads that found their record in memory, and reads that had to ask the engine. */
  hits = 0;
  misses = 0;

  constructor(
    private readonly access: StoreAccess,
    private readonly keys: HotKeys,
  ) {}

  /** The record as readers see it. Nobody may change its bytes. */
  async read(id: RecordId): Promise<KvRecord | undefined> {
    assertId(id, this.access.partitions);
    const key = this.keys.take(id);
    if (key.recordLoaded) {
      this.hits++;
      return key.record;
    }
    this.misses++;
    return this.load(key);
  }

  /** What `read` gives, if it is in memory. */
  peek(namespace: string, name: string): HotRecord | undefined {
    const key = this.keys.peek(namespace, name);
    if (!key || !key.recordLoaded || key.other) {
      return undefined;
    }
    this.hits++;
    key.used = true;
    return key;
  }

  /** Reads the record into memory, once for all who ask meanwhile. */
  load(key: HotKey): Promise<KvRecord | undefined> | undefined {
    if (key.recordLoaded) {
      return undefined;
    }
    if (!key.loading) {
      this.keys.pin(key);
      key.loading = this.loadNow(key).finally(() => {
        key.loading = undefined;
        this.keys.unpin(key);
      });
    }
    return key.loading;
  }

  update(id: RecordId, change: RecordChange): Promise<KvRecord | undefined> {
    return this.access.changing(this.keys, id, (key, done) => {
      const loading = this.load(key);
      if (loading) {
        loading.then(() => this.change(key, change, done), done);
      } else {
        this.change(key, change, done);
      }
    });
  }

  /** Takes the record away, if it is of that version; whether it was. */
  erase(id: RecordId, version: Version): Promise<boolean> {
    this.access.assertChangeable(id);
    return this.keys.run(id, async (key) => {
      await this.load(key);
      const isThere = key.record?.version === version;
      if (isThere) {
        await this.access.storeOf(key).write(this.erasureOf(key));
      }
      return isThere;
    });
  }

  /** The write that erases the key's record. To be submitted while the key is held. */
  erasureOf(key: HotKey): StoreWrite {
    return new RecordWrite(key, undefined);
  }

  private change(key: HotKey, change: RecordChange, done: Changed<KvRecord | undefined>): void {
    const current = key.record;
    let store: OpenStore;
    let write: StoreWrite;
    try {
      store = this.access.storeOf(key);
      const next = change(current);
      if (!next || !isSuccessor(next, current, key)) {
        done(undefined, current);
        return;
      }
      write = new RecordWrite(key, withOwnBytes(next));
    } catch (error) {
      done(error as Error);
      return;
    }
    store.submit(write, (error) => done(error, key.record));
  }

  private async loadNow(key: HotKey): Promise<KvRecord | undefined> {
    const bytes = await this.access.store.get(recordKey(key, key.bucket));
    const record = bytes && this.access.decoded(key, () => decodeRecord(bytes, this.access.where));
    // A write that was faster knows better.
    if (!key.recordLoaded) {
      key.record = record;
      key.recordLoaded = true;
    }
    return key.record;
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

/** Puts a record in the place of another, or in place of none, or takes it away. */
class RecordWrite implements StoreWrite {
  readonly bytes: number;
  private readonly place: Uint8Array;

  constructor(
    private readonly key: HotKey,
    private readonly next: KvRecord | undefined,
  ) {
    this.place = recordKey(key, key.bucket);
    this.bytes = WRITE_OVERHEAD_BYTES + this.place.byteLength + (next ? recordBytesMax(next) : 0);
  }

  addTo(draft: BatchDraft): void {
    const { key, next, place } = this;
    if (next) {
      draft.put(place, encodeRecord(next));
    } else {
      draft.delete(place);
    }
    // In this order: both may have the same mark in an index.
    if (key.record) {
      takeOut(draft, key, key.record);
    }
    if (next) {
      putIn(draft, key, next);
    }
  }

  /** The key is held: what it takes then is weighed when it is released. */
  committed(): void {
    this.key.record = this.next;
    this.key.recordLoaded = true;
  }
}

/** Puts a record into the digest of its bucket, the counters and the index that it belongs in. */
function putIn(draft: BatchDraft, id: HotKey, record: KvRecord): void {
  count(draft, id, record, 1);
  const mark = markOf(id, record);
  if (mark) {
    draft.put(mark, NO_BYTES);
  }
}

function takeOut(draft: BatchDraft, id: HotKey, record: KvRecord): void {
  count(draft, id, record, -1);
  const mark = markOf(id, record);
  if (mark) {
    draft.delete(mark);
  }
}

function count(draft: BatchDraft, id: HotKey, record: KvRecord, by: 1 | -1): void {
  draft.tree.toggle(id.partition, id.bucket, digestOf(record));
  if (record.tombstone) {
    draft.tombstones += by;
  } else {
    draft.usage.add(id.namespace, by, by * (Buffer.byteLength(id.key) + record.value.length));
  }
}

/** A tombstone is looked for by its version, a value that expires by its expiry, and no other record at all. */
function markOf(id: RecordId, { tombstone, version, expiresAtMs }: RecordHeader): Uint8Array | undefined {
  if (tombstone) {
    return collectableKey(id, version);
  }
  return expiresAtMs === 0
    ? undefined
    : expiryKey({ partition: id.partition, namespace: id.namespace, key: id.key, expiresAtMs });
}
