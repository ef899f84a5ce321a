/** One Raft group as a pure state machine: messages, ticks and ends of appends in, messages and entries out. */
import {
  type Configuration,
  type EntryKind,
  type MemberId,
  type RaftMessage,
} from '../model/raft-messages.js';
import { encodeConfiguration } from './configuration-layout.js';
import { mayFollow } from './raft-configurations.js';
import { RaftFollower } from './raft-follower.js';
import { emptyOutput, NO_MESSAGES, type RaftOutput } from './raft-interface.js';
import { Leadership } from './raft-leadership.js';

export { type RaftRole } from './raft-election.js';
export { emptyOutput, type RaftGroupOptions, type RaftOutput, type RaftState } from './raft-interface.js';

type Answer = RaftMessage & { readonly type: 'appended' | 'appendRejected' };

type Written = 'hardState' | 'entries' | 'reset';

const NO_BYTES = new Uint8Array(0);
/** Fewer entries are not worth the work. */
const COMPACTED_MIN = 4;

/**
 * Raft with pre-vote, check-quorum, joint consensus and leadership transfer (Ongaro, Consensus: Bridging Theory and
 * Practice, 2014). Who drives it writes each {@link RaftOutput}, in order, calls {@link appended} when one with entries
 * is durable and {@link appendFailed} when it never will be. Whether members live is found out between nodes, not here:
 * a follower with a leader has no timer.
 */
export class RaftGroup extends RaftFollower {
  private leadership: Leadership | undefined;

  /** Whether it leads and shows all that was committed before it did (6.4): before, it decides and reads nothing. */
  get isReady(): boolean {
    return this.leadership !== undefined && this.replica.applied >= this.leadership.startIndex;
  }

  /** Whether {@link propose} would take an entry: leads, and is not handing leadership on. */
  get mayPropose(): boolean {
    return this.leadership !== undefined && this.leadership.transferee === undefined;
  }

  /** To whom leadership is being handed. */
  get transferee(): MemberId | undefined {
    return this.leadership?.transferee;
  }

  /** Whether it leads and has not asked another to take over: one that has may have a successor, and knows nothing of it. */
  get mayHoldLease(): boolean {
    return this.leadership?.hasAskedForSuccessor === false;
  }

  /** False for a follower with a leader and for a leader whom nobody owes an answer: idle groups cost nothing. */
  get needsTick(): boolean {
    return this.leadership ? this.leadership.needsTick : this.leader === undefined && this.mayStand;
  }

  /** Whether {@link takeOutput} may give something, announcements of commits apart. */
  get hasOutput(): boolean {
    return (
      this.messages.length > 0 ||
      this.durableMessages.length > 0 ||
      this.acknowledgedIndex >= 0 ||
      this.hasWrites ||
      this.snapshotFrom !== undefined ||
      this.leadership?.hasNews === true
    );
  }

  /** Of the entry that the configuration which counts now is from. */
  get configurationIndex(): number {
    return this.replica.configurations.currentIndex;
  }

  /** Whether members could commit more than they were told: `announceCommit` would tell them. */
  get hasUnannouncedCommit(): boolean {
    return this.leadership?.isCommitUnannounced(this.commit) === true;
  }

  /**
   * Everything that any member may have committed is at most here: a read that begins now must show it (6.4). Followers
   * commit by themselves what they and this leader have durably, as far as they were told that.
   */
  get readIndex(): number {
    return Math.max(this.commit, this.leadership?.toldDurable ?? 0);
  }

  /** Whether `member` knows, from what it was sent, that all up to `index` is committed. */
  knowsCommit(member: MemberId, index: number): boolean {
    const peer = this.leadership?.progressOf(member);
    return peer !== undefined && peer.announcedCommit >= index;
  }

  /** What `member` has acknowledged, this member included; undefined for strangers and where this one does not lead. */
  matchOf(member: MemberId): number | undefined {
    return this.leadership?.matchOf(member);
  }

  /** Forgets entries that are applied here and that every member has, as far as is known: nobody will ask for them. */
  compactReplicated(): void {
    const { replica, leadership } = this;
    if (replica.applied - replica.log.snapshotIndex >= COMPACTED_MIN) {
      replica.compact(leadership ? leadership.matchedByAll : replica.matchedByAll, COMPACTED_MIN);
    }
  }

  /** Tells `member` what it may commit, where that is more than it was told. */
  announcementFor(member: MemberId): RaftMessage | undefined {
    const { leadership } = this;
    const peer = leadership?.progressOf(member);
    return peer && leadership!.announcementFor(peer, this.commit);
  }

  tick(): void {
    if (this.leadership) {
      this.leadership.tick();
      this.leaveJoint();
    } else {
      this.tickElection();
    }
  }

  /** Takes a message of another member: lost, repeated, reordered and late ones do no harm. */
  step(from: MemberId, message: RaftMessage): void {
    switch (message.type) {
      case 'preVote':
        return this.onPreVote(from, message);
      case 'preVoteReply':
        return this.onPreVoteReply(from, message);
      case 'vote':
        return this.onVote(from, message);
      case 'voteReply':
        return this.onVoteReply(from, message);
      case 'appended':
      case 'appendRejected':
        return this.onAnswer(from, message);
      default:
        return this.onLeader(from, message);
    }
  }

  private onAnswer(from: MemberId, message: Answer): void {
    if (message.term > this.term) {
      this.follow(message.term, undefined);
      return;
    }
    const { leadership } = this;
    if (message.term < this.term || !leadership) {
      return;
    }
    if (message.type === 'appendRejected') {
      leadership.rejected(from, message.prevIndex, message.hintIndex, message.hintTerm);
    } else if (leadership.acknowledged(from, message.index)) {
      this.advanceCommit();
    }
  }

  protected lead(): void {
    const { forced } = this;
    this.leadership = new Leadership(this.term, this.replica.log, this.configuration, this.options);
    if (forced) {
      // Its first entry, so nothing of this term is counted by a configuration whose majority is gone.
      this.append('configuration', encodeConfiguration(forced));
      this.leadership.configure(forced);
    } else {
      this.append('empty', NO_BYTES);
    }
  }

  protected stopLeading(): void {
    this.leadership = undefined;
  }

  /**
   * Appends an entry and gives its index. `data` is kept and must not change.
   * @throws TypeError where `mayPropose` is false, and for configurations: {@link proposeConfiguration} makes those.
   */
  propose(kind: EntryKind, data: Uint8Array): number {
    if (!this.mayPropose || kind === 'configuration') {
      throw new TypeError(
        `${this.options.self} cannot propose ${kind}: it is a ${this.role} in term ${this.term}.`,
      );
    }
    return this.append(kind, data);
  }

  private append(kind: EntryKind, data: Uint8Array): number {
    const index = this.lastIndex + 1;
    this.replica.append({ term: this.term, index, kind, data });
    this.leadership!.hasNews = true;
    return index;
  }

  /**
   * Appends a configuration and gives its index; undefined when it may not be: this member does not lead, or hands
   * leadership on, or has committed nothing of its term or not the configuration before, or `next` may not follow. A
   * joint one is left by the leader itself as soon as it is committed.
   */
  proposeConfiguration(next: Configuration): number | undefined {
    if (!this.mayPropose || !this.mayReconfigure() || !mayFollow(this.configuration, next)) {
      return undefined;
    }
    const index = this.append('configuration', encodeConfiguration(next));
    this.leadership!.configure(next);
    // A smaller configuration may have a majority for what the larger one had not.
    this.advanceCommit();
    return index;
  }

  /**
   * One change at a time (4.1), and none before an entry of this term is committed (Ongaro, raft-dev, 2015): a
   * configuration of an earlier term, of which this leader knows nothing, could otherwise be committed beside it.
   */
  protected mayReconfigure(): boolean {
    const { replica, leadership } = this;
    return replica.commit >= leadership!.startIndex && replica.configurations.currentIndex <= replica.commit;
  }

  /** The append of this member's entries up to (term, index) is durable. Ends of appends may be told more than once. */
  appended(term: number, index: number): void {
    if (this.replica.appended(term, index) && this.leadership) {
      this.leadership.ownDurable(index);
      this.advanceCommit();
    }
  }

  /**
   * An append failed, and so did all that was given out after it: none of them may be reported by {@link appended}
   * any more, and none of their `durableMessages` may leave. A leader steps down and appends nothing more in its term:
   * rule 2. What must be written again comes with the next output; the driver waits until its log takes appends.
   */
  appendFailed(): void {
    if (this.role === 'leader') {
      this.follow(this.term, undefined);
    }
    this.replica.appendFailed();
    this.isHardStateDirty = true;
    this.acknowledgedIndex = -1;
    this.durableMessages = [];
    // What it had to say as a leader: they would take it for one again.
    this.messages = [];
  }

  private advanceCommit(): void {
    const index = this.leadership!.quorumIndex();
    if (index > this.commit && this.mayCommit(index)) {
      this.replica.commitTo(index);
      this.leaveJoint();
      this.leaveGroup();
    }
  }

  /** Replicas are counted for entries of the leader's own term only (3.6.2, figure 3.7). */
  protected mayCommit(index: number): boolean {
    return this.termAt(index) === this.term;
  }

  /** A joint configuration that is committed has served its purpose (4.3). */
  private leaveJoint(): void {
    const { outgoing } = this.configuration;
    if (outgoing.length > 0 && this.mayPropose && this.mayReconfigure()) {
      this.proposeConfiguration({ ...this.configuration, outgoing: [] });
    }
  }

  /** A leader that a committed configuration does without steps down (4.2.2), and has the best voter follow at once. */
  private leaveGroup(): void {
    const { leadership, replica } = this;
    if (!leadership || this.isVoter || replica.configurations.currentIndex > this.commit) {
      return;
    }
    for (const peer of leadership.peers) {
      leadership.announce(peer, this.commit, this.messages);
    }
    const successor = leadership.bestVoter;
    if (successor !== undefined) {
      this.messages.push({ to: successor, message: { type: 'timeoutNow', term: this.term } });
    }
    this.follow(this.term, undefined);
  }

  /** A leader that a majority cannot reach steps down (6.2), so that its clients look for another. */
  checkQuorum(isAlive: (member: MemberId) => boolean): void {
    const { self } = this.options;
    if (this.leadership && !this.hasQuorum((member) => member === self || isAlive(member))) {
      this.follow(this.term, undefined);
    }
  }

  /**
   * Hands leadership to another voter (3.10): proposes nothing more until that has all of the log and campaigns, or
   * `electionTicks` are over. False where this member does not lead or `member` is no other voter.
   */
  transferTo(member: MemberId): boolean {
    const { voters, outgoing } = this.configuration;
    const isOther = member !== this.options.self && (voters.includes(member) || outgoing.includes(member));
    if (!this.leadership || !isOther) {
      return false;
    }
    if (this.leadership.transferee !== member) {
      this.leadership.transferTo(member);
    }
    return true;
  }

  abortTransfer(): void {
    this.leadership?.abortTransfer();
    this.leaveJoint();
  }

  /** What was sent to `member` may be lost. */
  unreachable(member: MemberId): void {
    this.leadership?.unreachable(member);
  }

  /**
   * What is to be written and sent since the last call. With `announceCommit`, members to whom nothing else is sent are
   * told how far they may commit. Given as `output`, which may be one that serves many groups in turn.
   */
  takeOutput(
    { announceCommit }: { readonly announceCommit: boolean },
    output: { -readonly [K in keyof RaftOutput]: RaftOutput[K] } = emptyOutput(),
  ): RaftOutput {
    const { leadership, term } = this;
    if (leadership && (leadership.hasNews || announceCommit)) {
      const messages = leadership.maySendBeforeDurable ? this.messages : this.durableMessages;
      leadership.collect(this.commit, announceCommit, messages);
    }
    if (this.acknowledgedIndex >= 0 && this.leader !== undefined) {
      const message = { type: 'appended', term, index: this.acknowledgedIndex } as const;
      // Mostly it is all there is to say: a list of one as a literal, since V8 gives an array that is pushed to room for 17.
      if (this.durableMessages.length === 0) {
        this.durableMessages = [{ to: this.leader, message }];
      } else {
        this.durableMessages.push({ to: this.leader, message });
      }
    }
    const { messages, durableMessages } = this;
    this.takeWrites(output);
    output.snapshotFrom = this.snapshotFrom;
    output.messages = NO_MESSAGES;
    output.durableMessages = NO_MESSAGES;
    if (messages.length > 0) {
      output.messages = messages;
      this.messages = [];
    }
    if (durableMessages.length > 0) {
      output.durableMessages = durableMessages;
      this.durableMessages = [];
    }
    this.acknowledgedIndex = -1;
    this.snapshotFrom = undefined;
    return output;
  }

  /** Whether {@link takeWrites} would give something. */
  get hasWrites(): boolean {
    const { log, pendingReset } = this.replica;
    return this.isHardStateDirty || log.handedOutIndex < log.lastIndex || pendingReset !== undefined;
  }

  /** Of {@link takeOutput} what is to be written, before it: what is durable by then, its messages tell of. */
  takeWrites(output: Pick<{ -readonly [K in keyof RaftOutput]: RaftOutput[K] }, Written>): void {
    const { replica, term, vote } = this;
    output.hardState = this.isHardStateDirty ? { term, vote } : undefined;
    output.entries = replica.log.handOut();
    output.reset = replica.pendingReset;
    this.isHardStateDirty = false;
    replica.pendingReset = undefined;
  }
}
