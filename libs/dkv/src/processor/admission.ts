/** Turns callers away at once when more is under way than can be done in time: a long queue serves nobody. */
import { DkvError } from '../dkv.errors.js';
import { type Clock } from '../ports/clock.js';

/** As long as operations wait no longer than this for those before them, all are taken. */
const WAIT_MS_MAX = 500;
/** So many are always taken: of a node that was idle nobody knows what it can do. */
const UNDER_WAY_MIN = 1_024;
const WINDOW_MS = 200;
/** How much of the estimate the last window is. */
const WEIGHT = 0.5;

/**
 * By Little's law the last one in waits for as long as it takes to complete those before it, at the rate at which they
 * are completed now. Time-outs and failures do not count: a node that completes nothing takes little.
 */
export class Admission {
  private underWay = 0;
  private completed = 0;
  private windowBegan: number;
  private perMs = 0;

  constructor(private readonly clock: Clock) {
    this.windowBegan = clock.monotonic();
  }

  get limit(): number {
    return Math.max(UNDER_WAY_MIN, this.perMs * WAIT_MS_MAX);
  }

  /** One more is under way, until `leave`. @throws DkvError `DKV_OVERLOADED` when too many are. */
  enter(): void {
    this.measure();
    if (this.underWay >= this.limit) {
      throw this.overloaded();
    }
    this.underWay++;
  }

  leave(isCompleted: boolean): void {
    this.underWay--;
    if (isCompleted) {
      this.completed++;
    }
    this.measure();
  }

  private measure(): void {
    const now = this.clock.monotonic();
    const elapsedMs = now - this.windowBegan;
    if (elapsedMs >= WINDOW_MS) {
      this.perMs += WEIGHT * (this.completed / elapsedMs - this.perMs);
      this.windowBegan = now;
      this.completed = 0;
    }
  }

  private overloaded(): DkvError {
    // Thousands a second may be turned away: a stack for each would cost more than what they asked for.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    const error = new DkvError(
      'DKV_OVERLOADED',
      `${this.underWay} operations are under way, ${Math.floor(this.limit)} can be done in time. Try again later.`,
    );
    Error.stackTraceLimit = stackTraceLimit;
    return error;
  }
}
