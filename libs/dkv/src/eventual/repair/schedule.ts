/** The schedule of background work: one pass after the other, with jittered pauses, from the start until the end of a node. */
import { type Clock, type Timer } from '../../ports/clock.js';
import { type Random } from '../../ports/random.js';

export interface SchedulePlan {
  /** From the end of a pass to the next, on average. */
  readonly intervalMs: () => number;
  /** Must not reject. */
  readonly pass: () => Promise<void>;
}

export class Schedule {
  private timer: Timer | undefined;
  private phase: 'new' | 'running' | 'ended' = 'new';

  constructor(
    private readonly ports: { readonly clock: Clock; readonly random: Random },
    private readonly plan: SchedulePlan,
  ) {}

  get running(): boolean {
    return this.phase === 'running';
  }

  /** Does nothing after `stop`: a node that is closed while it starts must stay closed. */
  start(): void {
    if (this.phase === 'new') {
      this.phase = 'running';
      this.scheduleNext();
    }
  }

  stop(): void {
    this.phase = 'ended';
    this.timer?.cancel();
  }

  /** The nodes of a cluster that was started at once do not work in step. */
  private scheduleNext(): void {
    const { clock, random } = this.ports;
    this.timer = clock.schedule(this.plan.intervalMs() * (0.8 + 0.4 * random.next()), () => {
      void this.plan.pass().finally(() => {
        if (this.running) {
          this.scheduleNext();
        }
      });
    });
  }
}
