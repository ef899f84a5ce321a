/** Tells of what others can bring about as often as they like: each sort once in ten seconds, and how often it was. */
import { type Clock } from '../ports/clock.js';
import { type Logger } from '../ports/logger.js';

const QUIET_MS = 10_000;

interface Told {
  readonly atMs: number;
  /** Since then. */
  untold: number;
}

export class ThrottledLog {
  private readonly told = new Map<string, Told>();

  constructor(
    private readonly logger: Logger,
    private readonly clock: Clock,
  ) {}

  /** `sort` is one of few, and a clause for people; `message` is of the one that is told of. */
  warn(sort: string, message: string): void {
    this.tell(sort, message, (line) => this.logger.warn(line));
  }

  /** As `warn`. */
  error(sort: string, message: string): void {
    this.tell(sort, message, (line) => this.logger.error(line));
  }

  private tell(sort: string, message: string, write: (line: string) => void): void {
    const nowMs = this.clock.monotonic();
    const last = this.told.get(sort);
    if (last && nowMs - last.atMs < QUIET_MS) {
      last.untold++;
      return;
    }
    this.told.set(sort, { atMs: nowMs, untold: 0 });
    write(last && last.untold > 0 ? `${message} Before, not logged: ${last.untold} × ${sort}.` : message);
  }
}
