/** How the members of a group agree on one leader a term: roles, terms, votes and the election timer. */
import {
  type AddressedMessage,
  type Configuration,
  type MemberId,
  type RaftMessage,
} from '../model/raft-messages.js';
import { isVoterOf, votersOf } from './raft-configurations.js';
import { type RaftGroupOptions } from './raft-interface.js';
import { forcedConfiguration } from './raft-recovery.js';
import { RaftVotes } from './raft-votes.js';

export type RaftRole = 'follower' | 'preCandidate' | 'candidate' | 'leader';

type Message<T extends RaftMessage['type']> = RaftMessage & { readonly type: T };

/**
 * Elections (dissertation, 3.4, 3.6.1) with pre-vote (9.6): nobody raises a term who could not win. A member that
 * believes in a leader gives no vote and takes over no candidate's term (6.2), so one that was cut off, or was removed,
 * cannot end a leadership that works. A member that granted a leader a lease gives no vote, its own included, for as long as
 * its driver says (6.4.1). No candidacy of its own is under way then: it follows whom it grants a lease.
 */
export abstract class RaftElection {
  role: RaftRole = 'follower';
  term: number;
  /** Empty where it has not voted in this term. */
  vote: MemberId;
  /** Of this term, as far as known. */
  leader: MemberId | undefined;
  protected isHardStateDirty = false;
  protected messages: AddressedMessage[] = [];
  protected durableMessages: AddressedMessage[] = [];
  private votes: RaftVotes | undefined;
  /**
   * A pre-vote that this member did not answer, because it believed in a leader that has sent no entries since, or was held
   * back.
   */
  protected unanswered: { readonly from: MemberId; readonly message: Message<'preVote'> } | undefined;
  /** Candidates whose logs lack entries that this member has, since it last had a leader: they cannot win. */
  private behind: readonly MemberId[] = NOBODY;
  /** Of this candidacy, where a majority is gone and those that are left hold all that was committed. */
  protected forced: Configuration | undefined;
  private elapsedTicks = 0;
  private timeoutTicks = 0;

  constructor(
    { term, vote }: { readonly term: number; readonly vote: MemberId },
    protected readonly options: RaftGroupOptions,
  ) {
    this.term = term;
    this.vote = vote;
    this.startElectionTimer();
  }

  /** The newest in the log: it counts as soon as it is there (4.1, 4.3). */
  abstract get configuration(): Configuration;
  abstract get lastIndex(): number;
  abstract get lastTerm(): number;
  /** Has won the election of this term. */
  protected abstract lead(): void;
  /** What was said in the term that ends here is void. */
  protected abstract forgetTerm(): void;
  /** Leads no more. */
  protected abstract stopLeading(): void;

  /** Whether it votes by the newest configuration in its log. */
  get isVoter(): boolean {
    return isVoterOf(this.configuration, this.options.self);
  }

  /** Whether nobody else votes. */
  get isSoleVoter(): boolean {
    const { voters, outgoing } = this.configuration;
    return voters.length === 1 && outgoing.length === 0 && voters[0] === this.options.self;
  }

  /** Whether it may stand for election: learners, removed members and those without a configuration never do. */
  protected abstract get mayStand(): boolean;

  protected tickElection(): void {
    const mayCampaign = this.leader === undefined && this.mayStand && !this.isHeldBack;
    if (mayCampaign && ++this.elapsedTicks >= this.timeoutTicks) {
      this.campaign('silence');
    }
  }

  /**
   * Stands for election, after a pre-vote unless the leader itself asked for it (`transfer`). A sole voter wins at
   * once, whatever the reason. Does nothing where this member leads, may not stand, or is held back.
   */
  campaign(reason: 'silence' | 'transfer' | 'single'): void {
    const { self } = this.options;
    if (this.role === 'leader' || !this.mayStand || this.isHeldFrom(self, reason === 'transfer')) {
      return;
    }
    if (reason === 'transfer') {
      this.stand(true);
      return;
    }
    this.role = 'preCandidate';
    this.leader = undefined;
    if (this.beginVotes()) {
      this.stand(false);
      return;
    }
    const { lastIndex, lastTerm, survivors } = this;
    this.askVoters(this.messages, {
      type: 'preVote',
      term: this.term + 1,
      lastIndex,
      lastTerm,
      ...survivors,
    });
  }

  /** Whether a lease that it granted keeps this member from helping anybody into office, itself included. */
  get isHeldBack(): boolean {
    return this.isHeldFrom(this.options.self, false);
  }

  private isHeldFrom(candidate: MemberId, isTransfer: boolean): boolean {
    return this.options.isHeldBack?.(candidate, isTransfer) === true;
  }

  /** The lease that it granted is over. Whoever asked for its vote meanwhile stands before this member does. */
  leaseEnded(): void {
    if (this.role === 'follower' && this.leader === undefined) {
      this.startElectionTimer();
      this.answerPreVote();
    }
  }

  private stand(transfer: boolean): void {
    this.enterTerm(this.term + 1, this.options.self);
    this.role = 'candidate';
    if (this.beginVotes()) {
      this.win();
      return;
    }
    const { term, lastIndex, lastTerm, survivors } = this;
    this.askVoters(this.durableMessages, {
      type: 'vote',
      term,
      lastIndex,
      lastTerm,
      transfer,
      ...survivors,
    });
  }

  /** Counts the own vote; true when it is enough. */
  private beginVotes(): boolean {
    this.startElectionTimer();
    this.votes = new RaftVotes();
    this.votes.add(this.options.self, true);
    this.forced = this.whatIsLeft();
    return this.votes.isWon(this.electorate);
  }

  /** Whose votes count in this candidacy. */
  private get electorate(): Configuration {
    return this.forced ?? this.configuration;
  }

  /** Rule 13: see {@link forcedConfiguration}. */
  protected whatIsLeft(): Configuration | undefined {
    const { isGone } = this.options;
    return isGone && forcedConfiguration(this.configuration, isGone);
  }

  private get survivors(): { readonly survivors?: readonly MemberId[] } {
    return this.forced ? { survivors: votersOf(this.forced) } : NOBODY_GONE;
  }

  private askVoters(messages: AddressedMessage[], message: RaftMessage): void {
    for (const to of votersOf(this.electorate)) {
      if (to !== this.options.self) {
        messages.push({ to, message });
      }
    }
  }

  private win(): void {
    this.role = 'leader';
    this.leader = this.options.self;
    this.votes = undefined;
    this.behind = NOBODY;
    this.lead();
  }

  /** A term is durable before anything is said in it, a vote before it is given: rule 1. */
  private enterTerm(term: number, vote: MemberId): void {
    this.term = term;
    this.vote = vote;
    this.leader = undefined;
    this.isHardStateDirty = true;
    this.forgetTerm();
  }

  /** Becomes a follower in `term`, which is this one or a later one. */
  protected follow(term: number, leader: MemberId | undefined): void {
    if (term > this.term) {
      this.enterTerm(term, '');
    }
    if (this.role === 'leader') {
      this.stopLeading();
    }
    this.role = 'follower';
    this.leader = leader;
    this.votes = undefined;
    this.unanswered = undefined;
    if (leader !== undefined) {
      this.behind = NOBODY;
    }
    this.startElectionTimer();
  }

  private startElectionTimer(): void {
    const { electionTicks, random } = this.options;
    this.elapsedTicks = 0;
    this.timeoutTicks = electionTicks + Math.floor(random.next() * electionTicks);
  }

  /**
   * Members find out one after the other that their leader is gone. One that still believes in it keeps the question
   * for then: a refusal would cost the candidate another election timeout.
   */
  protected onPreVote(from: MemberId, message: Message<'preVote'>): void {
    const { term, lastIndex, lastTerm, survivors } = message;
    if (term > this.term && (this.believesInLeader(from) || this.isHeldFrom(from, false))) {
      this.unanswered = { from, message };
      return;
    }
    this.noteLog(from, lastTerm, lastIndex);
    const granted = term > this.term && this.isUpToDate(lastTerm, lastIndex) && this.agreesOn(survivors);
    this.messages.push({
      to: from,
      message: { type: 'preVoteReply', term: granted ? term : this.term, granted },
    });
    if (granted && this.role === 'preCandidate' && this.comesBefore(from)) {
      this.follow(this.term, undefined);
    }
  }

  /**
   * Of two that ask at the same time, the one that is named first in the configuration stands: both would split the votes,
   * and have the group wait for another timeout.
   */
  private comesBefore(member: MemberId): boolean {
    const voters = votersOf(this.configuration);
    const place = voters.indexOf(member);
    const ownPlace = voters.indexOf(this.options.self);
    return place >= 0 && (ownPlace < 0 || place < ownPlace);
  }

  protected onVote(
    from: MemberId,
    { term, lastIndex, lastTerm, transfer, survivors }: Message<'vote'>,
  ): void {
    if (term >= this.term && this.isHeldFrom(from, transfer)) {
      return;
    }
    if (term > this.term) {
      if ((!transfer && this.believesInLeader(from)) || !this.agreesOn(survivors)) {
        return;
      }
      this.follow(term, undefined);
    }
    const granted =
      term === this.term &&
      this.mayGrantVote(from) &&
      this.isUpToDate(lastTerm, lastIndex) &&
      this.agreesOn(survivors);
    if (granted) {
      this.isHardStateDirty ||= this.vote !== from;
      this.vote = from;
      this.startElectionTimer();
    }
    this.durableMessages.push({ to: from, message: { type: 'voteReply', term: this.term, granted } });
  }

  /**
   * Whether all voters that this member knows and the candidate does without are gone: each of those that are left says
   * so by itself, from what it was told by their nodes.
   */
  protected agreesOn(survivors: readonly MemberId[] | undefined): boolean {
    if (survivors === undefined || survivors.length === 0) {
      return true;
    }
    const { self, isGone } = this.options;
    return (
      survivors.includes(self) &&
      votersOf(this.configuration).every((voter) => survivors.includes(voter) || isGone?.(voter) === true)
    );
  }

  /**
   * A live leader is not voted out (6.2). The failure detector between the nodes tells when it is gone; where it stands
   * for election itself, it leads no more.
   */
  protected believesInLeader(candidate: MemberId): boolean {
    return this.leader !== undefined && this.leader !== candidate;
  }

  /** One vote a term (3.4). */
  protected mayGrantVote(candidate: MemberId): boolean {
    return this.vote === candidate || (this.vote === '' && this.leader === undefined);
  }

  /** Only who has all that may be committed leads (3.6.1). Entries that are not durable yet count, too: rule 1. */
  protected isUpToDate(lastTerm: number, lastIndex: number): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex);
  }

  private noteLog(from: MemberId, lastTerm: number, lastIndex: number): void {
    if (this.leader !== undefined) {
      return;
    }
    const others = this.behind.filter((member) => member !== from);
    this.behind = this.isUpToDate(lastTerm, lastIndex) ? others : [...others, from];
  }

  /** Whether it stood for election last, since this member had a leader, with a log that lacks entries of this one. */
  lacksEntries(candidate: MemberId): boolean {
    return this.behind.includes(candidate);
  }

  /**
   * A refusal counts for nothing: it may answer an earlier pre-vote of the same term, and who refused may grant the next.
   * A candidacy that is not won ends with its timeout.
   */
  protected onPreVoteReply(from: MemberId, { term, granted }: Message<'preVoteReply'>): void {
    if (!granted && term > this.term) {
      this.follow(term, undefined);
    } else if (granted && this.role === 'preCandidate' && term === this.term + 1) {
      this.count(from, granted);
    }
  }

  protected onVoteReply(from: MemberId, { term, granted }: Message<'voteReply'>): void {
    if (term > this.term) {
      this.follow(term, undefined);
    } else if (this.role === 'candidate' && term === this.term) {
      this.count(from, granted);
    }
  }

  private count(from: MemberId, granted: boolean): void {
    const votes = this.votes!;
    votes.add(from, granted);
    if (this.isElected(votes)) {
      if (this.role === 'candidate') {
        this.win();
      } else {
        this.stand(false);
      }
    } else if (votes.isLost(this.electorate)) {
      this.follow(this.term, undefined);
    }
  }

  protected isElected(votes: RaftVotes): boolean {
    return votes.isWon(this.electorate);
  }

  /** The failure detector between the nodes says that the leader is gone: forgets it and starts the election timer. */
  leaderLost(): void {
    if (this.role === 'follower' && this.leader !== undefined) {
      const { unanswered } = this;
      this.follow(this.term, undefined);
      this.unanswered = unanswered;
      this.answerPreVote();
    }
  }

  private answerPreVote(): void {
    const { unanswered } = this;
    if (unanswered) {
      this.unanswered = undefined;
      this.onPreVote(unanswered.from, unanswered.message);
    }
  }

  /** `member`'s heartbeat to this node lists this group as led by it in this very term. */
  heardFrom(member: MemberId): void {
    if (this.role !== 'leader' && this.leader !== member) {
      this.follow(this.term, member);
    }
  }
}

const NOBODY: readonly MemberId[] = Object.freeze([]);
const NOBODY_GONE = Object.freeze({});
