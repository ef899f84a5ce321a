/** A manual clock for tests of what looks again and again: pauses between two looks pass at once, all else waits for the test. */
import { type Timer } from '../../src/ports/clock.js';
import { ManualClock } from '../manual-clock.js';

export class HastyClock extends ManualClock {
  constructor(
    private readonly pauseMs: number,
    startMs?: number,
  ) {
    super(startMs);
  }

  override schedule(delayMs: number, task: () => void): Timer {
    const timer = super.schedule(delayMs, task);
    if (delayMs <= this.pauseMs) {
      queueMicrotask(() => this.advance(delayMs));
    }
    return timer;
  }
}
