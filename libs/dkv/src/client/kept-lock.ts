/** A lock that is renewed as long as work goes on under it, which is told when it is lost: what `Dkv.withLock` runs. */
import { isDkvError } from '../dkv.errors.js';
import { onAbort } from '../model/abort-listeners.js';
import { type Clock, type Timer } from '../ports/clock.js';
import { DkvLockError } from './conflict-error.js';
import { type DkvLock } from './lock.js';

/** Of the lock's time: when a renewal begins, how long it may take, and the pause after one that failed. Two may fail. */
const RENEWAL_SHARE = 1 / 3;
const ATTEMPT_SHARE = 1 / 4;
const RETRY_SHARE = 1 / 20;

/** What work under a lock is given. */
export interface DkvLockScope {
  readonly key: string;
  /**
   * Aborted when the lock is lost (its reason is a {@link DkvLockError} of code `DKV_LOCK_LOST`), and when the caller's own
   * signal is. Stop then: someone else may hold the lock.
   */
  readonly signal: AbortSignal;
  /** Higher than that of all holders before: hand it to what the lock protects, see {@link DkvLock.fencing}. */
  readonly fencing: number;
}

export class KeptLock {
  private readonly controller = new AbortController();
  /** By the monotonic clock: counted from when it was asked for, so that the holder never believes in it for too long. */
  private endsAtMs: number;
  private lost: DkvLockError | undefined;
  private ended = false;
  private renewal: Timer | undefined;
  private end: Timer | undefined;

  constructor(
    private readonly lock: DkvLock,
    private readonly ttlMs: number,
    askedMs: number,
    private readonly clock: Clock,
    /** Of one attempt to renew it, or to give it back. */
    private readonly attemptMs: number,
  ) {
    this.endsAtMs = askedMs + ttlMs;
    this.watchEnd();
    this.renewLater(ttlMs * RENEWAL_SHARE);
  }

  /**
   * What `work` gives; the lock is given back before this settles.
   * @throws what `work` throws; DkvLockError `DKV_LOCK_LOST` once `work` has settled, where the lock was lost meanwhile.
   */
  async run<T>(work: (scope: DkvLockScope) => T | Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const passOn = () => this.controller.abort(signal!.reason);
    const forget = signal && onAbort(signal, passOn);
    if (signal?.aborted) {
      passOn();
    }
    const { key, fencing } = this.lock;
    let result: T;
    try {
      result = await work({ key, fencing, signal: this.controller.signal });
    } catch (error) {
      await this.giveBack();
      throw this.lost && error !== this.lost ? lostError(this.lost.message, error) : error;
    } finally {
      forget?.();
    }
    const refusal = this.lost ?? (await this.giveBack());
    if (refusal) {
      throw refusal;
    }
    return result;
  }

  /** The lock is not this work's any more, or will not be in a moment. */
  lose(why: string, cause?: unknown): void {
    if (!this.ended && !this.lost) {
      this.lost = lostError(
        `The lock ${JSON.stringify(this.lock.key)} was lost while work went on under it: ${why} Someone else may hold it ` +
          'by now. What was done since is protected by the fencing number alone; do it again under the lock.',
        cause,
      );
      this.stop();
      this.controller.abort(this.lost);
    }
  }

  /** Gives why the work was not under the lock to its end; undefined where it was. */
  private async giveBack(): Promise<DkvLockError | undefined> {
    this.stop();
    if (this.lost) {
      return this.lost;
    }
    this.ended = true;
    const leftMs = this.endsAtMs - this.clock.monotonic();
    try {
      await this.lock.release({ timeoutMs: Math.max(1, Math.min(this.attemptMs, leftMs)) });
      return undefined;
    } catch (error) {
      // What could not be given back ends with its time: the work is done all the same.
      return isDkvError(error, 'DKV_CONFLICT') || leftMs <= 0
        ? lostError(
            `The lock ${JSON.stringify(this.lock.key)} was lost before the work under it ended: it took more time than ` +
              'the lock had, without a moment to renew it. Give a longer ttlMs, or let the work give way now and then.',
            error,
          )
        : undefined;
    }
  }

  private async renew(): Promise<void> {
    const askedMs = this.clock.monotonic();
    const timeoutMs = Math.min(this.attemptMs, Math.max(1, this.ttlMs * ATTEMPT_SHARE));
    try {
      await this.lock.renew(this.ttlMs, { timeoutMs });
    } catch (error) {
      if (isDkvError(error, 'DKV_CONFLICT')) {
        this.lose('it was given back, or its time was over.', error);
      } else {
        this.renewLater(this.ttlMs * RETRY_SHARE);
      }
      return;
    }
    this.endsAtMs = askedMs + this.ttlMs;
    this.watchEnd();
    this.renewLater(this.ttlMs * RENEWAL_SHARE);
  }

  private renewLater(delayMs: number): void {
    if (!this.ended && !this.lost) {
      this.renewal = this.clock.schedule(delayMs, () => void this.renew());
    }
  }

  private watchEnd(): void {
    this.end?.cancel();
    if (!this.ended && !this.lost) {
      const leftMs = Math.max(0, this.endsAtMs - this.clock.monotonic());
      this.end = this.clock.schedule(leftMs, () =>
        this.lose('it could not be renewed before its time was over.'),
      );
    }
  }

  private stop(): void {
    this.renewal?.cancel();
    this.end?.cancel();
  }
}

function lostError(message: string, cause: unknown): DkvLockError {
  return new DkvLockError(message, undefined, { code: 'DKV_LOCK_LOST', cause });
}
