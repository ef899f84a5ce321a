/** Time, as the core sees it: the real one is in `system/`, a virtual one in the simulator. */

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Wall clock, milliseconds since 1970. May jump. */
  now(): number;
  /** Milliseconds since some moment; never goes back. For time-outs and durations. */
  monotonic(): number;
  /** Runs `task` once, `delayMs` from now by `monotonic`, never earlier. A pending timer does not keep the process alive. */
  schedule(delayMs: number, task: () => void): Timer;
  /** Runs `task` once, when this turn of the event loop is over: whatever it finds ready by then is one piece of work. */
  endOfTurn(task: () => void): void;
}

export const Clock = Symbol('DkvClock');
