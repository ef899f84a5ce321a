/** A clock that stands still until a test moves it, for what must not depend on how fast the machine is. */
import { type Clock, type Timer } from '../src/ports/clock.js';

interface Pending {
  readonly dueMs: number;
  readonly task: () => void;
}

export class ManualClock implements Clock {
  private elapsedMs = 0;
  private readonly timers = new Set<Pending>();

  /** `startMs`: the wall clock at the beginning, milliseconds since 1970. */
  constructor(private readonly startMs = 1_700_000_000_000) {}

  now(): number {
    return this.startMs + this.elapsedMs;
  }

  monotonic(): number {
    return this.elapsedMs;
  }

  schedule(delayMs: number, task: () => void): Timer {
    const pending = { dueMs: this.elapsedMs + delayMs, task };
    this.timers.add(pending);
    return { cancel: () => void this.timers.delete(pending) };
  }

  /** Not driven by time: a microtask is a turn of its own here. */
  endOfTurn(task: () => void): void {
    queueMicrotask(task);
  }

  /** Timers that neither ran nor were cancelled: what is left at the end of a test was forgotten. */
  get pendingTimers(): number {
    return this.timers.size;
  }

  /** Moves on and runs what falls due, in order. */
  advance(byMs: number): void {
    const untilMs = this.elapsedMs + byMs;
    for (let next = this.next(untilMs); next; next = this.next(untilMs)) {
      this.timers.delete(next);
      this.elapsedMs = next.dueMs;
      next.task();
    }
    this.elapsedMs = untilMs;
  }

  private next(untilMs: number): Pending | undefined {
    let next: Pending | undefined;
    for (const timer of this.timers) {
      if (timer.dueMs <= untilMs && (!next || timer.dueMs < next.dueMs)) {
        next = timer;
      }
    }
    return next;
  }
}
