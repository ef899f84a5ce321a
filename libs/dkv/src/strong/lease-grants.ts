/** Leases that this node has granted as a voter: until they are over it helps nobody else into office. */
import { type MemberId } from '../model/raft-messages.js';
import { type Clock } from '../ports/clock.js';
import { type GroupCore } from './group-parts.js';

interface Grant {
  leader: MemberId;
  /** Monotonic. */
  untilMs: number;
}

/**
 * Grants live in memory: whoever has just started does not know what the process before it granted, and helps nobody for as
 * long as that may last. Kept by group, whatever member this node is there by now.
 */
export class LeaseGrants {
  private readonly grants = new Map<number, Grant>();
  private readonly startedUntilMs: number;
  private isStartOver = false;

  /**
   * @param waitMs for how long it grants leases; 0 where it grants none
   * @param startWaitMs for how long the process before may have granted one
   */
  constructor(
    private readonly clock: Pick<Clock, 'monotonic'>,
    private readonly waitMs: number,
    startWaitMs: number,
  ) {
    this.startedUntilMs = clock.monotonic() + startWaitMs;
  }

  /** Whether the process before may have granted what lasts yet. */
  get isStarting(): boolean {
    return !this.isStartOver && this.clock.monotonic() < this.startedUntilMs;
  }

  /** Grants `leader`, which this member follows at this moment, a lease. False where it must not be counted yet. */
  give(group: number, leader: MemberId): boolean {
    if (this.isStarting) {
      return false;
    }
    if (this.waitMs > 0) {
      const untilMs = this.clock.monotonic() + this.waitMs;
      const known = this.grants.get(group);
      if (known) {
        known.leader = leader;
        known.untilMs = untilMs;
      } else {
        this.grants.set(group, { leader, untilMs });
      }
    }
    return true;
  }

  /**
   * Whether this node must not help `candidate`. Two leave no lease to respect: one whom the leader itself asked to take over
   * has given its lease up before, for the rest of its term; and one that stands for another term leads none. Neither
   * says anything of a leader that the process before granted a lease.
   */
  isHeldBack(
    { number, raft }: { readonly number: number; readonly raft: Pick<GroupCore['raft'], 'isSoleVoter'> },
    candidate: MemberId,
    isTransfer: boolean,
  ): boolean {
    if (raft.isSoleVoter) {
      // There is nobody else to lead. The list does not tell: while a partition moves to one node, others vote yet.
      return false;
    }
    if (this.isStarting) {
      return true;
    }
    const grant = this.grants.get(number);
    return (
      grant !== undefined &&
      !isTransfer &&
      grant.leader !== candidate &&
      this.clock.monotonic() < grant.untilMs
    );
  }

  /** Once a heartbeat interval: tells each grant that is over, by group; undefined for that of the process before. */
  tick(ended: (group: number | undefined) => void): void {
    if (!this.isStartOver && !this.isStarting) {
      this.isStartOver = true;
      ended(undefined);
    }
    const now = this.clock.monotonic();
    for (const [group, { untilMs }] of this.grants) {
      if (now >= untilMs) {
        this.grants.delete(group);
        ended(group);
      }
    }
  }
}
