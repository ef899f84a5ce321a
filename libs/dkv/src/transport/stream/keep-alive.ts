/** Finds the connection whose other end is gone without a word. */
import { type Clock, type Timer } from '../../ports/clock.js';

export interface KeepAliveActions {
  /** Asks the other end for a sign of life. */
  ping(): void;
  /** It gave none. */
  dead(): void;
  /** Once in every interval. */
  ticked?(): void;
}

/**
 * Asks after a whole interval of silence and gives up after one more: two to three intervals after the last sign.
 * Counted in ticks and not in time, so that a node that stood still itself listens once before it blames the other.
 */
export class KeepAlive {
  private silentTicks = 0;
  private timer: Timer;

  constructor(
    private readonly clock: Clock,
    private readonly intervalMs: number,
    private readonly actions: KeepAliveActions,
  ) {
    this.timer = clock.schedule(intervalMs, this.tick);
  }

  heard(): void {
    this.silentTicks = 0;
  }

  stop(): void {
    this.timer.cancel();
  }

  private readonly tick = (): void => {
    this.silentTicks++;
    if (this.silentTicks > 2) {
      this.actions.dead();
      return;
    }
    this.timer = this.clock.schedule(this.intervalMs, this.tick);
    if (this.silentTicks === 2) {
      this.actions.ping();
    }
    this.actions.ticked?.();
  };
}
