/** A bound in bytes a second on what repair sends, so that it never crowds out the callers. */
import { type Clock } from '../../ports/clock.js';

/** Token bucket of one second's worth of bytes; a single larger item borrows from the future. */
export class RateLimit {
  private tokens: number;
  private filledAt: number;

  constructor(
    private readonly bytesPerSecond: number,
    private readonly clock: Clock,
  ) {
    this.tokens = bytesPerSecond;
    this.filledAt = clock.monotonic();
  }

  /** Resolves when `bytes` may be sent. */
  async take(bytes: number): Promise<void> {
    const now = this.clock.monotonic();
    const earned = ((now - this.filledAt) / 1000) * this.bytesPerSecond;
    this.tokens = Math.min(this.bytesPerSecond, this.tokens + earned) - bytes;
    this.filledAt = now;
    if (this.tokens < 0) {
      const waitMs = (-this.tokens / this.bytesPerSecond) * 1000;
      await new Promise<void>((resolve) => this.clock.schedule(waitMs, resolve));
    }
  }
}
