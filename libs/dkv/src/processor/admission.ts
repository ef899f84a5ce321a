/** Turns callers away at once when more is under way than can be done in time: a long queue serves nobody. */
import { DkvError } from '../dkv.errors.js';

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
  private perMs = 0;

  /** Times are monotonic, in milliseconds. */
  constructor(private windowBegan: number) {}

  get limit(): number {
    return Math.max(UNDER_WAY_MIN, this.perMs * WAIT_MS_MAX);
  }

  /** One more is under way, until `leave`. @throws DkvError `DKV_OVERLOADED` when too many are. */
  enter(nowMs: number): void {
    this.measure(nowMs);
    if (this.underWay >= this.limit) {
      throw this.overloaded();
    }
    this.underWay++;
  }

  leave(isCompleted: boolean, nowMs: number): void {
    this.underWay--;
    if (isCompleted) {
      this.completed++;
    }
    this.measure(nowMs);
  }

  private measure(nowMs: number): void {
    const elapsedMs = nowMs - this.windowBegan;
    if (elapsedMs >= WINDOW_MS) {
      this.perMs += WEIGHT * (this.completed / elapsedMs - this.perMs);
      this.windowBegan = nowMs;
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
