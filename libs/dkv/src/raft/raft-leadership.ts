/** One term of a leader: what each member has, what to send to it, and what a majority has. */
import {
  type AddressedMessage,
  type Configuration,
  type LogEntry,
  type MemberId,
  type RaftMessage,
} from '../model/raft-messages.js';
import { isMajority, isVoterOf, majorityIndex, membersOf } from './raft-configurations.js';
import { type RaftLog } from './raft-log.js';
import { Progress } from './raft-progress.js';

export interface LeadershipOptions {
  readonly self: MemberId;
  readonly electionTicks: number;
  readonly resendTicks: number;
  readonly appendBytesMax: number;
  readonly inflightBytesMax: number;
}

const NO_ENTRIES: readonly LogEntry[] = [];

export class Leadership {
  /** All members but this one. */
  peers: readonly Progress[] = [];
  /** Index of the entry with which the term began: what is before it was inherited. */
  readonly startIndex: number;
  /** Whether there may be something to send; a pass over the members finds out what. */
  hasNews = true;
  /** To whom leadership is being handed (3.10). */
  transferee: MemberId | undefined;
  private transferTicks = 0;
  private isTransfereeTold = false;
  /** Whether it has asked a member to campaign: that one may win whatever becomes of the transfer. */
  hasAskedForSuccessor = false;
  private readonly own: Progress;
  /** Up to where any member was told in this term that this one's log is durable: so far, others may have committed. */
  toldDurable = 0;
  private voters: readonly Progress[] = [];
  private outgoing: readonly Progress[] = [];

  constructor(
    private readonly term: number,
    private readonly log: RaftLog,
    private configuration: Configuration,
    private readonly options: LeadershipOptions,
  ) {
    this.startIndex = log.lastIndex + 1;
    this.own = new Progress(options.self, this.startIndex);
    this.own.match = log.durableIndex;
    this.configure(configuration);
  }

  /** Takes over a configuration; what is known of members that stay is kept. */
  configure(configuration: Configuration): void {
    const known = [this.own, ...this.peers];
    const all = membersOf(configuration).map(
      (member) => known.find((one) => one.member === member) ?? new Progress(member, this.log.lastIndex + 1),
    );
    const of = (members: readonly MemberId[]) =>
      members.map((member) => all.find((one) => one.member === member)!);
    this.peers = all.filter((one) => one !== this.own);
    this.voters = of(configuration.voters);
    this.outgoing = of(configuration.outgoing);
    this.configuration = configuration;
    this.hasNews = true;
    if (this.transferee !== undefined && !isVoterOf(configuration, this.transferee)) {
      this.abortTransfer();
    }
  }

  progressOf(member: MemberId): Progress | undefined {
    for (const peer of this.peers) {
      if (peer.member === member) {
        return peer;
      }
    }
    return undefined;
  }

  /** Of another member, or of this one: as far as its own log is durable. */
  matchOf(member: MemberId): number | undefined {
    return member === this.options.self ? this.own.match : this.progressOf(member)?.match;
  }

  /** This node's own copy counts as far as it is durable, like any other: rule 1. */
  ownDurable(index: number): void {
    this.own.match = index;
  }

  /**
   * A leader may send before its own append is durable (10.2.1), but not before the first entry of its term is: with
   * it, its term is. A sole voter that forgot its term would lead the same term again, with other entries.
   */
  get maySendBeforeDurable(): boolean {
    return this.log.durableIndex >= this.startIndex;
  }

  /** What a majority has; while joint, majorities of both. */
  quorumIndex(): number {
    const entered = majorityIndex(this.voters);
    return this.outgoing.length === 0 ? entered : Math.min(entered, majorityIndex(this.outgoing));
  }

  acknowledged(from: MemberId, index: number): boolean {
    const peer = this.progressOf(from);
    // More than there is: said by a confused member, or meant for another group.
    if (!peer || index > this.log.lastIndex) {
      return false;
    }
    peer.acknowledge(index);
    this.commitWithPeer(peer);
    if (peer.next <= this.log.lastIndex || from === this.transferee) {
      this.hasNews = true;
    }
    return true;
  }

  /** What a member knows as committed by itself need not be told to it. */
  private commitWithPeer(peer: Progress): void {
    if (isMajority(this.configuration, this.options.self, peer.member)) {
      peer.commitsWithLeader();
    }
  }

  rejected(from: MemberId, prevIndex: number, hintIndex: number, hintTerm: number): void {
    const peer = this.progressOf(from);
    if (!peer) {
      return;
    }
    if (hintIndex >= peer.next && this.log.termAt(hintIndex) === hintTerm) {
      // Its log begins behind what was sent. Equal terms at an index mean equal logs up to it (Log Matching).
      peer.probeFrom(hintIndex + 1);
      this.hasNews = true;
    } else if (peer.reject(prevIndex, this.log.lastOfTerm(hintIndex, hintTerm))) {
      this.hasNews = true;
    }
  }

  unreachable(member: MemberId): void {
    const peer = this.progressOf(member);
    if (peer) {
      peer.probeAgain();
      this.hasNews = true;
    }
  }

  /** Whether time matters: somebody owes an answer. */
  get needsTick(): boolean {
    if (this.transferee !== undefined) {
      return true;
    }
    for (const peer of this.peers) {
      if (peer.isWaiting) {
        return true;
      }
    }
    return false;
  }

  tick(): void {
    for (const peer of this.peers) {
      if (peer.isWaiting && ++peer.waitedTicks >= this.options.resendTicks) {
        peer.probeAgain();
        this.hasNews = true;
      }
    }
    if (this.transferee !== undefined && ++this.transferTicks >= this.options.electionTicks) {
      this.abortTransfer();
    }
  }

  transferTo(member: MemberId): void {
    this.transferee = member;
    this.transferTicks = 0;
    this.isTransfereeTold = false;
    this.hasNews = true;
  }

  abortTransfer(): void {
    this.transferee = undefined;
  }

  /** The voter that could take over at once: the one with the most of the log. */
  get bestVoter(): MemberId | undefined {
    let best: Progress | undefined;
    for (const voter of this.voters) {
      if (voter !== this.own && (!best || voter.match > best.match)) {
        best = voter;
      }
    }
    return best?.member;
  }

  /** Up to where every member has the log, durably. */
  get matchedByAll(): number {
    let least = this.own.match;
    for (const { match } of this.peers) {
      least = Math.min(least, match);
    }
    return least;
  }

  /** Whether somebody could commit more than it was told. */
  isCommitUnannounced(commit: number): boolean {
    for (const peer of this.peers) {
      if (Math.min(peer.match, commit) > peer.announcedCommit) {
        return true;
      }
    }
    return false;
  }

  /** Puts into `messages` what may be sent now. Who is sent the same gets the same object, so it can be encoded once. */
  collect(commit: number, announceCommit: boolean, messages: AddressedMessage[]): void {
    let shared: (RaftMessage & { type: 'append' }) | undefined;
    for (const peer of this.peers) {
      let isSent = false;
      while (this.hasNews && this.maySend(peer)) {
        isSent = true;
        const prevIndex = peer.next - 1;
        const prevTerm = this.log.termAt(prevIndex);
        if (prevTerm === undefined) {
          this.offerSnapshot(peer, messages);
          break;
        }
        const isBare = peer.state === 'probe' && peer.isBare;
        if (shared?.prevIndex !== prevIndex || isBare) {
          const entries = isBare ? NO_ENTRIES : this.log.chunk(peer.next, this.options.appendBytesMax);
          const { term, matchedByAll } = this;
          const durable = this.own.match;
          this.toldDurable = durable;
          shared = { type: 'append', term, prevIndex, prevTerm, commit, durable, matchedByAll, entries };
        }
        messages.push({ to: peer.member, message: shared });
        peer.sent(shared.entries.length, commit, shared.durable);
        this.commitWithPeer(peer);
        if (isBare) {
          shared = undefined;
        }
      }
      if (announceCommit && !isSent) {
        this.announce(peer, commit, messages);
      }
    }
    this.tellTransferee(messages);
    this.hasNews = false;
  }

  announce(peer: Progress, commit: number, messages: AddressedMessage[]): void {
    const message = this.announcementFor(peer, commit);
    if (message) {
      messages.push({ to: peer.member, message });
    }
  }

  /** Tells a member what it may commit, if that is more than it knows: never above what it is known to have. */
  announcementFor(peer: Progress, commit: number): RaftMessage | undefined {
    const usable = Math.min(peer.match, commit);
    if (usable <= peer.announcedCommit) {
      return undefined;
    }
    peer.announcedCommit = usable;
    return { type: 'heartbeat', term: this.term, commit: usable };
  }

  private maySend(peer: Progress): boolean {
    switch (peer.state) {
      case 'probe':
        return !peer.isPaused;
      case 'replicate':
        return (
          peer.next <= this.log.lastIndex &&
          this.log.bytesBetween(peer.match, peer.next - 1) < this.options.inflightBytesMax
        );
      case 'snapshot':
        return false;
    }
  }

  private offerSnapshot(peer: Progress, messages: AddressedMessage[]): void {
    const { snapshotIndex, snapshotTerm } = this.log;
    peer.sentSnapshot(snapshotIndex);
    const message = { type: 'snapshot', term: this.term, index: snapshotIndex, snapshotTerm } as const;
    messages.push({ to: peer.member, message });
  }

  /** The transferee campaigns once it has all of the log; nothing is proposed meanwhile. */
  private tellTransferee(messages: AddressedMessage[]): void {
    const { transferee } = this;
    if (
      transferee !== undefined &&
      !this.isTransfereeTold &&
      this.matchOf(transferee) === this.log.lastIndex
    ) {
      this.isTransfereeTold = true;
      this.hasAskedForSuccessor = true;
      messages.push({ to: transferee, message: { type: 'timeoutNow', term: this.term } });
    }
  }
}
