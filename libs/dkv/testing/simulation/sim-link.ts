/** One direction between two nodes: delays, loses, repeats, holds back what is carried over it. */
import { type DelayShape, type SimRandom } from './sim-random.js';
import { type SimScheduler } from './sim-scheduler.js';
import { type SimTrace } from './trace.js';

/** How a link misbehaves. Rates are probabilities from 0 to 1, per message. */
export interface LinkFaults {
  /** Time on the way. A long tail reorders: messages of one link overtake each other. */
  readonly delay: DelayShape;
  /** A message is lost. */
  readonly dropRate: number;
  /** A request is handed over a second time, later. */
  readonly duplicateRate: number;
  /** A send is refused with DKV_OVERLOADED: too much waits to be sent. */
  readonly overloadRate: number;
}

/** Half a millisecond to a few, nothing lost: a quiet network. */
export const CALM_LINK: LinkFaults = {
  delay: { minMs: 0.2, meanMs: 0.5, maxMs: 5 },
  dropRate: 0,
  duplicateRate: 0,
  overloadRate: 0,
};

/** What a link reports to its network. */
export interface LinkWorld {
  readonly scheduler: SimScheduler;
  readonly trace: SimTrace;
}

export class SimLink {
  private blocked = false;
  private clogged = false;
  /** When what left last on a lane arrives. */
  private readonly arrivals = new Map<string, number>();
  private held: { readonly label: string; readonly deliver: () => void }[] = [];

  constructor(
    private readonly world: LinkWorld,
    private readonly name: string,
    readonly random: SimRandom,
    public faults: LinkFaults,
  ) {}

  /** Whether everything is lost on it: one half of a partition. */
  get cut(): boolean {
    return this.blocked;
  }

  /** Loses everything from now on, what is on its way included. */
  sever(): void {
    this.note('cut', '');
    this.blocked = true;
  }

  /** Holds everything back, what is on its way included, until {@link SimLink.heal}. */
  clog(): void {
    this.note('clog', '');
    this.clogged = true;
  }

  /**
   * Carries again. What was held back is delivered late, in random order. What leaves from now on goes over new connections:
   * behind frames that take seconds it would be the heartbeats that come late, on a network that is said to be well.
   */
  heal(): void {
    this.arrivals.clear();
    if (!this.blocked && !this.clogged) {
      return;
    }
    this.note('heal', '');
    this.blocked = false;
    this.clogged = false;
    const { held } = this;
    this.held = [];
    for (const { label, deliver } of held) {
      this.travel(label, deliver);
    }
  }

  /** Carries one message: `deliver` runs when it arrives, if it does. */
  carry(label: string, deliver: () => void): void {
    if (this.blocked || this.random.chance(this.faults.dropRate)) {
      this.note('lost', label);
    } else {
      this.travel(label, deliver);
    }
  }

  /**
   * As `carry`, but nothing overtakes what left before on the same lane while the link is sound: one connection carries
   * it. On a link that loses or repeats, and when one is healed, connections come and go, and order with them.
   */
  carryInOrder(lane: string, label: string, deliver: () => void): void {
    const { delay, dropRate, duplicateRate } = this.faults;
    if (this.blocked || dropRate > 0 || duplicateRate > 0) {
      this.carry(label, deliver);
      return;
    }
    const { nowMs } = this.world.scheduler;
    const atMs = Math.max(nowMs + this.random.delay(delay), (this.arrivals.get(lane) ?? 0) + 0.001);
    this.arrivals.set(lane, atMs);
    this.travel(label, deliver, atMs - nowMs);
  }

  private travel(label: string, deliver: () => void, delayMs = this.random.delay(this.faults.delay)): void {
    this.world.scheduler.after(delayMs, () => {
      if (this.blocked) {
        this.note('lost', label);
      } else if (this.clogged) {
        this.note('held', label);
        this.held.push({ label, deliver });
      } else {
        this.note('arrive', label);
        deliver();
      }
    });
  }

  private note(kind: string, label: string): void {
    this.world.trace.record(
      this.world.scheduler.nowMs,
      kind,
      label === '' ? this.name : `${this.name} ${label}`,
    );
  }
}
