/** A node's own idea of the time, wrong by an offset and a drift, over the one virtual time. */
import { type Clock, type Timer } from '../../src/ports/clock.js';
import { type Incarnation } from './incarnation.js';
import { type SimScheduler } from './sim-scheduler.js';

/** The virtual time 0 on a wall clock that is right: 2024-01-01T00:00:00Z. */
export const SIM_EPOCH_MS = Date.UTC(2024, 0, 1);

export interface SimClockOptions {
  /** The wall clock is ahead by this much, milliseconds; may be negative. Default 0. */
  readonly offsetMs?: number;
  /** Runs too fast by so many parts in a million; may be negative, above -1,000,000. Default 0. */
  readonly driftPpm?: number;
  /** Of monotonic time and timers, true ones have 1: where it is not the wall clock's, that is held to the time by others. */
  readonly monotonicRate?: number;
}

/**
 * The clock of one incarnation. Wall and monotonic time both drift (they share the crystal), unless the latter is given a rate
 * of its own; only the wall is set and jumps. Timers count in the node's own time and die with the incarnation.
 */
export class SimClock implements Clock {
  private offsetMs: number;
  private readonly rate: number;
  private monotonicRate: number;
  /** Since when that is the rate, and what monotonic time was then. */
  private rateSinceMs: number;
  private monotonicThenMs = 0;

  constructor(
    private readonly scheduler: SimScheduler,
    private readonly incarnation: Incarnation,
    private readonly options: SimClockOptions = {},
  ) {
    this.offsetMs = options.offsetMs ?? 0;
    this.rate = 1 + (options.driftPpm ?? 0) / 1_000_000;
    this.monotonicRate = options.monotonicRate ?? this.rate;
    this.rateSinceMs = scheduler.nowMs;
    if (!(this.rate > 0)) {
      throw new TypeError(`driftPpm must be above -1,000,000, got ${options.driftPpm}.`);
    }
  }

  /** Whole milliseconds, as real wall clocks give them. */
  now(): number {
    return Math.floor(SIM_EPOCH_MS + this.offsetMs + this.scheduler.nowMs * this.rate);
  }

  monotonic(): number {
    return this.monotonicThenMs + (this.scheduler.nowMs - this.rateSinceMs) * this.monotonicRate;
  }

  /** Monotonic time and timers go on at this rate. */
  setMonotonicRate(rate: number): void {
    this.monotonicThenMs = this.monotonic();
    this.rateSinceMs = this.scheduler.nowMs;
    this.monotonicRate = rate;
  }

  schedule(delayMs: number, task: () => void): Timer {
    // As Node's timers: what is no delay is none.
    const own = delayMs > 0 ? delayMs / this.monotonicRate : 0;
    const { rateSinceMs } = this;
    const dueMs = this.monotonic() + delayMs;
    let rest: Timer | undefined;
    const timer = this.scheduler.after(
      own,
      () => {
        // At another rate than when it was set it may be too early.
        const leftMs = this.rateSinceMs === rateSinceMs ? 0 : dueMs - this.monotonic();
        if (leftMs > 0) {
          rest = this.schedule(leftMs, task);
        } else {
          task();
        }
      },
      this.incarnation,
    );
    return {
      cancel: () => {
        timer.cancel();
        rest?.cancel();
      },
    };
  }

  endOfTurn(task: () => void): void {
    this.scheduler.after(0, task, this.incarnation);
  }

  /** The wall clock is set: forward, or back when negative. Timers and monotonic time do not notice. */
  jump(byMs: number): void {
    this.offsetMs += byMs;
  }

  /** The clock of the node's next run: the machine's wall clock goes on as it is. */
  inherit(incarnation: Incarnation): SimClock {
    const { options, offsetMs, monotonicRate } = this;
    const own = options.monotonicRate === undefined ? {} : { monotonicRate };
    return new SimClock(this.scheduler, incarnation, { ...options, offsetMs, ...own });
  }
}
