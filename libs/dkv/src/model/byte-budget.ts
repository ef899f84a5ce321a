/** A bound in bytes on work under way: past it callers are turned away at once instead of queueing. */
import { DkvError } from '../dkv.errors.js';

export class ByteBudget {
  private used = 0;

  constructor(
    private readonly bytesMax: number,
    private readonly what: string,
  ) {}

  get usedBytes(): number {
    return this.used;
  }

  /** @throws DkvError `DKV_OVERLOADED` when `bytes` more do not fit. An empty budget takes anything. */
  take(bytes: number): void {
    if (this.used > 0 && this.used + bytes > this.bytesMax) {
      throw new DkvError(
        'DKV_OVERLOADED',
        `${this.what}: ${this.used} bytes are under way, ${this.bytesMax} are allowed. Try again later.`,
      );
    }
    this.used += bytes;
  }

  release(bytes: number): void {
    this.used -= bytes;
  }
}
