/** The real clock and real randomness: the only place that touches them. */
import { randomInt } from 'node:crypto';
import { type Clock, type Timer } from '../ports/clock.js';
import { type Random } from '../ports/random.js';

/** The longest delay that a Node timer takes; a longer one would fire at once. */
const DELAY_MS_MAX = 2 ** 31 - 1;

export class SystemClock implements Clock {
  now(): number {
    return Date.now();
  }

  monotonic(): number {
    return performance.now();
  }

  schedule(delayMs: number, task: () => void): Timer {
    const dueMs = this.monotonic() + Math.min(delayMs, DELAY_MS_MAX);
    let timer: NodeJS.Timeout;
    const arm = (leftMs: number) => {
      timer = setTimeout(() => {
        // Timers of Node fire up to 2 ms early; who waits for a deadline must find it over.
        const missingMs = dueMs - this.monotonic();
        if (missingMs > 0) {
          arm(Math.ceil(missingMs));
        } else {
          task();
        }
      }, leftMs);
      timer.unref();
    };
    arm(Math.max(0, dueMs - this.monotonic()));
    return { cancel: () => clearTimeout(timer) };
  }
}

export class SystemRandom implements Random {
  next(): number {
    return randomInt(2 ** 47) / 2 ** 47;
  }
}
