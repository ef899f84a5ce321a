/** One group of this node: its Raft member, what it has applied, and who waits for what. */
import { type GroupState } from '../ports/strong-store.js';
import { type Answer, type Ask, type LogPosition } from '../model/node-messages.js';
import { type StrongRecord } from '../model/strong-record.js';
import {
  type Configuration,
  type LogEntry,
  type MemberId,
  NO_CONFIGURATION,
  nodeOf,
} from '../model/raft-messages.js';
import { decodeConfiguration, encodeConfiguration } from '../raft/configuration-layout.js';
import { isVoterOf } from '../raft/raft-configurations.js';
import { RaftGroup, type RaftState } from '../raft/raft-group.js';
import { applyOperations } from './apply-operations.js';
import { decodeEntry } from './entry-layout.js';
import { type Asker, type GroupCore, type GroupServices } from './group-parts.js';
import { GroupReads } from './group-reads.js';
import { GroupWrites } from './group-writes.js';
import { type AppliedState, encodeAppliedState } from './group-state-layout.js';
import { type PeerRun } from './peer-run.js';
import { PromisedGeneration } from './promised-generation.js';
import {
  type AppliedUpTo,
  type LeftBehind,
  NO_STATE,
  stateAgain,
  stateAnew,
  stateFound,
} from './raft-states.js';
import { RequestTable } from './request-table.js';
import { tellOwnCaller } from './own-requests.js';
import { positionOf, type StoredGroup } from './stored-group.js';

export class StrongGroup implements GroupCore {
  raft: RaftGroup;
  generation: number;
  /** Index of the last entry applied. */
  applied: number;
  logTimeMs: number;
  requests: RequestTable;
  /** Nothing is shown before this index is applied. */
  wholeFrom: number;
  readonly writes: GroupWrites;
  readonly reads: GroupReads;
  readonly promised: PromisedGeneration;
  /** How often its records became void. */
  fetches = 0;
  /** Ticks for which the node that should lead it has not named it among what it leads. */
  unledTicks = 0;
  /** Whether it waits for its turn. */
  isAwake = false;
  /** Whether its followers are still to be told what is committed. */
  isUnannounced = false;
  /** Those who asked from other nodes. */
  readonly askers = new Map<string, Asker & { readonly run: PeerRun }>();
  /** This node has no part in it any more, and rids itself of what it has of it. */
  isGivenUp = false;
  /** It is known here that such groups are born (rule 0): before, nothing that others say of it counts. */
  isBorn = false;
  /** This node is about to become another member. */
  isForgetting = false;
  /** Whether it has applied, since this process began, what a leader had committed. */
  isCaughtUp = false;
  /** What it has taken over is in the store, and not durable yet. */
  isInstalling = false;
  /** When that was looked at last: its callers are still to be told if it is one no more. */
  wasLeader = false;
  private appliedTerm: number;
  private appliedConfiguration: Configuration;
  private leadingTerm = 0;

  constructor(
    readonly number: number,
    private readonly services: GroupServices,
    stored: StoredGroup,
    /** Its first voters, also where this member is none of them; none as long as that is not known. */
    private bornWith: Configuration,
    /** It takes part in no older generation (rule 13); 0 where it has promised nothing. */
    promised = 0,
  ) {
    this.promised = new PromisedGeneration(this, promised);
    const position = positionOf(stored);
    const { generation, isVoid, state, applied } = position;
    this.generation = generation;
    this.applied = applied;
    this.logTimeMs = state?.logTimeMs ?? 0;
    this.requests = state?.requests ?? new RequestTable();
    this.wholeFrom = isVoid ? Infinity : (state?.wholeFrom ?? 0);
    this.appliedTerm = position.appliedTerm;
    // What everybody knows from the birth of the cluster is of the first generation.
    this.appliedConfiguration = state?.configuration ?? (generation === 1 ? this.ownBirth : NO_CONFIGURATION);
    this.raft = this.raftOf(stateFound(position, this.appliedConfiguration));
    this.reads = new GroupReads(this, services, () => this.writes);
    this.writes = new GroupWrites(this, services, this.reads);
    if (stored.state && generation !== state?.generation) {
      // The log may go only as far as a store of this generation covers it.
      services.store.touch(number);
    }
  }

  /** The nodes of the group, the preferred leader first. */
  get list(): readonly string[] {
    return this.services.listOf(this.number);
  }

  /** Nothing of it may leave this node, and nothing is taken in. */
  get isSuspended(): boolean {
    return this.isForgetting || this.isPromised || this.isGivenUp;
  }

  /** It waits for a generation that it has promised. */
  get isPromised(): boolean {
    return this.promised.isAwaited;
  }

  /** The newest that its log has, else the one that the group was born with. */
  get knownConfiguration(): Configuration {
    const { configuration } = this.raft;
    return configuration.voters.length === 0 && this.generation === 1 ? this.bornWith : configuration;
  }

  /** Whether others could take the group from here: records, and a log that leads up to them and goes on. */
  get isComplete(): boolean {
    const { lastIndex } = this.raft;
    return lastIndex >= this.wholeFrom && this.raft.termAt(this.applied) === this.appliedTerm;
  }

  /** Whether its records may be shown. */
  get isWhole(): boolean {
    return this.applied >= this.wholeFrom;
  }

  /** Whether its records show all up to there; of another generation it cannot tell. */
  reaches({ generation, index }: LogPosition): boolean {
    return generation === 0 || (generation === this.generation && this.applied >= index);
  }

  /** Its records may be shown, or may as soon as what its log has is committed, which nobody else may have. */
  get mayLead(): boolean {
    return this.isWhole || this.isComplete;
  }

  get isFetching(): boolean {
    return this.wholeFrom === Infinity;
  }

  /** Whether a reader sees the record now: not from its expiry on, by the clock or by log time, whichever is later. */
  shows({ expiresAtMs }: StrongRecord): boolean {
    return expiresAtMs === 0 || expiresAtMs > this.nowMs;
  }

  /** By which values expire. */
  get nowMs(): number {
    return Math.max(this.logTimeMs, this.services.boundedNowMs());
  }

  /** Whether it decides and reads: rule 7. */
  get leads(): boolean {
    return this.raft.isReady && this.isWhole && !this.isSuspended && !this.promised.waitsForCopies;
  }

  /** It has begun a generation that is not on the medium yet: nobody may give up what he has for it. */
  get isSilent(): boolean {
    return this.promised.isSilent;
  }

  /** Whether others may take its state from here: what is applied is committed, whoever leads, and whatever is promised. */
  get mayServe(): boolean {
    return this.isWhole && !this.isForgetting && !this.isSilent && !this.isGivenUp;
  }

  /** A learner whose records are void says nothing of what its log takes in: it would be counted for what was before, too. */
  get mayAcknowledge(): boolean {
    return !(this.isFetching || this.isInstalling) || this.raft.isVoter;
  }

  /** A question of a caller's node, or of this one. Always answered, at once or later, unless the group dies first. */
  ask(asker: Asker, slot: number, ask: Ask): void {
    switch (ask.type) {
      case 'write':
        return this.writes.write(asker, slot, ask.request, ask.write);
      case 'cancel':
        return this.writes.cancel(asker, slot, ask.request, ask);
      case 'read':
        return this.reads.read(asker, slot, ask);
    }
  }

  /** The answer to who should ask the leader. */
  retry(session = 0): Answer {
    const { leader } = this.raft;
    return { type: 'retry', leader: leader === undefined ? '' : nodeOf(leader), session };
  }

  /** Applies what is committed, and tells those who wait for it. */
  applyCommitted(): void {
    const { raft } = this;
    this.noticeLeadership();
    if (raft.commit > this.applied && !this.isFetching && raft.firstIndex <= this.applied + 1) {
      const { commit } = raft;
      while (this.applied < commit) {
        this.apply(raft.entryAt(this.applied + 1)!);
      }
      raft.applied(this.applied);
      raft.compactReplicated();
      this.services.store.touch(this.number);
      this.reads.applied();
      this.noticeLeadership();
    }
  }

  /** A leader that is one no more has nobody to answer: its callers ask who leads now, under the same names. */
  noticeLeadership(): void {
    const { raft } = this;
    const isLeader = raft.role === 'leader';
    if (this.wasLeader && !(isLeader && raft.term === this.leadingTerm)) {
      this.answerAllElsewhere();
    }
    this.wasLeader = isLeader;
    this.leadingTerm = raft.term;
  }

  /** Whoever waits here asks another. */
  answerAllElsewhere(): void {
    this.writes.giveUp();
    this.reads.giveUp();
    this.services.rounds.giveUp(this.number);
  }

  state(): GroupState {
    const bytes = encodeAppliedState(this.appliedState());
    return { applied: this.applied, generation: this.generation, bytes };
  }

  appliedState(): AppliedState {
    const { generation, logTimeMs, requests, wholeFrom } = this;
    const { appliedTerm: term, configuration } = this.appliedUpTo;
    return { generation, term, logTimeMs, configuration, requests, wholeFrom };
  }

  /** The records are void until a snapshot has taken their place. The log stays: it was acknowledged, and counts. */
  beginFetching(): void {
    this.wholeFrom = Infinity;
    this.fetches++;
    this.reads.giveUp();
  }

  /** A snapshot's records are in the store: from here on the log goes on. Shown once `wholeFrom` is applied. */
  install(index: number, state: AppliedState, wholeFrom: number): void {
    this.applied = index;
    this.appliedTerm = state.term;
    this.appliedConfiguration = state.configuration;
    this.generation = state.generation;
    this.logTimeMs = state.logTimeMs;
    this.requests = state.requests;
    this.wholeFrom = wholeFrom;
  }

  /** A leader was heard, and what it had committed then is applied. */
  noticeCatchUp(): void {
    this.isCaughtUp ||= this.isWhole && this.raft.leader !== undefined && this.applied >= this.raft.commit;
  }

  /** The group is born: where it has nothing yet, it begins with its first voters. */
  beBorn(configuration: Configuration): void {
    this.isBorn = true;
    this.bornWith = configuration;
    if (this.generation === 1 && this.raft.lastIndex === 0 && this.appliedConfiguration.voters.length === 0) {
      this.appliedConfiguration = this.ownBirth;
      this.raft = this.raftAgain();
    }
  }

  /** What a member that the group was born with begins with; others are taken in by the log. */
  private get ownBirth(): Configuration {
    return isVoterOf(this.bornWith, this.services.member()) ? this.bornWith : NO_CONFIGURATION;
  }

  /** Says and counts nothing any more, until it goes on as another member. */
  suspend(): void {
    this.isForgetting = true;
  }

  /** Takes part in nothing from now on. Its records are void, and of its log term and vote are left: no vote is given twice. */
  giveUp({ index, term, configuration }: LeftBehind): void {
    const { raft } = this;
    this.isGivenUp = true;
    if (index > this.applied) {
      this.install(index, { ...this.appliedState(), term, configuration }, Infinity);
    }
    // Another one: of what the one before has under way, nothing counts for this one.
    this.raft = this.raftOf({ ...NO_STATE, term: raft.term, vote: raft.vote });
    this.beginFetching();
    this.answerAllElsewhere();
  }

  /** Takes part in nothing of an older generation from now on: what it has stays as it is until that one begins. */
  promise(generation: number): void {
    this.applyCommitted();
    this.promised.generation = generation;
    this.services.store.touch(this.number);
  }

  /** Whether a message of a newer generation may be acted on. */
  mayBegin(generation: number): boolean {
    return (
      generation > this.generation &&
      generation >= this.promised.generation &&
      !this.isForgetting &&
      this.isBorn
    );
  }

  /**
   * Begins a generation with what this member has (rule 13), all of its log included. It is the only voter at first: the
   * others, who have begun the generation nowhere, become voters as soon as they have fetched the group.
   */
  recover(generation: number, term: number, learners: readonly MemberId[]): void {
    const { raft, services } = this;
    const data = encodeConfiguration({ voters: [services.member()], outgoing: [], learners });
    const index = raft.lastIndex + 1;
    this.generation = generation;
    this.raft = this.raftOf(stateAnew(raft, this.appliedUpTo, { term, index, kind: 'configuration', data }));
    // At once: no checkpoint may say that generation before it shows what the log took over.
    this.applyCommitted();
    this.isCaughtUp = false;
    this.promised.isOnMedium = false;
    this.noticeLeadership();
    // Whoever waits here waits for an index that may be lost.
    this.reads.giveUp();
    services.store.touch(this.number);
  }

  /** Goes on with log and records as a member that nobody has voted with before. */
  reincarnate(): void {
    this.raft = this.raftAgain();
    this.isForgetting = false;
    // The one that promised is gone.
    this.promised.end();
    this.isCaughtUp = false;
    this.noticeLeadership();
    this.services.wake(this);
  }

  /** A newer generation began: all this member has is void; others take it in, and it fetches a snapshot first (rule 14). */
  beginGeneration(generation: number): void {
    const { services } = this;
    this.generation = generation;
    this.applied = 0;
    this.appliedTerm = 0;
    this.appliedConfiguration = NO_CONFIGURATION;
    this.logTimeMs = 0;
    this.requests = new RequestTable();
    this.raft = this.raftOf(NO_STATE);
    this.isCaughtUp = false;
    this.beginFetching();
    this.noticeLeadership();
    // The log may go only as far as a store of this generation covers it.
    services.store.touch(this.number);
  }

  private raftOf(state: RaftState): RaftGroup {
    return new RaftGroup(state, this.services.raftOptions(this));
  }

  private raftAgain(): RaftGroup {
    return this.raftOf(stateAgain(this.raft, this.appliedUpTo));
  }

  /** Where it is, by what is committed. */
  get appliedUpTo(): AppliedUpTo {
    const { applied, appliedTerm, appliedConfiguration: configuration } = this;
    return { applied, appliedTerm, configuration };
  }

  private apply(entry: LogEntry): void {
    if (entry.kind === 'operations') {
      const proposed = this.writes.proposedAt(entry.index, entry.term);
      const operations = proposed?.entry ?? decodeEntry(entry.data);
      const standing = applyOperations(this, this.services.store, entry.index, operations);
      this.applied = entry.index;
      this.appliedTerm = entry.term;
      if (proposed) {
        this.writes.applied(proposed, standing);
      } else {
        tellOwnCaller(this, this.services, operations, standing);
      }
      return;
    }
    if (entry.kind === 'configuration') {
      this.appliedConfiguration = decodeConfiguration(entry.data);
    }
    this.applied = entry.index;
    this.appliedTerm = entry.term;
  }
}
