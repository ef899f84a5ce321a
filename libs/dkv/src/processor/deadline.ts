/** How much time an operation has left, and whether its caller still wants it. */
import { DkvError } from '../dkv.errors.js';
import { type Clock } from '../ports/clock.js';

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
    if (this.signal?.aborted) {
      throw new DkvError('DKV_ABORTED', 'The operation was aborted by its caller; nothing was sent.', {
        cause: this.signal.reason,
      });
    }
  }

  /** Resolves with what `work` gives, or with `late()` once the time is over or the caller aborted. */
  async race<T>(work: Promise<T>, late: () => T | Promise<T>): Promise<T> {
    let stop = () => {};
    const end = new Promise<'late'>((resolve) => {
      const timer = this.clock.schedule(this.leftMs, () => resolve('late'));
      const onAbort = () => resolve('late');
      this.signal?.addEventListener('abort', onAbort, { once: true });
      stop = () => {
        timer.cancel();
        this.signal?.removeEventListener('abort', onAbort);
      };
    });
    try {
      const first = await Promise.race([work.then((value) => ({ value })), end]);
      return first === 'late' ? await late() : first.value;
    } finally {
      stop();
    }
  }

  /** Waits, but not past the deadline. */
  pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.clock.schedule(Math.min(delayMs, this.leftMs), resolve));
  }
}
