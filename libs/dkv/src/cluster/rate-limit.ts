/** A bound in bytes a second on what moves and repair transfer, so that they never crowd out the callers. One for a node. */
import { type Clock } from '../ports/clock.js';

/** Token bucket of one second's worth of bytes; a single larger item borrows from the future. Whoever asks first is first. */
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

  /** Resolves when `bytes` may be transferred. */
  async take(bytes: number): Promise<void> {
    this.fill();
    this.tokens -= bytes;
    if (this.tokens < 0) {
      const waitMs = (-this.tokens / this.bytesPerSecond) * 1000;
      await new Promise<void>((resolve) => this.clock.schedule(waitMs, resolve));
    }
  }

  /** Of what was taken so much was not transferred; below 0: so much more was. */
  giveBack(bytes: number): void {
    this.fill();
    this.tokens = Math.min(this.bytesPerSecond, this.tokens + bytes);
  }

  private fill(): void {
    const now = this.clock.monotonic();
    const earned = ((now - this.filledAt) / 1000) * this.bytesPerSecond;
    this.tokens = Math.min(this.bytesPerSecond, this.tokens + earned);
    this.filledAt = now;
  }
}
