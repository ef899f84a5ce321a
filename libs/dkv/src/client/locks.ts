/** Locks upon keys, each a record of its own; what a holder may rely on is the fencing number. */
import { Buffer } from 'node:buffer';
import { Deadline } from '../cluster/deadline.js';
import { DkvError } from '../dkv.errors.js';
import { hex8 } from '../model/hex.js';
import { assertKey, KEY_BYTES_MAX } from '../model/key.js';
import { type ShownRecord } from '../model/shown-record.js';
import { NO_VERSION } from '../model/version.js';
import { type Clock } from '../ports/clock.js';
import { type Random } from '../ports/random.js';
import { type Processor } from '../processor/processor.js';
import { lockTtlOf, timeoutOf, waitOf } from './call-arguments.js';
import {
  type DkvCallOptions,
  type DkvLockOptions,
  type DkvLockWaiting,
  type DkvWithLockOptions,
} from './call-options.js';
import { DkvLockError } from './conflict-error.js';
import { type DkvLockScope, KeptLock } from './kept-lock.js';
import { DkvLock, type LockGrant } from './lock.js';
import { LockQueues } from './lock-queues.js';
import { decodeLock, encodeLock, type LockHolder } from './lock-record.js';
import { settleAll } from './many.js';
import { type Changed, ReadModifyWrite } from './read-modify-write.js';

/**
 * Where locks are, strong, apart from the values: removing or expiring a key takes no lock away. A lock of key `k` in
 * namespace `n` is the key `n NUL k` there.
 */
export const LOCKS_NAMESPACE = 'dkv.locks';

const DEFAULT_TTL_MS = 30_000;
/** From this many on, locks whose time is over are forgotten when another one is taken. */
const HELD_MIN = 64;

type Ports = {
  readonly processor: Pick<Processor, 'get' | 'addOrUpdate' | 'remove'>;
  readonly clock: Clock;
  readonly random: Random;
};
type Times = { readonly readTimeoutMs: number; readonly revertTimeoutMs: number };

/**
 * Taking a lock is a compare-and-set upon "no value"; its record expires with the lock, and releasing deletes
 * it, so that a free lock takes no space. Versions rise for ever, over deletes too, and so do fencing numbers.
 */
export class Locks {
  private readonly records: ReadModifyWrite;
  private readonly queues: LockQueues;
  /** Those of work that goes on. */
  private readonly kept = new Set<KeptLock>();
  /** What this process holds, to be given back at its end. */
  private readonly held = new Map<string, DkvLock>();
  private heldMax = HELD_MIN;

  constructor(
    private readonly ports: Ports,
    private readonly times: Times,
  ) {
    this.records = new ReadModifyWrite(ports, LOCKS_NAMESPACE);
    this.queues = new LockQueues(ports);
  }

  /** @throws DkvLockError when someone else holds it, after `waitMs`. */
  async acquire(
    namespace: string,
    key: string,
    ttlMs: number,
    options: DkvLockOptions = {},
  ): Promise<DkvLock> {
    return (await this.takenBy(namespace, key, ttlMs, options, options.keepOnShutdown)).lock;
  }

  /** What `work` gives, done while the lock is held and renewed. @throws DkvLockError when it is lost, or not had in time. */
  async holdWhile<T>(
    namespace: string,
    key: string,
    options: DkvWithLockOptions,
    work: (scope: DkvLockScope) => T | Promise<T>,
  ): Promise<T> {
    const { ttlMs = DEFAULT_TTL_MS, signal } = options;
    const attemptMs = timeoutOf(options.timeoutMs, this.times.revertTimeoutMs);
    const { lock, askedMs } = await this.takenBy(namespace, key, ttlMs, options);
    const kept = new KeptLock(lock, ttlMs, askedMs, this.ports.clock, attemptMs);
    this.kept.add(kept);
    try {
      return await kept.run(work, signal);
    } finally {
      this.kept.delete(kept);
    }
  }

  /** @throws DkvLockError unless `token` is the holder's and the lock's time is not over. */
  async renew(
    namespace: string,
    key: string,
    token: string,
    ttlMs: number,
    options: DkvCallOptions = {},
  ): Promise<DkvLock> {
    lockTtlOf(ttlMs);
    const { record } = await this.change(namespace, key, token, ttlMs, options, encodeLock);
    return this.lockOf(namespace, grantOf(key, record!), ttlMs);
  }

  /** @throws DkvLockError unless `token` is the holder's and the lock's time is not over. */
  async release(namespace: string, key: string, token: string, options: DkvCallOptions = {}): Promise<void> {
    await this.change(namespace, key, token, 0, options, () => undefined);
    const lockKey = lockKeyOf(namespace, key);
    this.forget(lockKey, token);
    this.queues.released(lockKey);
  }

  /** Gives back what this process holds, as far as that can be done in time; the rest expires. */
  async releaseAll(timeoutMs: number): Promise<void> {
    const deadline = new Deadline(this.ports.clock, timeoutMs);
    for (const kept of this.kept) {
      kept.lose('this node is shutting down and gives its locks back.');
    }
    await settleAll([...this.held.values()], async (lock) => {
      if (lock.expiresAtMs > this.ports.clock.now() && !deadline.over) {
        await lock.release({ timeoutMs: deadline.leftMs });
      }
    });
    this.held.clear();
  }

  /** The lock, and when it was asked for by the monotonic clock. */
  private async takenBy(
    namespace: string,
    key: string,
    ttlMs: number,
    options: DkvLockWaiting,
    keepOnShutdown = false,
  ): Promise<{ readonly lock: DkvLock; readonly askedMs: number }> {
    const { clock } = this.ports;
    const lockKey = lockKeyOf(namespace, key);
    lockTtlOf(ttlMs);
    const waiting = new Deadline(clock, waitOf(options.waitMs), options.signal);
    const token = this.newToken();
    let askedMs = 0;
    const ask = () => {
      askedMs = clock.monotonic();
      return this.take(lockKey, key, token, ttlMs, options);
    };
    const record = await (waiting.timeoutMs > 0 ? this.queues.wait(lockKey, key, waiting, ask) : ask());
    const lock = this.lockOf(namespace, grantOf(key, record), ttlMs);
    if (!keepOnShutdown) {
      this.hold(lockKey, lock);
    }
    return { lock, askedMs };
  }

  private async take(
    lockKey: string,
    key: string,
    token: string,
    ttlMs: number,
    { timeoutMs, signal }: DkvCallOptions,
  ): Promise<ShownRecord> {
    const { processor, clock } = this.ports;
    const { outcome, record } = await processor.addOrUpdate(LOCKS_NAMESPACE, lockKey, encodeLock({ token }), {
      level: 'quorum',
      ttlMs,
      timeoutMs: timeoutOf(timeoutMs, this.times.revertTimeoutMs),
      signal,
      expected: NO_VERSION,
    });
    if (outcome === 'done') {
      return record!;
    }
    const leftMs = Math.max(0, (record?.expiresAtMs ?? 0) - clock.now());
    throw new DkvLockError(
      `The lock ${JSON.stringify(key)} is held by someone else for ${leftMs} ms more, unless it is renewed. Try again ` +
        'then, or give waitMs.',
      record?.expiresAtMs,
    );
  }

  /** Makes of the lock of the holder with `token` what `change` says; undefined frees it. */
  private change(
    namespace: string,
    key: string,
    token: string,
    ttlMs: number,
    { timeoutMs, signal }: DkvCallOptions,
    change: (holder: LockHolder) => Uint8Array | undefined,
  ): Promise<Changed> {
    const { readTimeoutMs, revertTimeoutMs } = this.times;
    const call = {
      key: lockKeyOf(namespace, key),
      ttlMs,
      timeoutMs: timeoutOf(timeoutMs, revertTimeoutMs),
      readTimeoutMs,
      signal,
    };
    return this.records.run(call, async (record) => change(holderIn(key, token, record)));
  }

  private lockOf(namespace: string, grant: LockGrant, ttlMs: number): DkvLock {
    return new DkvLock(grant, ttlMs, {
      renew: (token, ms, options) => this.renew(namespace, grant.key, token, ms, options),
      release: (token, options) => this.release(namespace, grant.key, token, options),
    });
  }

  private hold(lockKey: string, lock: DkvLock): void {
    this.held.set(lockKey, lock);
    if (this.held.size > this.heldMax) {
      const nowMs = this.ports.clock.now();
      for (const [name, { expiresAtMs }] of this.held) {
        if (expiresAtMs <= nowMs) {
          this.held.delete(name);
        }
      }
      this.heldMax = Math.max(HELD_MIN, 2 * this.held.size);
    }
  }

  private forget(lockKey: string, token: string): void {
    if (this.held.get(lockKey)?.token === token) {
      this.held.delete(lockKey);
    }
  }

  /** 128 bits. */
  private newToken(): string {
    const draw = () => Math.floor(this.ports.random.next() * 2 ** 32);
    return [draw(), draw(), draw(), draw()].map(hex8).join('');
  }
}

function grantOf(key: string, record: ShownRecord): LockGrant {
  return { key, ...decodeLock(key, record), expiresAtMs: record.expiresAtMs };
}

function lockKeyOf(namespace: string, key: string): string {
  assertKey(key);
  const lockKey = `${namespace}\0${key}`;
  if (Buffer.byteLength(lockKey) > KEY_BYTES_MAX) {
    throw new DkvError(
      'DKV_INVALID_KEY',
      `The key ${JSON.stringify(key.slice(0, 40))}… is too long for a lock: with the name of its namespace ` +
        `(${namespace}) and a byte between, it has ${Buffer.byteLength(lockKey)} bytes; the limit is ` +
        `${KEY_BYTES_MAX}. Use a shorter key, or a hash of it.`,
    );
  }
  return lockKey;
}

/** @throws DkvLockError unless `token` holds the lock in `record`. */
function holderIn(key: string, token: string, record: ShownRecord | undefined): LockHolder {
  if (!record) {
    throw new DkvLockError(
      `The lock ${JSON.stringify(key)} is held by nobody: it was released, or its time was over. Take it anew.`,
      undefined,
    );
  }
  const holder = decodeLock(key, record);
  if (token !== holder.token) {
    throw new DkvLockError(
      `The lock ${JSON.stringify(key)} is held by another token than this one. If this one held it, its time was over: ` +
        'stop what the lock protected, and take it anew.',
      record.expiresAtMs,
    );
  }
  return holder;
}
