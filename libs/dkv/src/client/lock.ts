/** A lock in the hands of its holder. */
import { isDkvError } from '../dkv.errors.js';
import { type DkvCallOptions } from './call-options.js';

export interface LockGrant {
  readonly key: string;
  readonly token: string;
  readonly fencing: number;
  readonly expiresAtMs: number;
}

/** How a lock reaches its record. */
interface LockCalls {
  renew(token: string, ttlMs: number, options?: DkvCallOptions): Promise<LockGrant>;
  release(token: string, options?: DkvCallOptions): Promise<void>;
}

/**
 * Whether a lock is over is judged by wall clocks, and a holder that was paused does not know that its time is over:
 * two may believe to hold it. Only the fencing number protects: hand it along with every write to what the lock
 * protects, and let that refuse numbers lower than the highest it has seen.
 */
export class DkvLock {
  readonly key: string;
  /** Proves who holds the lock, to `renewLock` and `releaseLock` on any node. */
  readonly token: string;
  /**
   * Higher for each holder of this key than for all before, over releases and expiries: generation × 2^40 + index of the
   * log entry by which it was taken. A safe integer; the numbers between two holders are not consecutive.
   */
  readonly fencing: number;
  private expiry: number;
  private released = false;

  constructor(
    { key, token, fencing, expiresAtMs }: LockGrant,
    private readonly ttlMs: number,
    private readonly calls: LockCalls,
  ) {
    this.key = key;
    this.token = token;
    this.fencing = fencing;
    this.expiry = expiresAtMs;
  }

  /** Milliseconds since 1970 by the time of the lock's log. */
  get expiresAtMs(): number {
    return this.expiry;
  }

  /**
   * Holds it for `ttlMs` from now (default: as when it was taken). Nothing renews a lock by itself; `withLock` does.
   * @throws DkvLockError (`DKV_CONFLICT`) when it was lost: its time was over, whether or not someone else took it.
   */
  async renew(ttlMs: number = this.ttlMs, options?: DkvCallOptions): Promise<void> {
    this.expiry = (await this.calls.renew(this.token, ttlMs, options)).expiresAtMs;
  }

  /**
   * Gives it back; again does nothing.
   * @throws DkvLockError (`DKV_CONFLICT`) when it was lost.
   */
  async release(options?: DkvCallOptions): Promise<void> {
    if (!this.released) {
      await this.calls.release(this.token, options);
      this.released = true;
    }
  }

  /** `await using lock = await dkv.lock(…)`: given back at the end of the block, unless it was lost meanwhile. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.release();
    } catch (error) {
      if (!isDkvError(error, 'DKV_CONFLICT')) {
        throw error;
      }
    }
  }

  /** What to tell someone outside of this process. */
  toJSON(): LockGrant {
    const { key, token, fencing, expiresAtMs } = this;
    return { key, token, fencing, expiresAtMs };
  }
}
