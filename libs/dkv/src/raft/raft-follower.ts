/** What a member does with the messages of a leader, and what it tells of its log. */
import {
  type Configuration,
  type LogEntry,
  type MemberId,
  type RaftMessage,
} from '../model/raft-messages.js';
import { hasQuorum, isMajority, isVoterOf } from './raft-configurations.js';
import { RaftElection } from './raft-election.js';
import { type RaftGroupOptions, type RaftOutput, type RaftState } from './raft-interface.js';
import { IGNORED, REJECTED, RaftReplica } from './raft-replica.js';

type FromLeader = RaftMessage & { readonly type: 'append' | 'heartbeat' | 'snapshot' | 'timeoutNow' };

/** A member of a group as far as it does not lead (dissertation, 3.5): its copy of the log follows a leader's. */
export abstract class RaftFollower extends RaftElection {
  protected readonly replica: RaftReplica;
  /** One acknowledgement a turn, the highest, to the leader of this term; -1 is none. */
  protected acknowledgedIndex = -1;
  /** The leader of this term has its own log durably up to here, as it said. */
  private leaderDurable = 0;
  /** That leader, also when it is believed to be lost by now. */
  private leaderOfTerm: MemberId | undefined;
  /** What this member has told that leader of its own. */
  private toldIndex = 0;
  protected snapshotFrom: RaftOutput['snapshotFrom'];
  /** What the leader of this term offered last. */
  private offer: RaftOutput['snapshotFrom'];

  /** @throws RangeError for entries with gaps or a commit index outside of the log. */
  constructor(state: RaftState, options: RaftGroupOptions) {
    super(state, options);
    this.replica = new RaftReplica(state);
  }

  get commit(): number {
    return this.replica.commit;
  }

  get lastIndex(): number {
    return this.replica.log.lastIndex;
  }

  get lastTerm(): number {
    return this.replica.log.lastTerm;
  }

  get firstIndex(): number {
    return this.replica.log.snapshotIndex + 1;
  }

  /** This member's log is durable up to here. */
  get durableIndex(): number {
    return this.replica.log.durableIndex;
  }

  /** Whether the log on the disk may still be the one before the last reset. */
  get isResetUnproven(): boolean {
    return this.replica.isResetUnproven;
  }

  get appliedIndex(): number {
    return this.replica.applied;
  }

  /** Of entries that are not committed, with {@link ENTRY_OVERHEAD_BYTES} each: to be bounded before one proposes. */
  get uncommittedBytes(): number {
    return this.replica.log.bytesBetween(this.commit, this.lastIndex);
  }

  get configuration(): Configuration {
    return this.replica.configurations.current;
  }

  /** As of the log up to `index`: what a checkpoint or snapshot at `index` keeps. Not before the last compaction. */
  configurationAt(index: number): Configuration {
    return this.replica.configurations.at(index);
  }

  /**
   * A voter, or one whose removal is not known to be committed: until it is, the others may need it, because it may be
   * the only one whose log they can follow (4.2.2).
   */
  protected get mayStand(): boolean {
    const { configurations, commit } = this.replica;
    return (
      this.isVoter ||
      (configurations.currentIndex > commit &&
        isVoterOf(configurations.at(configurations.currentIndex - 1), this.options.self))
    );
  }

  termAt(index: number): number | undefined {
    return this.replica.log.termAt(index);
  }

  /** undefined where the log holds no such entry, or not in memory. */
  entryAt(index: number): LogEntry | undefined {
    return this.replica.log.entryAt(index);
  }

  /** Committed entries from `index` to `to`, as far as they are committed and in memory. */
  entriesFrom(index: number, to: number): readonly LogEntry[] {
    return this.replica.log.slice(index, Math.min(to, this.commit));
  }

  /**
   * Another member knows this entry as committed. Where the log here has it, too, it has all that is before it (Log Matching,
   * dissertation, 3.5), so that is committed here as well.
   */
  learnCommitted(index: number, term: number): void {
    if (this.replica.log.termAt(index) === term) {
      this.replica.commitTo(index);
    }
  }

  /** Entries from `index` on, as far as they are in memory, committed or not. */
  tailFrom(index: number): readonly LogEntry[] {
    return this.replica.log.slice(Math.max(index, this.firstIndex), this.lastIndex);
  }

  /** Entries from `index` on that were handed out to be appended, committed or not. */
  handedOutFrom(index: number): readonly LogEntry[] {
    const { log } = this.replica;
    return log.slice(Math.max(index, this.firstIndex), log.handedOutIndex);
  }

  /** Whether a majority fulfils the condition; while joint, majorities of both configurations. */
  hasQuorum(condition: (member: MemberId) => boolean): boolean {
    return hasQuorum(this.configuration, condition);
  }

  protected onLeader(from: MemberId, message: FromLeader): void {
    if (message.term < this.term) {
      this.tellTerm(from, message);
      return;
    }
    if (message.term === this.term && this.role === 'leader') {
      // A term has one leader: this one. Whoever says otherwise is confused.
      return;
    }
    if (message.term > this.term || this.role !== 'follower' || this.leader !== from) {
      this.follow(message.term, from);
    }
    switch (message.type) {
      case 'append': {
        if (message.entries.length > 0) {
          // Held against a longer log, a candidate of long ago would seem to lack entries.
          this.unanswered = undefined;
        }
        const index = this.replica.receive(message);
        if (index === REJECTED) {
          this.reject(from, message.prevIndex, message.prevTerm);
        } else if (index !== IGNORED) {
          this.acknowledge(index);
          this.leaderOfTerm = from;
          this.leaderDurable = Math.max(this.leaderDurable, message.durable);
          this.commitWithLeader();
        }
        return;
      }
      case 'heartbeat':
        return this.replica.commitTo(message.commit);
      case 'snapshot':
        return this.onOffer(from, message.index, message.snapshotTerm);
      case 'timeoutNow':
        return this.campaign('transfer');
    }
  }

  /**
   * `member`'s heartbeat to this node says that it leads this group in a term that is over here. An idle leader sends
   * nothing that it could be answered, and would lead a group for ever in which this member never follows it.
   */
  outranked(member: MemberId): void {
    this.tellTerm(member, OUTRANKED);
  }

  /** A leader of the past must learn of it, or a member whose term is ahead would never get the log again. */
  private tellTerm(to: MemberId, { type }: Pick<FromLeader, 'type'>): void {
    if (type !== 'timeoutNow') {
      const { term } = this;
      const message = { type: 'appendRejected', term, prevIndex: 0, hintIndex: 0, hintTerm: 0 } as const;
      this.durableMessages.push({ to, message });
    }
  }

  private reject(to: MemberId, prevIndex: number, prevTerm: number): void {
    const hintIndex = this.replica.hintFor(prevIndex, prevTerm);
    const hintTerm = this.termAt(hintIndex)!;
    const message = { type: 'appendRejected', term: this.term, prevIndex, hintIndex, hintTerm } as const;
    this.durableMessages.push({ to, message });
  }

  /** Leaves in log order with the durable messages, so it says nothing that a crash could take back: rule 1. */
  private acknowledge(index: number): void {
    this.acknowledgedIndex = Math.max(this.acknowledgedIndex, index);
  }

  /**
   * An acknowledgement of this member has left, so its copy counts. Where it and the leader are a majority, it need not wait
   * until the leader tells that both have the entry: of its own copy it knows first. What is counted is as in 3.6.2: durable
   * copies, of an entry of the leader's own term.
   */
  acknowledgementLeft(term: number, index: number): void {
    if (term === this.term && index > this.toldIndex) {
      this.toldIndex = index;
      this.commitWithLeader();
    }
  }

  private commitWithLeader(): void {
    const { configuration, leaderOfTerm, replica } = this;
    const index = Math.min(this.leaderDurable, this.toldIndex);
    if (
      index > replica.commit &&
      leaderOfTerm !== undefined &&
      this.termAt(index) === this.term &&
      isMajority(configuration, leaderOfTerm, this.options.self)
    ) {
      replica.commitTo(index);
    }
  }

  private onOffer(member: MemberId, index: number, term: number): void {
    if (this.termAt(index) === term) {
      this.replica.commitTo(index);
    }
    if (index <= this.commit) {
      // Both have it as committed, so they agree up to it.
      this.acknowledge(index);
      return;
    }
    this.offer = { member, index, term };
    this.snapshotFrom = this.offer;
  }

  /** An acknowledgement or an offer means the log of one leader: it is void in another term. */
  protected forgetTerm(): void {
    this.acknowledgedIndex = -1;
    this.leaderDurable = 0;
    this.leaderOfTerm = undefined;
    this.toldIndex = 0;
    this.snapshotFrom = undefined;
    this.offer = undefined;
  }

  /** The state machine shows all up to `index`, which is committed. */
  applied(index: number): void {
    this.replica.applied = Math.max(this.replica.applied, Math.min(index, this.commit));
  }

  /**
   * The state as of (index, term), which is committed, is in the store, durably, and `configuration` counted there.
   * Without effect where this log was as far already.
   */
  restore(index: number, term: number, configuration: Configuration): void {
    const { offer } = this;
    if (!this.replica.restore(index, term, configuration)) {
      return;
    }
    if (this.role === 'leader') {
      this.follow(this.term, undefined);
    }
    if (term > this.term) {
      this.follow(term, undefined);
    } else if (offer && offer.index <= index && this.leader === offer.member) {
      // Not `index`: of what came after its offer, this leader may know nothing, if another gave the snapshot.
      this.acknowledge(offer.index);
    }
    this.offer = undefined;
    this.snapshotFrom = undefined;
  }

  /** Forgets entries up to `index`, at most those that are applied and durable. Members that need them get a snapshot. */
  compact(index: number): void {
    this.replica.compact(index);
  }
}

const OUTRANKED = Object.freeze({ type: 'heartbeat' } as const);
