/** Something that fails for a while: said once when it begins and once when it is over, with how long it took. */
import { type Clock } from '../ports/clock.js';
import { type Logger } from '../ports/logger.js';

export class Outage {
  private sinceMs: number | undefined;
  private reason = '';
  private failed = 0;

  /** @param what fails, in words, as in "Discovery by etcd at http://etcd:2379" */
  constructor(
    private readonly what: string,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  /** Since it began. */
  get failures(): number {
    return this.failed;
  }

  get trouble(): string | undefined {
    return this.sinceMs === undefined ? undefined : `${this.what} fails: ${this.reason}`;
  }

  begins({ message }: Error): void {
    this.failed++;
    this.reason = message;
    if (this.sinceMs === undefined) {
      this.sinceMs = this.clock.monotonic();
      this.logger.warn(`${this.what} fails, which is tried again: ${message}. What is known stays known.`);
    }
  }

  over(): void {
    if (this.sinceMs !== undefined) {
      const seconds = Math.round((this.clock.monotonic() - this.sinceMs) / 1_000);
      this.logger.log(`${this.what} works again, after ${seconds} s.`);
    }
    this.forget();
  }

  /** It is not tried any more. */
  forget(): void {
    this.sinceMs = undefined;
    this.failed = 0;
  }
}
