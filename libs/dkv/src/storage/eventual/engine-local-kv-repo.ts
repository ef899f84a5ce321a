/** The repository of this node on any store engine: locks, versions, hash trees, hints and meta values. */
import { Buffer } from 'node:buffer';
import { DkvError } from '../../dkv.errors.js';
import { type RecordId } from '../../model/key.js';
import { headerOf, type KvRecord, type RecordHeader } from '../../model/record.js';
import { NO_USAGE } from '../../model/usage.js';
import { type Version } from '../../model/version.js';
import {
  type BucketDigest,
  type ExpiringKey,
  type HeaderRange,
  type Hint,
  type HotRecord,
  type LocalKvMetrics,
  type LocalKvRepo,
  type RecordChange,
  type StoreIdentity,
} from '../../ports/local-kv-repo.js';
import { type Logger } from '../../ports/logger.js';
import { Collector } from './collector.js';
import { metaKey, PARTITIONS_MAX } from './disk-keys.js';
import { lockedError } from '../engines/engine-open-error.js';
import { FloorStore } from './floor-store.js';
import { HintStore } from './hint-store.js';
import { HotKeys } from './hot-keys.js';
import { OpenStore } from './open-store.js';
import { RecordStore } from './record-store.js';
import { assertMetaName, assertPartition } from './repo-arguments.js';
import { StoreAccess, WRITE_OVERHEAD_BYTES } from './store-access.js';
import { type StoreEngine } from '../engines/store-engine.js';
import { asBuffer } from '../../model/byte-reader.js';

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
  /** Which failed batches leave nothing behind and may succeed later. Default: none, the first failure is the last. */
  readonly isPassing?: (cause: unknown) => boolean;
  /** Default: never. */
  readonly isDiskFull?: () => boolean;
  /** Why nothing more should be written though batches are taken. Default: nothing. */
  readonly failure?: () => Error | undefined;
}

export class EngineLocalKvRepo implements LocalKvRepo {
  private opening: Promise<OpenStore> | undefined;
  private closing: Promise<void> | undefined;
  private lastFailure: Error | undefined;
  private readonly access: StoreAccess;
  private readonly keys: HotKeys;
  private readonly records: RecordStore;
  private readonly floors: FloorStore;
  private readonly collector: Collector;
  private readonly hints: HintStore;

  constructor(
    private readonly home: StoreHome,
    private readonly options: EngineLocalKvRepoOptions,
  ) {
    const { cacheBytesMax } = options;
    this.access = new StoreAccess(home.where);
    this.keys = new HotKeys(cacheBytesMax);
    this.records = new RecordStore(this.access, this.keys);
    this.floors = new FloorStore(this.access);
    this.collector = new Collector(this.access, this.keys, this.floors, this.records);
    this.hints = new HintStore(this.access);
  }

  async open(identity: StoreIdentity): Promise<void> {
    const { partitions, copies = 1 } = identity;
    if (!Number.isInteger(partitions) || partitions < 1 || partitions > PARTITIONS_MAX) {
      throw new TypeError(`A store has 1 to ${PARTITIONS_MAX} partitions, not ${partitions}.`);
    }
    if (this.opening || this.access.current) {
      throw lockedError(this.home.where, 'this process');
    }
    this.opening = this.load(identity);
    try {
      this.access.current = await this.opening;
      this.access.partitions = Math.min(partitions * copies, PARTITIONS_MAX);
      this.lastFailure = undefined;
    } finally {
      this.opening = undefined;
    }
  }

  /** Writes that wait are written first; new ones are refused. Closing twice is closing once. */
  async close(): Promise<void> {
    await this.opening?.catch(() => undefined);
    const store = this.access.current;
    if (store) {
      this.access.current = undefined;
      this.closing = this.finish(store);
    }
    await this.closing;
  }

  get isDiskFull(): boolean {
    return this.options.isDiskFull?.() ?? false;
  }

  get failure(): Error | undefined {
    return this.access.current?.failure ?? this.lastFailure ?? this.options.failure?.();
  }

  get(id: RecordId): Promise<KvRecord | undefined> {
    return this.records.read(id);
  }

  peek(namespace: string, key: string): HotRecord | undefined {
    return this.records.peek(namespace, key);
  }

  async getNoValue(id: RecordId): Promise<RecordHeader | undefined> {
    const record = await this.records.read(id);
    return record && headerOf(record);
  }

  async checkTombstone(id: RecordId): Promise<Version | undefined> {
    const record = await this.records.read(id);
    return record?.tombstone ? record.version : undefined;
  }

  update(id: RecordId, change: RecordChange): Promise<KvRecord | undefined> {
    return this.records.update(id, change);
  }

  floorOf(partition: number): Version {
    return this.floors.floorOf(partition);
  }

  raiseFloor(partition: number, floor: Version): Promise<number> {
    return this.collector.raiseFloor(partition, floor);
  }

  hasCollectable(partition: number, floor: Version): Promise<boolean> {
    return this.collector.hasCollectable(partition, floor);
  }

  fenceOf(partition: number): Version {
    return this.floors.fenceOf(partition);
  }

  async raiseFence(partition: number, fence: Version): Promise<void> {
    await this.floors.raise(partition, { fence });
  }

  heldPartitions(): readonly number[] {
    const held = new Set([...this.access.store.usedPartitions, ...this.floors.partitions]);
    return [...held].sort((one, other) => one - other);
  }

  async erase(id: RecordId, version: Version): Promise<boolean> {
    return this.records.erase(id, version);
  }

  async forgetBounds(partition: number): Promise<void> {
    await this.floors.drop(partition);
    await this.hints.drop(partition);
  }

  expired(nowMs: number, limit: number, after?: ExpiringKey): Promise<readonly ExpiringKey[]> {
    return this.records.expired(nowMs, limit, after);
  }

  getAllNoValue(range?: HeaderRange): AsyncIterable<RecordHeader> {
    return this.records.headers(range);
  }

  getTree(partition: number): readonly BucketDigest[] {
    const { store, partitions } = this.access;
    assertPartition(partition, partitions);
    return store.digests(partition);
  }

  addHint(hint: Hint): Promise<void> {
    return this.hints.set(hint, true);
  }

  removeHint(hint: Hint): Promise<void> {
    return this.hints.set(hint, false);
  }

  getHints(nodeId: string, limit: number): Promise<readonly Hint[]> {
    return this.hints.list(nodeId, limit);
  }

  get hintBytes(): number {
    return this.access.current?.totals.hintBytes ?? 0;
  }

  async getMeta(name: string): Promise<string | undefined> {
    assertMetaName(name);
    const bytes = await this.access.store.get(metaKey(name));
    return bytes && asBuffer(bytes).toString('utf8');
  }

  async putMeta(name: string, value: string): Promise<void> {
    assertMetaName(name);
    const key = metaKey(name);
    const bytes = Buffer.from(value);
    await this.access.store.write({
      bytes: WRITE_OVERHEAD_BYTES + bytes.byteLength,
      addTo: (draft) => draft.put(key, bytes),
    });
  }

  metrics(): LocalKvMetrics {
    const store = this.access.current;
    if (!store) {
      return {
        usage: NO_USAGE,
        tombstones: 0,
        storageBytes: 0,
        engine: 'closed',
        ...this.cacheMetrics(),
      };
    }
    const { totals, storageBytes, engineName } = store;
    const { usage, tombstones } = totals;
    return { usage, tombstones, storageBytes, engine: engineName, ...this.cacheMetrics() };
  }

  private cacheMetrics(): Pick<LocalKvMetrics, 'cacheHits' | 'cacheMisses' | 'cacheBytes'> {
    const { hits, misses } = this.records;
    return { cacheHits: hits, cacheMisses: misses, cacheBytes: this.keys.bytes };
  }

  private async load(identity: StoreIdentity): Promise<OpenStore> {
    const { durability, pendingBytesMax, logger, isPassing } = this.options;
    const { where } = this.home;
    await this.closing?.catch(() => undefined);
    this.keys.clear();
    const engine = await this.home.open(identity);
    try {
      const options = { where, sync: durability === 'fsync', pendingBytesMax, logger, isPassing };
      const store = await OpenStore.load(engine, options);
      await this.floors.load(store);
      return store;
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
      this.keys.clear();
      this.floors.clear();
      this.home.release();
    }
  }
}
