/** Gives way to others who are at work on the same key: longer each time, never two alike. */
import { Deadline } from '../cluster/deadline.js';
import { type Clock } from '../ports/clock.js';
import { type Random } from '../ports/random.js';

export class Backoff {
  private pauseMs: number;
  private readonly pauseMsMax: number;

  constructor(
    private readonly ports: { readonly clock: Clock; readonly random: Random },
    pauses: { readonly firstMs: number; readonly lastMs: number },
  ) {
    this.pauseMs = pauses.firstMs;
    this.pauseMsMax = pauses.lastMs;
  }

  /** Waits, at most `longestMs`; not past the deadline, nor when its caller gave up, nor once `woken` resolves. */
  async pause(deadline: Deadline, longestMs = Infinity, woken?: Promise<void>): Promise<void> {
    const { clock, random } = this.ports;
    const drawnMs = this.pauseMs * (0.5 + random.next());
    this.pauseMs = Math.min(2 * this.pauseMs, this.pauseMsMax);
    const pause = new Deadline(clock, Math.min(drawnMs, longestMs, deadline.leftMs), deadline.signal);
    await pause.race(woken ?? new Promise<void>(() => undefined), () => undefined);
  }
}
