/** Lets groups go on whose voters have forgotten in a majority, once every member has said what it has: rule 13. */
import { type PeerDirectory } from '../cluster/peer-directory.js';
import { type Peer } from '../cluster/peers.js';
import { type GroupReport, type NodeMessage } from '../model/node-messages.js';
import { type MemberId } from '../model/raft-messages.js';
import { chooseRecovery, type MemberReport, needsRecovery } from './recovery-choice.js';
import { DroppedEntries } from './dropped-entries.js';
import { type GroupList } from './group-list.js';
import { type Identity } from './node-identity.js';
import { RecoveryPromises } from './recovery-promises.js';
import { memberNow } from './replacement.js';
import { type StrongGroup } from './strong-group.js';
import { type StrongModeParts } from './strong-mode-parts.js';

type Message<K extends NodeMessage['kind']> = Extract<NodeMessage, { kind: K }>;

const LOOK_EVERY_TICKS = 10;
/** Looks for which the next of the list waits longer than the one before it: mostly the first does it alone. */
const RANK_LOOKS = 3;
/** After so many looks a round that came to nothing begins again. */
const ROUND_LOOKS = 5;
/**
 * So many, while promises are on their way to the medium, and twice as many each time after it; others do not begin a round
 * of their own for as long.
 */
const PROMISE_LOOKS = 10;
const DOUBLINGS_MAX = 5;
/** A promise is given up when somebody leads without this member for so many looks. */
const OVERTAKEN_LOOKS = 5;
/** In place of the generation of a round whose generation is to begin now. */
const BEGUN = -1;

interface Round {
  looks: number;
  /** That is to be promised; 0 as long as it is only looked whether the group may go on. */
  generation: number;
  /** Since it was asked for. */
  roundLooks: number;
  /** How often promises were asked for, here or by another member. */
  tries: number;
  /** By node. */
  readonly reports: Map<string, MemberReport>;
}

export interface RecoveryServices {
  readonly node: {
    readonly groups: GroupList;
    readonly say: (nodeId: string, message: NodeMessage) => void;
    readonly wake: (group: StrongGroup) => void;
  };
  readonly directory: () => PeerDirectory;
  /** This node, as the groups know it now. */
  readonly member: () => MemberId;
  /** Whether a majority of the group's voters is gone for good. */
  readonly isLost: (group: number) => boolean;
  /** This node must be another voter: what it promised keeps it from following a leader that there is. */
  readonly forget: (reason: string) => void;
}

/**
 * One decision of single-decree Paxos (Lamport, Paxos Made Simple, 2.2) that all members must accept, and not a majority: one
 * of them asks all what they have, and if that shows that the group may go on, for their promise of a generation above all
 * that were promised before. Whoever promises says from then on nothing of an older generation, so that what it reports with
 * it stays true. Promises are on the medium before they are given, and each is given once: a generation is begun by one
 * member at most, and never again. What an earlier round began is in the reports of a later one, since that has asked the
 * one that began it, too.
 */
export class RecoveryRounds {
  private readonly rounds = new Map<number, Round>();
  private readonly overtaken = new Map<number, number>();
  /** Groups that follow a generation which another began, as soon as what they have is kept. */
  private readonly following = new Set<number>();
  private readonly promises: RecoveryPromises;
  private readonly dropped: DroppedEntries;
  private ticks = 0;
  /** A checkpoint for what began here is under way. */
  private isTelling = false;

  constructor(
    private readonly parts: Pick<
      StrongModeParts,
      'view' | 'log' | 'logger' | 'meta' | 'makeDurable' | 'keep' | 'isVolatile'
    >,
    private readonly identity: Identity,
    private readonly services: RecoveryServices,
  ) {
    this.promises = new RecoveryPromises(identity.promises, parts.meta, () => parts.makeDurable());
    this.dropped = new DroppedEntries(parts);
  }

  /** The generation that this member has promised for the group; 0 for none. */
  promisedIn(group: number): number {
    return this.promises.heldBy(this.identity.incarnation, group);
  }

  /** This node has no part in the group any more. What it has promised binds it all the same. */
  giveUp(group: number): void {
    this.rounds.delete(group);
    this.overtaken.delete(group);
    this.following.delete(group);
    this.dropped.forget(group);
  }

  /** Once a heartbeat interval. */
  tick(): void {
    if (++this.ticks % LOOK_EVERY_TICKS === 0) {
      this.look();
    }
  }

  private look(): void {
    for (const group of this.services.node.groups.values()) {
      if (group.raft.leader === undefined && (group.isPromised || this.services.isLost(group.number))) {
        this.lookAt(group);
      } else {
        this.rounds.delete(group.number);
      }
      this.lookForLeader(group);
      if (group.promised.isFulfilled) {
        group.promised.end();
        this.promises.fulfil(group.number);
      }
    }
    const silent = this.services.node.groups
      .values()
      .filter(({ isSilent, raft }) => isSilent && raft.isReady);
    if (silent.length > 0 && !this.isTelling) {
      this.tellOthers(silent);
    }
  }

  /** What was left is applied here, and goes to the medium, before others hear of the generation. */
  private tellOthers(silent: readonly StrongGroup[]): void {
    const began = silent.map(({ raft }) => raft);
    this.isTelling = true;
    this.parts
      .makeDurable()
      .then(
        () => silent.filter(({ raft }, at) => raft === began[at]).forEach((group) => this.tell(group)),
        (error: Error) => this.parts.logger.warn(`A recovery waits: ${error.message}`),
      )
      .finally(() => (this.isTelling = false));
  }

  private tell(group: StrongGroup): void {
    const { raft } = group;
    group.promised.isOnMedium = true;
    // What others have is void: they need all of it, and entries alone would not tell them so.
    raft.compact(group.applied);
    raft.configuration.learners.forEach((learner) => raft.unreachable(learner));
    this.services.node.wake(group);
  }

  /** A member asks what this one has of a group, and perhaps for its promise. */
  asked({ nodeId, member }: Peer, { group: number, generation }: Message<'recoverAsk'>): void {
    this.report(number, generation, member, (report) =>
      this.services.node.say(nodeId, { kind: 'recoverReport', group: number, generation, report }),
    );
  }

  reported({ nodeId, member }: Peer, { group, generation, report }: Message<'recoverReport'>): void {
    this.take(group, generation, nodeId, { ...report, member });
  }

  /** All have promised: the generation begins here. */
  begin({ group: number, generation, term, members }: Message<'recoverBegin'>): void {
    const { node, member } = this.services;
    const group = node.groups.get(number);
    if (
      this.parts.log.failure !== undefined ||
      !group?.promised.isHeld(generation) ||
      !this.promises.isDurable(number, generation) ||
      !members.includes(member())
    ) {
      return;
    }
    this.parts.logger.warn(
      `Partition ${number} goes on from here as generation ${generation}, behind entry ${group.raft.lastIndex}: a majority of ` +
        'its members had forgotten what they acknowledged, and this one has all that is left.',
    );
    group.recover(
      generation,
      term,
      members.filter((other) => other !== member()),
    );
    group.raft.campaign('single');
    node.wake(group);
  }

  /** Another member has begun a generation: what this one has is void, once what nobody may have is kept. */
  follow(group: StrongGroup, generation: number, nodeId: string): void {
    this.following.add(group.number);
    if (this.dropped.areKept(group, generation)) {
      this.following.delete(group.number);
      this.parts.logger.warn(
        `Partition ${group.number} was recovered from node ${nodeId}, as generation ${generation}: what this node has of ` +
          `generation ${group.generation} is void, and it fetches a snapshot.`,
      );
      group.beginGeneration(generation);
    }
  }

  private lookAt(group: StrongGroup): void {
    const { number, list } = group;
    const round = this.roundOf(number);
    round.looks++;
    if (round.looks <= list.indexOf(this.parts.view.selfId) * RANK_LOOKS || !this.isEverybodyHere(group)) {
      return;
    }
    const looksMax = round.generation > 0 ? promiseLooks(round) : ROUND_LOOKS;
    if (++round.roundLooks > looksMax || round.generation === 0) {
      this.restart(round);
    }
    if (round.generation !== BEGUN) {
      this.ask(group, round);
    }
  }

  private roundOf(number: number): Round {
    let round = this.rounds.get(number);
    if (!round) {
      round = { looks: 0, generation: 0, roundLooks: 0, tries: 0, reports: new Map() };
      this.rounds.set(number, round);
    }
    return round;
  }

  private restart(round: Round): void {
    round.generation = 0;
    round.roundLooks = 0;
    round.reports.clear();
  }

  private isEverybodyHere({ list }: StrongGroup): boolean {
    const { selfId } = this.parts.view;
    const directory = this.services.directory();
    return list.every((nodeId) => nodeId === selfId || memberNow(nodeId, directory) !== undefined);
  }

  private ask({ number, list }: StrongGroup, round: Round): void {
    const { selfId } = this.parts.view;
    const { node, member } = this.services;
    const { generation } = round;
    for (const nodeId of list) {
      if (nodeId !== selfId && !round.reports.has(nodeId)) {
        node.say(nodeId, { kind: 'recoverAsk', group: number, generation });
      }
    }
    if (!round.reports.has(selfId)) {
      this.report(number, generation, member(), (report) =>
        this.take(number, generation, selfId, { ...report, member: member() }),
      );
    }
  }

  private take(number: number, generation: number, nodeId: string, report: MemberReport): void {
    const round = this.rounds.get(number);
    const group = this.services.node.groups.get(number);
    if (!round || !group?.list.includes(nodeId) || round.generation !== generation) {
      return;
    }
    round.reports.set(nodeId, report);
    if (round.reports.size < group.list.length) {
      return;
    }
    const reports = group.list.map((of) => round.reports.get(of)!);
    round.reports.clear();
    const choice = chooseRecovery(reports);
    if (generation === 0) {
      if (choice && needsRecovery(reports)) {
        round.generation = 1 + Math.max(...reports.map((one) => Math.max(one.generation, one.promised)));
        round.roundLooks = 0;
        round.tries++;
        this.ask(group, round);
      }
    } else if (choice && reports.every((one) => one.holds && this.isStill(one))) {
      this.tellBase(number, choice.base, {
        kind: 'recoverBegin',
        group: number,
        generation,
        term: choice.term,
        members: choice.members,
      });
    } else {
      this.restart(round);
    }
  }

  private isStill({ member }: MemberReport): boolean {
    const { member: self, directory } = this.services;
    return member === self() || directory().findMember(member) !== undefined;
  }

  private tellBase(group: number, base: MemberId, message: Message<'recoverBegin'>): void {
    const { member, directory, node } = this.services;
    if (base === member()) {
      this.begin(message);
    } else {
      const peer = directory().findMember(base);
      if (peer) {
        node.say(peer.nodeId, message);
      }
    }
    // Until it leads, or has failed to: then all is looked at again.
    const round = this.rounds.get(group);
    if (round) {
      round.generation = BEGUN;
      round.roundLooks = 0;
    }
  }

  private report(
    number: number,
    generation: number,
    asker: MemberId,
    done: (report: GroupReport) => void,
  ): void {
    const { promises } = this;
    const group = this.services.node.groups.get(number);
    if (!group?.isBorn || group.isForgetting) {
      return;
    }
    const isPending = promises.isPending(number, generation, asker);
    if (isPending && promises.isNoting) {
      // Whoever asked is answered when it is on the medium.
      return;
    }
    if (!isPending) {
      const isBound = group.raft.leader !== undefined || group.raft.isHeldBack;
      if (generation <= group.generation || generation <= promises.highest(number) || isBound) {
        done(this.reportOf(group, generation, asker));
        return;
      }
      group.promise(generation);
      this.following.delete(number);
      if (asker !== this.services.member()) {
        const round = this.roundOf(number);
        this.restart(round);
        round.tries++;
        round.looks = -promiseLooks(round);
      }
    }
    promises.give(number, { generation, incarnation: this.identity.incarnation, to: asker }).then(
      () => !group.isGivenUp && done(this.reportOf(group, generation, asker)),
      (error: Error) => this.parts.logger.warn(`A recovery of partition ${number} waits: ${error.message}`),
    );
  }

  private reportOf(group: StrongGroup, generation: number, asker: MemberId): GroupReport {
    const { promises, identity } = this;
    const { number, raft } = group;
    return {
      generation: group.generation,
      isLed: raft.leader !== undefined,
      term: raft.term,
      lastTerm: raft.lastTerm,
      lastIndex: raft.lastIndex,
      isWhole: group.isComplete,
      configuration: group.knownConfiguration,
      incarnations: [identity.incarnation, ...identity.earlierIncarnations],
      isVolatile: this.parts.isVolatile,
      promised: promises.highest(number),
      holds: group.promised.isHeld(generation) && promises.isDurable(number, generation, asker),
    };
  }

  /** Whoever promised a generation that never began, while the others have a leader, is taken in as another voter. */
  private lookForLeader(group: StrongGroup): void {
    const { directory, forget } = this.services;
    const isOvertaken =
      group.isPromised &&
      !this.following.has(group.number) &&
      [...directory().all].some((peer) => directory().isUp(peer.nodeId) && peer.led.has(group.number));
    const looks = isOvertaken ? (this.overtaken.get(group.number) ?? 0) + 1 : 0;
    this.overtaken.set(group.number, looks);
    if (looks >= OVERTAKEN_LOOKS) {
      this.overtaken.clear();
      forget('it has promised a recovery that came to nothing');
    }
  }
}

function promiseLooks({ tries }: Round): number {
  return PROMISE_LOOKS * 2 ** Math.min(tries - 1, DOUBLINGS_MAX);
}
