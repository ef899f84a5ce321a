/** The storage of this node: asked when it is the holder or a replica of a key. */
import { type RecordId } from '../model/key.js';
import { type KvRecord, type RecordHeader } from '../model/record.js';
import { type Version } from '../model/version.js';

/** What a data folder belongs to; stored in it when it is made, compared at every opening after. */
export interface StoreIdentity {
  readonly nodeId: string;
  /** Partitions of the cluster. */
  readonly partitions: number;
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
  /** Live records and tombstones held. */
  readonly keys: number;
  readonly tombstones: number;
  /** Bytes on disk, or in memory. */
  readonly storageBytes: number;
  readonly engine: string;
}

/** A durable mark: `nodeId` still lacks this node's record of `id`. */
export interface Hint extends RecordId {
  readonly nodeId: string;
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

  /** The record, tombstones included. */
  get(id: RecordId): Promise<KvRecord | undefined>;
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
