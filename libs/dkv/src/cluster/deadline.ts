/** How much time an operation has left, and whether its caller still wants it. */
import { DkvError } from '../dkv.errors.js';
import { onAbort } from '../model/abort-listeners.js';
import { type Clock, type Timer } from '../ports/clock.js';

/** Less is nothing: a pause of a rounding error would end before it began. */
const LEAST_MS = 0.01;

export class Deadline {
  private readonly endsAt: number;

  constructor(
    private readonly clock: Clock,
    readonly timeoutMs: number,
    readonly signal?: AbortSignal,
  ) {
    this.endsAt = clock.monotonic() + timeoutMs;
  }

  /** Milliseconds left; 0 when over or aborted. */
  get leftMs(): number {
    const leftMs = this.signal?.aborted ? 0 : this.endsAt - this.clock.monotonic();
    return leftMs < LEAST_MS ? 0 : leftMs;
  }

  get over(): boolean {
    return this.leftMs === 0;
  }

  /** @throws DkvError `DKV_ABORTED` when the caller's signal was aborted. */
  assertWanted(): void {
    assertWanted(this.signal);
  }

  /** Resolves with what `work` gives, or with `late()` once the time is over or the caller aborted. */
  race<T>(work: Promise<T>, late: () => T | Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      // In a promise of its own, so that what `late` throws is this one's end.
      const end = this.atEnd(() => resolve(new Promise<T>((done) => done(late()))));
      work.then(
        (value) => {
          end.cancel();
          resolve(value);
        },
        (error: Error) => {
          end.cancel();
          reject(error);
        },
      );
    });
  }

  /** Resolves when `work` says that it is done, or once the time is over or the caller aborted. */
  until(work: (done: () => void) => void): Promise<void> {
    return new Promise((resolve) => {
      const end = this.atEnd(resolve);
      work(() => {
        end.cancel();
        resolve();
      });
    });
  }

  /** Calls `end` once the time is over or the caller aborted, unless it is cancelled before. */
  private atEnd(end: () => void): Timer {
    const { signal } = this;
    if (!signal) {
      return this.clock.schedule(this.leftMs, end);
    }
    const ended = () => {
      cancel();
      end();
    };
    const timer = this.clock.schedule(this.leftMs, ended);
    const forget = onAbort(signal, ended);
    const cancel = () => {
      timer.cancel();
      forget();
    };
    return { cancel };
  }

  /** Waits, but not past the deadline. */
  pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.clock.schedule(Math.min(delayMs, this.leftMs), resolve));
  }
}

/** @throws DkvError `DKV_ABORTED` when the caller's signal was aborted. */
export function assertWanted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) {
    throw new DkvError('DKV_ABORTED', 'The operation was aborted by its caller; nothing was sent.', {
      cause: signal.reason,
    });
  }
}
