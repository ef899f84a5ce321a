/** A clock whose wall time moves when a test says so, while timers and turns go on by themselves, as a node needs them. */
import { type Clock, type Timer } from '../src/ports/clock.js';
import { SystemClock } from '../src/system/system-clock.js';

export class MovableWallClock implements Clock {
  private readonly system = new SystemClock();

  /** `nowMs`: the wall clock, milliseconds since 1970. */
  constructor(public nowMs = 1_700_000_000_000) {}

  now(): number {
    return this.nowMs;
  }

  monotonic(): number {
    return this.system.monotonic();
  }

  schedule(delayMs: number, task: () => void): Timer {
    return this.system.schedule(delayMs, task);
  }

  endOfTurn(task: () => void): void {
    this.system.endOfTurn(task);
  }
}
