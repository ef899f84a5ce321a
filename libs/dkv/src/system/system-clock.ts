/** The real clock and real randomness: the only place that touches them. */
import { randomInt } from 'node:crypto';
import { type Clock, type Timer } from '../ports/clock.js';
import { type Random } from '../ports/random.js';
import { TimerLists } from './timer-lists.js';

export class SystemClock implements Clock {
  private readonly timers = new TimerLists();

  now(): number {
    return Date.now();
  }

  monotonic(): number {
    return performance.now();
  }

  schedule(delayMs: number, task: () => void): Timer {
    return this.timers.schedule(delayMs, task);
  }

  endOfTurn(task: () => void): void {
    setImmediate(task);
  }
}

export class SystemRandom implements Random {
  next(): number {
    return randomInt(2 ** 47) / 2 ** 47;
  }
}
