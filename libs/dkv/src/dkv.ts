/** The client that services inject: typed values in, typed values out. */
import { placementIn } from './cluster/agreed-namespaces.js';
import {
  assertType,
  expectedOf,
  idempotencyKeyOf,
  incrementOf,
  levelOf,
  timeoutOf,
  ttlOf,
} from './client/call-arguments.js';
import {
  type DkvCallOptions,
  type DkvChangeOptions,
  type DkvLockOptions,
  type DkvManyOptions,
  type DkvReadOptions,
  type DkvRemoveOptions,
  type DkvRequestOptions,
  type DkvWithLockOptions,
  type DkvWriteOptions,
} from './client/call-options.js';
import { type ClientCore, type ClientSettings } from './client/client-core.js';
import { conflictOf } from './client/conflict-error.js';
import { type KvPair, stampOf } from './client/kv-pair.js';
import { type DkvLockScope } from './client/kept-lock.js';
import { type DkvLock } from './client/lock.js';
import { many } from './client/many.js';
import { type DkvMetrics, type DkvNodeStatus, nodeStatuses, standingOf } from './client/node-status.js';
import { type Changed, ReadModifyWrite } from './client/read-modify-write.js';
import { Values } from './client/values.js';
import { DkvError } from './dkv.errors.js';
import { READ_LEVELS, WRITE_LEVELS } from './model/consistency.js';
import { assertKey } from './model/key.js';
import { type ShownRecord } from './model/shown-record.js';
import { keysIn } from './model/usage.js';
import { type Codec } from './ports/codec.js';
import { type Written, type WriteOptions } from './processor/call-options.js';
import { rejection } from './processor/processor.js';

const NO_OPTIONS = Object.freeze({});

/**
 * All methods may be called concurrently and reject with DkvErrors. Any call: `DKV_INVALID_KEY` (not 1 to 1024
 * bytes of UTF-8), `DKV_INVALID_ARGUMENT`, `DKV_NOT_READY` (starting or closing), `DKV_ABORTED`. Reads:
 * `DKV_QUORUM_NOT_REACHED`, `DKV_TIMEOUT`. Writes have three outcomes: the promise resolves (committed);
 * `DKV_QUORUM_NOT_REACHED`, `DKV_NOT_APPLIED`, `DKV_READ_ONLY`, `DKV_OVERLOADED`, `DKV_CONFLICT` (nothing was
 * written); `DKV_INDETERMINATE` (it may still take effect). What a mode does not offer is `DKV_UNSUPPORTED`. Arguments
 * of a wrong type are a TypeError at once.
 *
 * Every write takes an `idempotencyKey` (strong namespaces only). Where an earlier call of that name had taken effect, it
 * writes nothing itself: the pair of `addOrUpdate`, `compareAndSet` and `update` says `repeated: true` (of callers at once, one alone
 * is not told so), the others resolve as the first time.
 */
export class Dkv<V = unknown> {
  private readonly values: Values<V>;
  private readonly changes: ReadModifyWrite;

  constructor(
    private readonly core: ClientCore,
    private readonly settings: ClientSettings,
    codec: Codec<V>,
  ) {
    this.values = new Values(codec, settings);
    this.changes = new ReadModifyWrite(core, settings.namespace);
  }

  /** The value, or undefined where there is none (never written, deleted, expired). */
  get(key: string, options: DkvReadOptions = NO_OPTIONS): Promise<KvPair<V> | undefined> {
    // Nothing but a look into memory: a promise more than the one it ends with would double what it costs.
    if (options === NO_OPTIONS && this.settings.readConsistency === 'one') {
      const record = this.core.processor.peek(this.settings.namespace, key);
      if (record !== undefined) {
        return this.values.found(key, record);
      }
    }
    return this.read(key, options);
  }

  /**
   * What the memory of this node tells of a key at this moment, without a promise: the pair; null where the key is known
   * to have no value (never written, deleted, expired); undefined where memory does not tell and only `get` can. So
   * `dkv.peek(key) ?? (await dkv.get(key))` is a `get` at level `one` that waits only where it must.
   *
   * Undefined is: this node holds no copy of the key; its copy is not in memory, is damaged, or may be behind what this
   * node wrote; or the node is starting, catching up or closing. Nothing is loaded and nobody asked: what is written to a
   * copy, and what a `get` finds in it, is in memory as long as `cacheBytesMax` has room.
   *
   * The guarantees are those of level `one`, whatever the namespace's `readConsistency`: it may trail what other nodes
   * wrote. Every call decodes the value, so the caller may change it. Metrics count it as a `get` where it tells
   * something, else not at all.
   * @throws DkvError `DKV_INVALID_KEY`, `DKV_CODEC_FAILED`, and no other; a TypeError for a key that is no string.
   */
  peek(key: string): KvPair<V> | null | undefined {
    assertKey(key);
    const record = this.core.processor.peek(this.settings.namespace, key);
    return record && this.values.pairOf(key, record);
  }

  /** @throws DkvError `DKV_KEY_NOT_FOUND` where `get` gives undefined. */
  async getOrThrow(key: string, options: DkvReadOptions = {}): Promise<KvPair<V>> {
    const pair = await this.get(key, options);
    if (!pair) {
      throw new DkvError('DKV_KEY_NOT_FOUND', `There is no value for key ${JSON.stringify(key)}.`);
    }
    return pair;
  }

  /**
   * Stores a value; resolves, once enough nodes hold it durably, with the pair as stored. Its value is the one given,
   * unless a merger of your own made another of it. Under an `idempotencyKey` that took effect before, nothing is written,
   * and the pair says `repeated`: it has the version of then, and the value of then as long as that stands, else the one
   * given.
   * @throws DkvError `DKV_VALUE_TOO_LARGE`, `DKV_CODEC_FAILED`: before anything is sent.
   */
  addOrUpdate(key: string, value: V, options: DkvWriteOptions = NO_OPTIONS): Promise<KvPair<V>> {
    // Not an async function: what that keeps while it waits is much garbage.
    try {
      const bytes = this.values.encode(key, value);
      const writing = this.writing(options, ttlOf(options.ttlMs, this.settings.ttlMs));
      return this.core.processor
        .addOrUpdate(this.settings.namespace, key, bytes, writing)
        .then((result) => this.values.written(key, value, bytes, result));
    } catch (error) {
      return rejection(error as Error);
    }
  }

  /** Deletes; resolves with whether there was a value. */
  async remove(key: string, options: DkvRemoveOptions = {}): Promise<boolean> {
    const { namespace } = this.settings;
    const { existed } = await this.core.processor.remove(namespace, key, this.writing(options));
    return existed;
  }

  /** One answer per key, in order. @throws DkvManyError when a key fails. */
  getMany(keys: readonly string[], options?: DkvReadOptions): Promise<(KvPair<V> | undefined)[]> {
    return many(keys, options, (key) => this.get(key, options));
  }

  /** Each pair is a write of its own, in no order. @throws DkvManyError telling the outcome of each. */
  addOrUpdateMany(
    pairs: readonly (readonly [string, V])[],
    options?: DkvManyOptions<DkvWriteOptions>,
  ): Promise<KvPair<V>[]> {
    return many(pairs, options, ([key, value]) => this.addOrUpdate(key, value, options));
  }

  /** Each delete is a write of its own. @throws DkvManyError telling the outcome of each. */
  removeMany(keys: readonly string[], options?: DkvManyOptions<DkvRemoveOptions>): Promise<boolean[]> {
    return many(keys, options, (key) => this.remove(key, options));
  }

  /**
   * Stores a value if the key still has the version that was read; null: if it has no value. Strong namespaces only.
   * @throws DkvConflictError (`DKV_CONFLICT`) with the pair as it is, having written nothing.
   */
  async compareAndSet(
    key: string,
    expectedVersion: string | null,
    value: V,
    options: DkvChangeOptions = {},
  ): Promise<KvPair<V>> {
    this.assertStrong('compareAndSet');
    const expected = expectedOf(expectedVersion);
    const bytes = this.values.encode(key, value);
    const writing = this.writing(options, ttlOf(options.ttlMs, this.settings.ttlMs), expected);
    const result = await this.core.processor.addOrUpdate(this.settings.namespace, key, bytes, writing);
    this.assertMatched(key, expected, result);
    return this.values.written(key, value, bytes, result);
  }

  /** Deletes if the key still has the version that was read. Strong namespaces only. @throws DkvConflictError */
  async compareAndRemove(
    key: string,
    expectedVersion: string,
    options: DkvRequestOptions = {},
  ): Promise<void> {
    this.assertStrong('compareAndRemove');
    assertType('expectedVersion', expectedVersion, 'string');
    const expected = expectedOf(expectedVersion);
    const writing = this.writing(options, 0, expected);
    const result = await this.core.processor.remove(this.settings.namespace, key, writing);
    this.assertMatched(key, expected, result);
  }

  /**
   * Makes of the value what `change` says, losing no concurrent write: reads, changes, compares and sets, and again
   * with what it met when someone else was faster. `change` may be called several times and must do nothing else;
   * undefined deletes; what it throws, this throws, and nothing is written. It is a merger's natural place in a strong
   * namespace. Resolves with the pair as stored, undefined after a delete. Strong namespaces only.
   *
   * Under an `idempotencyKey` that took effect before, nothing is changed and the pair is given as it stands, and says `repeated`.
   * @throws DkvError `DKV_NOT_APPLIED` when others were faster until the time was over.
   */
  async update(
    key: string,
    change: (current: V | undefined) => V | undefined | Promise<V | undefined>,
    options: DkvChangeOptions = {},
  ): Promise<KvPair<V> | undefined> {
    this.assertStrong('update');
    assertType('change', change, 'function');
    let next: V | undefined;
    const changed = await this.changed(key, options, async (current) => {
      next = await change(current && this.values.decode(key, current));
      return next === undefined ? undefined : this.values.encode(key, next);
    });
    const { bytes, record, repeated } = changed;
    if (repeated) {
      return record && { ...this.values.pairOf(key, record), repeated };
    }
    return bytes && { key, value: next!, ...stampOf(record!) };
  }

  /**
   * Counts, losing no concurrent count, by one operation of the key's leader; a key without a value counts from 0. Resolves with the count. With
   * an `idempotencyKey` a repeated request counts once and resolves as the first time. Strong namespaces only.
   * @throws DkvError `DKV_INVALID_ARGUMENT` when the value is no whole number, or would pass 2^53 - 1.
   */
  async increment(this: Dkv<number>, key: string, by = 1, options: DkvChangeOptions = {}): Promise<number> {
    incrementOf(by);
    this.assertStrong('increment');
    const writing = this.writing(options, ttlOf(options.ttlMs, this.settings.ttlMs));
    const { record } = await this.core.processor.increment(this.settings.namespace, key, by, writing);
    return this.values.decode(key, record!);
  }

  /**
   * Gives a value another lifetime, in milliseconds from now, 0 for ever; resolves with whether there was a value.
   * Strong namespaces only.
   */
  async touch(key: string, ttlMs: number, options: DkvRequestOptions = {}): Promise<boolean> {
    this.assertStrong('touch');
    assertType('ttlMs', ttlMs, 'number');
    const writing = this.writing(options, ttlOf(ttlMs, 0));
    return (await this.core.processor.touch(this.settings.namespace, key, writing)).existed;
  }

  /**
   * Takes the lock of a key for `ttlMs`; it has nothing to do with the key's value. **Only the fencing number of the
   * lock protects**: see {@link DkvLock}. Held locks are not renewed by themselves, and are given back when the
   * application shuts down. After `DKV_INDETERMINATE` nobody knows the token, and the lock is free again after `ttlMs`.
   * Strong namespaces only.
   * With `waitMs`, callers of one node get a lock in the order in which they asked; between nodes it is chance. At most
   * 1,000 callers of a node wait for one lock, else it is `DKV_OVERLOADED`.
   * @throws DkvLockError (`DKV_CONFLICT`) when someone else holds it, with when that is over; after `waitMs`.
   */
  async lock(key: string, ttlMs: number, options?: DkvLockOptions): Promise<DkvLock> {
    this.assertStrong('lock');
    return this.core.locks.acquire(this.settings.namespace, key, ttlMs, options);
  }

  /**
   * Runs `work` while the lock of a key is held, as {@link lock} takes it: renewed each third of its `ttlMs`, and given back at
   * the end, also when `work` throws. Resolves with what `work` gives. When the lock is lost (its time was over before it
   * could be renewed, someone released it by its token, the application shuts down), the `signal` that `work` was given is aborted, and once
   * `work` has settled this rejects. `work` should stop then; **only the fencing number protects** what it does until it
   * has. Aborting the caller's `signal` ends the waiting and is passed on to `work`; what becomes of it then is for `work` to
   * say. Strong namespaces only.
   * @throws what `work` throws; DkvLockError `DKV_CONFLICT` when the lock was not to be had within `waitMs` (`work` was not
   * begun), `DKV_LOCK_LOST` when it was lost while `work` went on; its `cause` is what `work` threw.
   */
  async withLock<T>(
    key: string,
    options: DkvWithLockOptions,
    work: (scope: DkvLockScope) => T | Promise<T>,
  ): Promise<T> {
    this.assertStrong('withLock');
    assertType('work', work, 'function');
    return this.core.locks.holdWhile(this.settings.namespace, key, options, work);
  }

  /** Renews a lock that was taken elsewhere, by its token. @throws DkvLockError unless it is the holder's. */
  async renewLock(key: string, token: string, ttlMs: number, options?: DkvCallOptions): Promise<DkvLock> {
    this.assertStrong('renewLock');
    assertType('token', token, 'string');
    return this.core.locks.renew(this.settings.namespace, key, token, ttlMs, options);
  }

  /** Gives back a lock that was taken elsewhere, by its token. @throws DkvLockError unless it is the holder's. */
  async releaseLock(key: string, token: string, options?: DkvCallOptions): Promise<void> {
    this.assertStrong('releaseLock');
    assertType('token', token, 'string');
    return this.core.locks.release(this.settings.namespace, key, token, options);
  }

  /** Figures of this node, of all namespaces together. For Prometheus see `DkvRegistry`. */
  metrics(): DkvMetrics {
    const { processor, view, storage } = this.core;
    const { groupsLed, strongFigures } = processor;
    const figures = storage.metrics();
    return {
      ...standingOf(view, processor),
      keys: keysIn(figures.usage),
      hintBytes: storage.hintBytes,
      groupsLed,
      ...strongFigures,
      ...figures,
    };
  }

  /** The nodes as this one sees them. */
  cluster(): readonly DkvNodeStatus[] {
    return nodeStatuses(this.core.view, this.core.processor.quorums, this.core.transitions);
  }

  /** Which nodes hold a key of this namespace, the holder first. */
  nodesOf(key: string): readonly string[] {
    const { view } = this.core;
    const { namespace, placement } = this.settings;
    return view.listOf(view.partitionOf(key, placementIn(view.agreed, namespace, placement)));
  }

  private async read(key: string, options: DkvReadOptions): Promise<KvPair<V> | undefined> {
    const { readConsistency, readTimeoutMs, namespace } = this.settings;
    const level = levelOf(READ_LEVELS, options.consistency, readConsistency);
    const timeoutMs = timeoutOf(options.timeoutMs, readTimeoutMs);
    const { signal } = options;
    const record = await this.core.processor.get(namespace, key, { level, timeoutMs, signal });
    return record && this.values.pairOf(key, record);
  }

  private writing(
    { consistency, timeoutMs, signal, idempotencyKey }: DkvRemoveOptions,
    ttlMs = 0,
    expected?: string,
  ): WriteOptions {
    const { writeConsistency, revertTimeoutMs } = this.settings;
    if (idempotencyKey !== undefined) {
      this.assertStrong('idempotencyKey');
    }
    return {
      level: levelOf(WRITE_LEVELS, consistency, writeConsistency),
      timeoutMs: timeoutOf(timeoutMs, revertTimeoutMs),
      signal,
      idempotencyKey: idempotencyKeyOf(idempotencyKey),
      ttlMs,
      expected,
    };
  }

  private changed(
    key: string,
    options: DkvChangeOptions,
    change: (current: ShownRecord | undefined) => Promise<Uint8Array | undefined>,
  ): Promise<Changed> {
    const { timeoutMs, signal, idempotencyKey } = this.writing(options);
    const { readTimeoutMs } = this.settings;
    const ttlMs = ttlOf(options.ttlMs, this.settings.ttlMs);
    return this.changes.run({ key, ttlMs, timeoutMs, readTimeoutMs, signal, idempotencyKey }, change);
  }

  private assertMatched(key: string, expected: string, { outcome, record }: Written): void {
    if (outcome === 'conflict') {
      throw conflictOf(key, expected, record && this.values.pairOf(key, record));
    }
  }

  private assertStrong(what: string): void {
    const { mode, namespace } = this.settings;
    if (mode !== 'strong') {
      throw new DkvError(
        'DKV_UNSUPPORTED',
        `Namespace ${namespace} is eventual and does not offer ${what}: it has no single order of writes. Use a ` +
          "namespace of mode 'strong' for it.",
      );
    }
  }
}
