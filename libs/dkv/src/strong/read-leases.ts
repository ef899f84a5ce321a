/** Leases of leaders: reads that need no round to the other voters while one holds (Ongaro's dissertation, 6.4.1). */
import { type Configuration } from '../model/raft-messages.js';
import { type Clock } from '../ports/clock.js';
import { type RaftGroup } from '../raft/raft-group.js';
import { type GroupCore, type GroupServices } from './group-parts.js';
import { type RoundLeases } from './read-rounds.js';

/** Monotonic clocks tick at 1 ± this of the true rate. Crystals are off by 0.0001, and what is slewed by 0.0005. */
export const CLOCK_RATE_ERROR_MAX = 0.05;
/** A read in the last part of a lease has it renewed, so that those after it need not wait. */
const RENEWED_SHARE = 0.5;

type Rounds = GroupServices['rounds'];

interface Lease {
  /** As of the round: in another term, generation or configuration others have to say who leads. */
  readonly raft: RaftGroup;
  readonly term: number;
  readonly generation: number;
  readonly configuration: Configuration;
  readonly group: GroupCore;
  /** Monotonic. */
  readonly untilMs: number;
  /** A read rested on it: whoever renews leases renews this one, too. */
  isUsed: boolean;
}

/** How long a leader may count on voters that wait for `waitMs` by clocks that may be as fast as its own is slow. */
export function leaseMsOf(waitMs: number): number {
  return (waitMs * (1 - CLOCK_RATE_ERROR_MAX)) / (1 + CLOCK_RATE_ERROR_MAX);
}

/**
 * A lease of a group begins when the round that a majority confirmed was sent: each of these voters helps nobody else into
 * office for an election timeout from the moment at which it handled the question, which was later. While it lasts nobody else
 * leads, so all that was acknowledged before a read came is within what this leader takes for committed anywhere
 * (`RaftGroup.readIndex`), as after a round. The clock is read after the read came; how long its answer takes then does not matter, since the read is still under way.
 */
export class ReadLeases implements RoundLeases {
  private readonly leases = new Map<number, Lease>();
  private isRenewing = false;
  private readonly leaseMs: number;

  constructor(
    private readonly clock: Pick<Clock, 'monotonic'>,
    waitMs: number,
  ) {
    this.leaseMs = leaseMsOf(waitMs);
  }

  nowMs(): number {
    return this.clock.monotonic();
  }

  confirmed(group: GroupCore, sentAtMs: number): void {
    const { number, raft, generation } = group;
    const untilMs = sentAtMs + this.leaseMs;
    const known = this.leases.get(number);
    // Rounds may be confirmed out of order.
    if (!known || !isCurrent(known) || untilMs > known.untilMs) {
      const { term, configuration } = raft;
      this.leases.set(number, { raft, term, generation, configuration, group, untilMs, isUsed: false });
    }
  }

  end(group: number): void {
    this.leases.delete(group);
  }

  /** Whether nobody else leads the group now. */
  holds({ number }: Pick<GroupCore, 'number'>): boolean {
    const lease = this.leases.get(number);
    return lease !== undefined && this.leftOf(lease) > 0;
  }

  /** The rounds, with none where a lease does. */
  over(rounds: Rounds): Rounds {
    return {
      confirm: (group, done) => {
        const lease = this.leases.get(group.number);
        const leftMs = lease ? this.leftOf(lease) : 0;
        if (!lease || leftMs <= 0) {
          rounds.confirm(group, done);
          return;
        }
        lease.isUsed = true;
        if (leftMs < RENEWED_SHARE * this.leaseMs) {
          this.renew(group, rounds);
        }
        done(true);
      },
      giveUp: (group) => rounds.giveUp(group),
    };
  }

  /** Milliseconds; none of a lease that others may have put an end to. */
  private leftOf(lease: Lease): number {
    return isCurrent(lease) ? lease.untilMs - this.clock.monotonic() : 0;
  }

  /** One round for all leases in use: from then on they end together. */
  private renew(group: GroupCore, rounds: Rounds): void {
    if (this.isRenewing) {
      return;
    }
    this.isRenewing = true;
    rounds.confirm(group, () => (this.isRenewing = false));
    for (const lease of this.leases.values()) {
      if (!isCurrent(lease)) {
        this.leases.delete(lease.group.number);
      } else if (lease.isUsed && lease.group !== group) {
        rounds.confirm(lease.group, () => undefined);
      }
    }
  }
}

function isCurrent({ raft, term, generation, configuration, group }: Lease): boolean {
  return (
    group.raft === raft &&
    group.generation === generation &&
    group.leads &&
    raft.term === term &&
    raft.configuration === configuration &&
    raft.mayHoldLease
  );
}
