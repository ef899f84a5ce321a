/** The storage of this node: asked when it is the holder or a replica of a key. */
import { type RecordId } from '../model/key.js';
import { type KvRecord, type RecordHeader } from '../model/record.js';
import { type UsageByNamespace } from '../model/usage.js';
import { type Version } from '../model/version.js';

/** What a data folder belongs to; stored in it when it is made, compared at every opening after. */
export interface StoreIdentity {
  readonly nodeId: string;
  /** Partitions of the cluster. */
  readonly partitions: number;
  /** Copies that a namespace may ask for: records come with partition numbers below `partitions × copies`. Default 1. */
  readonly copies?: number;
  /** Name of the HashFunc. */
  readonly hashFunc: string;
}

/** A digest of the keys and versions of one bucket of a partition, as 16 hex digits; equal content, equal digest. */
export type BucketDigest = string;

/** Buckets of a partition's hash tree: the first level under its root. */
export const TREE_BUCKETS = 64;

export interface HeaderRange {
  readonly partition?: number;
  /** 0 to TREE_BUCKETS - 1; only with `partition`. */
  readonly bucket?: number;
  /** Only what comes after this key, in storage order; only with `bucket`. */
  readonly after?: { readonly namespace: string; readonly key: string };
}

export interface LocalKvMetrics {
  /** Of live records. */
  readonly usage: UsageByNamespace;
  readonly tombstones: number;
  /** Bytes on disk, or in memory. */
  readonly storageBytes: number;
  readonly engine: string;
  /** Of the hot records kept in memory, since the repository was opened; none without such a cache. */
  readonly cacheHits?: number;
  readonly cacheMisses?: number;
  readonly cacheBytes?: number;
}

/** A key that is in memory, with its partition, which costs a hash to find out. */
export interface HotRecord {
  readonly partition: number;
  /** Undefined where the key has none. */
  readonly record: KvRecord | undefined;
  /** For who asks: whether it has found that the partition is the key's own. False when the key comes into memory. */
  isRouted: boolean;
}

/** A durable mark: `nodeId` still lacks this node's record of `id`. */
export interface Hint extends RecordId {
  readonly nodeId: string;
}

/** A value with its absolute expiry, milliseconds since 1970. */
export interface ExpiringKey extends RecordId {
  readonly expiresAtMs: number;
}

/** Decides what becomes of a key: the record to store, or undefined to leave it as it is. Runs exactly once. */
export type RecordChange = (current: KvRecord | undefined) => KvRecord | undefined;

/**
 * Every write is durable, to the degree configured, before its promise resolves; after a storage error the
 * repository is read-only until it is opened again and every write fails with `DKV_READ_ONLY`. Methods may be
 * called concurrently; changes of one key are serialised here. Errors: `DKV_STORAGE_FAILED`,
 * `DKV_CORRUPT_RECORD`, `DKV_READ_ONLY`, `DKV_OVERLOADED` when too many bytes wait to be written.
 */
export interface LocalKvRepo {
  /**
   * Opens or makes the store.
   * @throws DkvError `DKV_STORE_LOCKED` (another process has it), `DKV_STORE_MISMATCH` (another identity,
   *   engine or a newer format), `DKV_ENGINE_UNAVAILABLE`, `DKV_STORAGE_FAILED`.
   */
  open(identity: StoreIdentity): Promise<void>;
  close(): Promise<void>;
  /** The first storage error; set, the repository takes no writes. */
  readonly failure: Error | undefined;
  /** The disk is full, and only deletes should be written, in the room that a reserve had. Default false. */
  readonly isDiskFull?: boolean;

  /** The record, tombstones included. It is shared: nobody may change its bytes. */
  get(id: RecordId): Promise<KvRecord | undefined>;
  /**
   * What `get` would give, where it can be said without waiting; undefined where it cannot. A repository without it is
   * asked by `get` alone.
   */
  peek?(namespace: string, key: string): HotRecord | undefined;
  /** The record without its value. */
  getNoValue(id: RecordId): Promise<RecordHeader | undefined>;
  /** The version of the tombstone if the key's record is one. */
  checkTombstone(id: RecordId): Promise<Version | undefined>;
  /**
   * Atomic read-modify-write of one key, the only way in: `change` sees the current record and its result is
   * stored, under the key's lock and in one batch with its hash-tree bucket. What `change` throws, this throws,
   * storing nothing. Resolves with the record as it then stands. A result older than the current record, or
   * of equal version with other bytes, is a bug of the caller and rejected.
   */
  update(id: RecordId, change: RecordChange): Promise<KvRecord | undefined>;

  /** Nothing that is not held yet may come in up to this version; '' for none. */
  floorOf(partition: number): Version;
  /**
   * Makes the floor of a partition durable, unless it is higher already, and then erases what it allows: tombstones up
   * to it. Resolves with the number of tombstones erased. All nodes of the partition must have held the same up to
   * `floor` when each had raised its fence to it.
   */
  raiseFloor(partition: number, floor: Version): Promise<number>;
  /** Whether there is something that a floor of `floor` would erase, sooner or later; cheap. */
  hasCollectable(partition: number, floor: Version): Promise<boolean>;
  /** No new version is stamped up to this one; '' for none. */
  fenceOf(partition: number): Version;
  /**
   * Raises the fence of a partition, unless it is higher already. Changes see it from the call on; when it resolves, it
   * is durable, and so is every change that did not see it.
   */
  raiseFence(partition: number, fence: Version): Promise<void>;

  /** The partitions of which there is a record, a floor or a fence, by number. */
  heldPartitions(): readonly number[];
  /**
   * Takes the record of a key away, with all that is kept for it, where it is of that version; whether it was. For what every
   * node of the partition has, or has forgotten.
   */
  erase(id: RecordId, version: Version): Promise<boolean>;
  /** Takes away the floor and the fence of a partition, and its hints: this node has no part in it any more. */
  forgetBounds(partition: number): Promise<void>;

  /**
   * Up to `limit` values whose expiry is at `nowMs` or before, the earliest first, only what comes `after`. Scans what
   * has expired and nothing else.
   */
  expired(nowMs: number, limit: number, after?: ExpiringKey): Promise<readonly ExpiringKey[]>;

  /** Headers (tombstones included) in storage order, as a stream; never the whole store at once. */
  getAllNoValue(range?: HeaderRange): AsyncIterable<RecordHeader>;
  /** The digests of a partition's TREE_BUCKETS buckets, always equal to ones recomputed from its records. */
  getTree(partition: number): readonly BucketDigest[];

  /** Marks are kept once per (node, key) and survive a crash once the promise resolved. */
  addHint(hint: Hint): Promise<void>;
  removeHint(hint: Hint): Promise<void>;
  /** Up to `limit` of the hints for a node, oldest partition first. */
  getHints(nodeId: string, limit: number): Promise<readonly Hint[]>;
  /** Bytes that all hints take, known without a scan. */
  readonly hintBytes: number;

  /** Small values of the node itself (clock bound, boot number, configuration); names of 1 to 64 characters. */
  getMeta(name: string): Promise<string | undefined>;
  putMeta(name: string, value: string): Promise<void>;

  metrics(): LocalKvMetrics;
}

export const LocalKvRepo = Symbol('DkvLocalKvRepo');
