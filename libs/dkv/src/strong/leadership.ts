/** Where leaderships should be: failover when a node is lost, the preferred leader else, none on a node that stops. */
import { type PeerDirectory } from '../cluster/peer-directory.js';
import { type LedGroup } from '../model/node-messages.js';
import { type Clock } from '../ports/clock.js';
import { type MemberId, nodeOf } from '../model/raft-messages.js';
import { type GroupList } from './group-list.js';
import { type StrongGroup } from './strong-group.js';

/** Leaderships that go back to their preferred node in one tick: each costs a moment without a leader. */
const TRANSFERS_PER_TICK = 4;
/** A leadership that left its preferred node again within this time waits twice as long for its next return. */
const RESTLESS_MS = 60_000;
/** A new leader is in its list after one tick; the list may have to be asked for again. */
const UNLED_TICKS = 5;
const RETURN_WAIT_MS = 1_000;
const RETURN_WAIT_MS_MAX = 600_000;
/** What an operator moved stays where it is for so long. */
const STAY_MS = 600_000;

interface Return {
  waitMs: number;
  /** Monotonic. */
  returnedAtMs: number;
  notBeforeMs: number;
}

/** Liveness alone: whatever happens here, Raft keeps the group safe. */
export class Leadership {
  private readonly returns = new Map<number, Return>();
  private led: readonly LedGroup[] = [];
  private without: readonly number[] = [];
  private ledText = '';
  private number = 0;
  /** As of the last tick, by group. */
  private readonly terms = new Map<number, number>();
  /** Terms that began since this was made. */
  termChanges = 0;
  private isLeaving = false;
  /** As of the last tick. Whom others hold for unfit they do not wait for: both would stand, and split the votes. */
  private isFit = true;

  constructor(
    private readonly selfId: string,
    private readonly groups: GroupList,
    private readonly directory: () => PeerDirectory,
    private readonly clock: Clock,
    /** Own groups that take no writes. */
    private readonly groupsWithoutQuorum: () => ReadonlySet<number>,
  ) {}

  /** Changes with the lists of groups that this node leads and finds without a quorum. */
  get ledNumber(): number {
    return this.number;
  }

  get ledGroups(): readonly LedGroup[] {
    return this.led;
  }

  get withoutQuorum(): readonly number[] {
    return this.without;
  }

  /** To be looked at before a heartbeat leaves. */
  noteLed(): void {
    const led: LedGroup[] = [];
    for (const { number, raft, isSilent } of this.groups.values()) {
      if (raft.role === 'leader' && !isSilent) {
        led.push({ group: number, term: raft.term });
      }
    }
    const without = [...this.groupsWithoutQuorum()];
    const text = `${led.map(({ group, term }) => `${group}:${term}`).join()} ${without.join()}`;
    if (text !== this.ledText || this.number === 0) {
      this.ledText = text;
      this.led = led;
      this.without = without;
      this.number++;
    }
  }

  /** A node is lost: the first of each list that is left campaigns for its groups at once, the others wait for it. */
  nodeLost(nodeId: string): void {
    for (const group of this.groups.values()) {
      const { leader } = group.raft;
      if (leader !== undefined && nodeOf(leader) === nodeId) {
        group.raft.leaderLost();
        this.campaignIfFirst(group);
      }
    }
  }

  /** The peer says which groups it leads; whom it does not name any more has no leader there. */
  ledBy(member: string, led: ReadonlyMap<number, number>): void {
    for (const group of this.groups.values()) {
      const { raft } = group;
      const term = led.get(group.number);
      if (term !== undefined && term === raft.term) {
        raft.heardFrom(member);
      } else if (raft.leader === member && (term === undefined || term < raft.term)) {
        raft.leaderLost();
        this.campaignIfFirst(group);
      }
    }
  }

  /**
   * Whoever should lead a group names it in its list. One that led for less than a heartbeat interval never did: its list
   * did not change, and without this its followers would wait for it for ever.
   */
  checkLeaders(): void {
    for (const group of this.groups.values()) {
      const { leader } = group.raft;
      const peer = leader === undefined ? undefined : this.directory().find(nodeOf(leader));
      const isNamed = peer === undefined || peer.led.get(group.number) === group.raft.term;
      const isKnown = peer !== undefined && peer.member === leader && peer.ledNumber === peer.ledNumberTold;
      group.unledTicks = isNamed || !isKnown ? 0 : group.unledTicks + 1;
      if (group.unledTicks >= UNLED_TICKS) {
        group.unledTicks = 0;
        group.raft.leaderLost();
        this.campaignIfFirst(group);
      }
    }
  }

  /** A leader that cannot reach a majority knows nothing any more of what is committed (6.2). */
  checkQuorums(): void {
    const directory = this.directory();
    for (const { raft } of this.groups.values()) {
      if (raft.role === 'leader') {
        raft.checkQuorum((member) => directory.isAlive(member));
      }
    }
  }

  /** Once a heartbeat interval. */
  tick(isFit: boolean): void {
    this.isFit = isFit;
    const now = this.clock.monotonic();
    let left = TRANSFERS_PER_TICK;
    for (const group of this.groups.values()) {
      const { raft } = group;
      this.noteTerm(group.number, raft.term);
      if (raft.role !== 'leader') {
        if (raft.leader === undefined && raft.isVoter) {
          this.hearOfLeaders(group);
        }
        continue;
      }
      if (this.isLeaving || !isFit) {
        this.transferAway(group);
      } else if (left > 0 && group.list[0] !== this.selfId && this.returns.get(group.number) === undefined) {
        left -= this.transferHome(group) ? 1 : 0;
      } else if (left > 0 && group.list[0] !== this.selfId) {
        const known = this.returns.get(group.number)!;
        if (now >= known.notBeforeMs) {
          left -= this.transferHome(group) ? 1 : 0;
        }
      }
    }
  }

  /** Gives every leadership away, before the process stops. */
  leave(): void {
    this.isLeaving = true;
    for (const group of this.groups.values()) {
      if (group.raft.role === 'leader') {
        this.transferAway(group);
      }
    }
  }

  get leads(): boolean {
    for (const { raft } of this.groups.values()) {
      if (raft.role === 'leader' && raft.configuration.voters.length > 1) {
        return true;
      }
    }
    return false;
  }

  /** Where nobody leads and the candidate cannot win, the next of the list that could stands at once. */
  stoodForElection(candidate: MemberId, group: StrongGroup): void {
    const { raft } = group;
    if (raft.role === 'follower' && raft.lacksEntries(candidate)) {
      this.campaignIfFirst(group);
    }
  }

  /** This node may vote and stand again in the group. */
  leaseEnded(group: StrongGroup): void {
    const { raft } = group;
    raft.leaseEnded();
    if (raft.leader === undefined) {
      this.campaignIfFirst(group);
    }
  }

  /**
   * Who needs no other's vote is told by nobody that its folder is an older copy, put back (rule 12), and that others vote by now:
   * it asks all that it knows of first.
   */
  mayStand({ mayLead, isBorn, isSuspended, raft }: StrongGroup): boolean {
    const directory = this.directory();
    return (
      mayLead &&
      isBorn &&
      !isSuspended &&
      !directory.isStalled &&
      (!raft.isSoleVoter || directory.hasHeardAll)
    );
  }

  /** A group without a leader, at a start or after one was lost: the preferred one that can win tries first. */
  campaignIfFirst(group: StrongGroup): void {
    const directory = this.directory();
    const first = group.list.find((nodeId) => {
      const peer = directory.find(nodeId);
      const couldWin = peer?.isFit && directory.isUp(nodeId) && !group.raft.lacksEntries(peer.member);
      return nodeId === this.selfId || couldWin;
    });
    if (first === this.selfId && this.mayStand(group) && this.isFit && !this.isLeaving) {
      group.raft.campaign('silence');
    }
  }

  /**
   * For a voter that knows no leader. One whose term is above that of a live leader does not follow it: the leader must take over
   * the term. One that lost its leader for a moment, and nothing is written, would hear of it no more: the list is the same as before.
   */
  private hearOfLeaders({ number, raft }: StrongGroup): void {
    for (const peer of this.directory().all) {
      const term = peer.led.get(number);
      if (term === undefined || !this.directory().isAlive(peer.member)) {
        continue;
      }
      if (term < raft.term) {
        raft.outranked(peer.member);
      } else if (term === raft.term && peer.ledNumber === peer.ledNumberTold) {
        raft.heardFrom(peer.member);
      }
    }
  }

  private noteTerm(group: number, term: number): void {
    const known = this.terms.get(group) ?? term;
    this.termChanges += Math.max(0, term - known);
    this.terms.set(group, term);
  }

  private transferHome(group: StrongGroup): boolean {
    const [home] = group.list;
    if (home === undefined || this.obstacleTo(group, home) !== undefined) {
      return false;
    }
    this.noteReturn(group.number);
    return this.hand(group, home);
  }

  transferAway(group: StrongGroup): void {
    const successor = group.list.find((nodeId) => this.obstacleTo(group, nodeId) === undefined);
    if (successor !== undefined) {
      this.hand(group, successor);
    }
  }

  /** Hands the leadership of a group that this node leads to another: undefined, or why that cannot lead it now. */
  transferTo(group: StrongGroup, nodeId: string): string | undefined {
    const obstacle = this.obstacleTo(group, nodeId);
    if (obstacle === undefined) {
      this.hand(group, nodeId);
    }
    return obstacle;
  }

  /** Should this node come to lead the group, it does not give it back to the preferred leader for a while. */
  stay(group: number): void {
    const now = this.clock.monotonic();
    this.returns.set(group, { waitMs: RETURN_WAIT_MS, returnedAtMs: now, notBeforeMs: now + STAY_MS });
  }

  /** This node has no part in the group any more. */
  giveUp(group: number): void {
    this.returns.delete(group);
    this.terms.delete(group);
    // Whoever asks now is not told that it is led here.
    this.noteLed();
  }

  private hand({ raft }: StrongGroup, nodeId: string): boolean {
    return raft.transferTo(this.directory().find(nodeId)!.member);
  }

  /** Why another node cannot take a group over from this one, a clause for people; undefined where it can. */
  private obstacleTo({ raft }: StrongGroup, nodeId: string): string | undefined {
    const directory = this.directory();
    const peer = directory.find(nodeId);
    if (!peer || !directory.isAlive(peer.member)) {
      return 'it cannot be reached';
    }
    if (!peer.isFit) {
      return 'it says that it cannot lead: its log, its disk or its clock is not right, or it stops';
    }
    if (!raft.configuration.voters.includes(peer.member)) {
      return 'it is not a voter of it yet';
    }
    return (raft.matchOf(peer.member) ?? -1) >= raft.commit ? undefined : 'it has not caught up yet';
  }

  private noteReturn(group: number): void {
    const now = this.clock.monotonic();
    const known = this.returns.get(group);
    const isRestless = known !== undefined && now - known.returnedAtMs < RESTLESS_MS + known.waitMs;
    const waitMs = isRestless ? Math.min(2 * known.waitMs, RETURN_WAIT_MS_MAX) : RETURN_WAIT_MS;
    this.returns.set(group, { waitMs, returnedAtMs: now, notBeforeMs: now + waitMs });
  }
}
