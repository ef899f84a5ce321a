/** The repository of this node on any store engine: locks, versions, hash trees, hints and meta values. */
import { DkvError } from '../dkv.errors.js';
import { type RecordId } from '../model/key.js';
import { decodeHeader, decodeRecord, encodeRecord } from '../model/record-layout.js';
import { headerOf, type KvRecord, type RecordHeader } from '../model/record.js';
import { type Version } from '../model/version.js';
import {
  type BucketDigest,
  type HeaderRange,
  type Hint,
  type LocalKvMetrics,
  type LocalKvRepo,
  type RecordChange,
  type StoreIdentity,
} from '../ports/local-kv-repo.js';
import { type Logger } from '../ports/logger.js';
import {
  bucketOf,
  hintInKey,
  hintKey,
  hintRange,
  idInRecordKey,
  isRecordKey,
  metaKey,
  PARTITIONS_MAX,
  recordKey,
  recordRange,
} from './disk-keys.js';
import { lockedError } from './engine-open-error.js';
import { KeyLocks } from './key-locks.js';
import { type BatchDraft, OpenStore } from './open-store.js';
import { RecordCache } from './record-cache.js';
import {
  assertId,
  assertMetaName,
  assertNodeId,
  assertPartition,
  assertRange,
  isSuccessor,
} from './repo-arguments.js';
import { digestOf } from './record-digest.js';
import { type StoreEngine } from './store-engine.js';

/** Where the store of a node is, whose it is, and how it is opened: a data folder, memory, a simulated disk. */
export interface StoreHome {
  /** For messages: the folder. */
  readonly where: string;
  /** @throws DkvError as `LocalKvRepo.open` does; then nothing is held. */
  open(identity: StoreIdentity): Promise<StoreEngine>;
  /** The engine is closed. */
  release(): void;
}

export interface EngineLocalKvRepoOptions {
  /** `wal`: a write counts when the operating system has it, and survives kill -9; `fsync`: when the disk has it. */
  readonly durability: 'wal' | 'fsync';
  /** Bytes that may wait to be written before writes are refused; more ride out longer stalls of the disk. */
  readonly pendingBytesMax: number;
  /** Bytes of hot records kept in memory; 0 for none. */
  readonly cacheBytesMax: number;
  /** Is told the first storage failure. */
  readonly logger: Logger;
}

/** What a put of a write adds in a batch beside its record: key, digest, counters. */
const WRITE_OVERHEAD_BYTES = 200;
const NO_BYTES = new Uint8Array(0);

export class EngineLocalKvRepo implements LocalKvRepo {
  private store: OpenStore | undefined;
  private partitions = 0;
  private opening: Promise<OpenStore> | undefined;
  private closing: Promise<void> | undefined;
  private lastFailure: Error | undefined;
  private readonly locks = new KeyLocks();
  private readonly cache: RecordCache;

  constructor(
    private readonly home: StoreHome,
    private readonly options: EngineLocalKvRepoOptions,
  ) {
    this.cache = new RecordCache(options.cacheBytesMax);
  }

  async open(identity: StoreIdentity): Promise<void> {
    const { partitions } = identity;
    if (!Number.isInteger(partitions) || partitions < 1 || partitions > PARTITIONS_MAX) {
      throw new TypeError(`A store has 1 to ${PARTITIONS_MAX} partitions, not ${partitions}.`);
    }
    if (this.opening || this.store) {
      throw lockedError(this.home.where);
    }
    this.opening = this.load(identity);
    try {
      this.store = await this.opening;
      this.partitions = partitions;
      this.lastFailure = undefined;
    } finally {
      this.opening = undefined;
    }
  }

  /** Writes that wait are written first; new ones are refused. Closing twice is closing once. */
  async close(): Promise<void> {
    await this.opening?.catch(() => undefined);
    const { store } = this;
    if (store) {
      this.store = undefined;
      this.closing = this.finish(store);
    }
    await this.closing;
  }

  get failure(): Error | undefined {
    return this.store?.failure ?? this.lastFailure;
  }

  async get(id: RecordId): Promise<KvRecord | undefined> {
    return copyOf(await this.read(id));
  }

  async getNoValue(id: RecordId): Promise<RecordHeader | undefined> {
    const record = await this.read(id);
    return record && headerOf(record);
  }

  async checkTombstone(id: RecordId): Promise<Version | undefined> {
    const record = await this.read(id);
    return record?.tombstone ? record.version : undefined;
  }

  async update(id: RecordId, change: RecordChange): Promise<KvRecord | undefined> {
    this.openStore().assertAccepting();
    return this.locks.run(lockOf(id), async () => {
      const current = copyOf(await this.read(id));
      const next = change(current);
      if (!next || !isSuccessor(next, current, id)) {
        return current;
      }
      await this.write(id, current, next);
      return next;
    });
  }

  async *getAllNoValue(range: HeaderRange = {}): AsyncGenerator<RecordHeader> {
    const store = this.openStore();
    assertRange(range, this.partitions);
    for await (const { key, value } of store.entries(recordRange(range))) {
      if (isRecordKey(key)) {
        const id = idInRecordKey(key);
        yield this.decoded(id, () => decodeHeader(value, this.home.where));
      }
    }
  }

  getTree(partition: number): readonly BucketDigest[] {
    const store = this.openStore();
    assertPartition(partition, this.partitions);
    return store.digests(partition);
  }

  addHint(hint: Hint): Promise<void> {
    return this.setHint(hint, true);
  }

  removeHint(hint: Hint): Promise<void> {
    return this.setHint(hint, false);
  }

  async getHints(nodeId: string, limit: number): Promise<readonly Hint[]> {
    assertNodeId(nodeId);
    const hints: Hint[] = [];
    if (limit <= 0) {
      return hints;
    }
    for await (const { key } of this.openStore().entries(hintRange(nodeId))) {
      hints.push(hintInKey(nodeId, key));
      if (hints.length >= limit) {
        break;
      }
    }
    return hints;
  }

  get hintBytes(): number {
    return this.store?.totals.hintBytes ?? 0;
  }

  async getMeta(name: string): Promise<string | undefined> {
    assertMetaName(name);
    const bytes = await this.openStore().get(metaKey(name));
    return bytes && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  }

  async putMeta(name: string, value: string): Promise<void> {
    assertMetaName(name);
    const key = metaKey(name);
    const bytes = Buffer.from(value);
    await this.openStore().write({
      bytes: WRITE_OVERHEAD_BYTES + bytes.byteLength,
      addTo: (draft) => draft.put(key, bytes),
    });
  }

  metrics(): LocalKvMetrics {
    if (!this.store) {
      return { keys: 0, tombstones: 0, storageBytes: 0, engine: 'closed' };
    }
    const { totals, storageBytes, engineName } = this.store;
    const { keys, tombstones } = totals;
    return { keys, tombstones, storageBytes, engine: engineName };
  }

  private async load(identity: StoreIdentity): Promise<OpenStore> {
    const { durability, pendingBytesMax, logger } = this.options;
    const { where } = this.home;
    await this.closing?.catch(() => undefined);
    const engine = await this.home.open(identity);
    try {
      return await OpenStore.load(engine, { where, sync: durability === 'fsync', pendingBytesMax, logger });
    } catch (error) {
      // What went wrong first is what counts.
      await engine.close().catch(() => undefined);
      this.home.release();
      throw error;
    }
  }

  private async finish(store: OpenStore): Promise<void> {
    try {
      await store.close();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new DkvError('DKV_STORAGE_FAILED', `Closing the store in ${this.home.where} failed: ${reason}.`, {
        cause: error,
      });
    } finally {
      this.lastFailure = store.failure;
      this.cache.clear();
      this.home.release();
    }
  }

  /** The committed record; shared with the cache, so it must not leave this class as it is. */
  private async read(id: RecordId): Promise<KvRecord | undefined> {
    const store = this.openStore();
    assertId(id, this.partitions);
    return this.cache.get(lockOf(id), async () => {
      const bytes = await store.get(recordKey(id));
      return bytes && this.decoded(id, () => decodeRecord(bytes, this.home.where));
    });
  }

  private async write(id: RecordId, current: KvRecord | undefined, next: KvRecord): Promise<void> {
    const key = recordKey(id);
    const bytes = encodeRecord(next);
    // Of our bytes: the caller may use his again before the batch is written.
    const committed = { ...next, value: bytes.subarray(bytes.byteLength - next.value.byteLength) };
    await this.openStore().write({
      bytes: WRITE_OVERHEAD_BYTES + key.byteLength + bytes.byteLength,
      addTo: (draft) => {
        draft.put(key, bytes);
        place(draft, id, next, 1);
        if (current) {
          place(draft, id, current, -1);
        }
      },
      committed: () => this.cache.set(lockOf(id), committed),
    });
  }

  private async setHint(hint: Hint, present: boolean): Promise<void> {
    this.openStore().assertAccepting();
    assertNodeId(hint.nodeId);
    assertId(hint, this.partitions);
    const key = hintKey(hint);
    await this.locks.run(`hint\0${key.toString('latin1')}`, async () => {
      const wasPresent = (await this.openStore().get(key)) !== undefined;
      if (wasPresent === present) {
        return;
      }
      await this.openStore().write({
        bytes: WRITE_OVERHEAD_BYTES + key.byteLength,
        addTo: (draft) => {
          if (present) {
            draft.put(key, NO_BYTES);
          } else {
            draft.delete(key);
          }
          draft.hintBytes += present ? key.byteLength : -key.byteLength;
        },
      });
    });
  }

  /** What `decode` gives, if it is the record of `id`: a sound record in another's place is damage too. */
  private decoded<T extends RecordHeader>(id: RecordId, decode: () => T): T {
    const place = `key ${JSON.stringify(id.key)} (namespace ${id.namespace}, partition ${id.partition})`;
    let record: T;
    try {
      record = decode();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new DkvError('DKV_CORRUPT_RECORD', `At ${place}: ${reason}`, { cause: error });
    }
    if (record.namespace !== id.namespace || record.key !== id.key) {
      throw new DkvError(
        'DKV_CORRUPT_RECORD',
        `At ${place} ${this.home.where} has the record of key ${JSON.stringify(record.key)} (namespace ` +
          `${record.namespace}). Remove this node's data folder so that it refills from its replicas.`,
      );
    }
    return record;
  }

  private openStore(): OpenStore {
    if (!this.store) {
      throw new DkvError('DKV_NOT_READY', `The store in ${this.home.where} is not open.`);
    }
    return this.store;
  }
}

function lockOf({ partition, namespace, key }: RecordId): string {
  return `${partition}\0${namespace}\0${key}`;
}

function copyOf(record: KvRecord | undefined): KvRecord | undefined {
  return record && { ...record, value: new Uint8Array(record.value) };
}

/** Puts a record into the digest of its bucket and the counters, or takes it out. */
function place(draft: BatchDraft, id: RecordId, record: RecordHeader, by: 1 | -1): void {
  draft.tree.toggle(id.partition, bucketOf(id), digestOf(record));
  draft[record.tombstone ? 'tombstones' : 'keys'] += by;
}
