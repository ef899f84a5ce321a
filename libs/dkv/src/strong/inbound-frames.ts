/** What other nodes say to this one, frame by frame: who may say what, and which part of the node it is for. */
import { type Birth } from '../cluster/birth.js';
import { type ClassBirth } from '../cluster/class-birth.js';
import { readFrame } from '../cluster/frames/node-message-layout.js';
import { type PeerDirectory } from '../cluster/peer-directory.js';
import { type Peer } from '../cluster/peers.js';
import { isDkvError } from '../dkv.errors.js';
import {
  type Answer,
  type Ask,
  type ConfirmedGroup,
  type FrameHead,
  type NodeMessage,
} from '../model/node-messages.js';
import { type MemberId, nodeOf } from '../model/raft-messages.js';
import { type Logger } from '../ports/logger.js';
import { type ClusterMembership } from './membership/cluster-membership.js';
import { type Asker } from './group-parts.js';
import { type Leadership } from './leadership.js';
import { type MessageSender, PeerRun } from './peer-run.js';
import { type RecoveryRounds } from './recovery-rounds.js';
import { type LeaseGrants } from './lease-grants.js';
import { type ReadRounds } from './read-rounds.js';
import { type Snapshots } from './snapshots.js';
import { type GroupList } from './group-list.js';
import { type StrongGroup } from './strong-group.js';

/** The node, as far as frames have to do with it. */
export interface FrameTarget extends MessageSender {
  readonly groups: GroupList;
  readonly rounds: ReadRounds;
  readonly leadership: Leadership;
  readonly snapshots: Snapshots;
  /** After a message of a peer. */
  stepped(group: StrongGroup): void;
  wakeChanged(): void;
  dueTurn(): void;
  /** Tells the node of a commit that it is about to be answered with. */
  announceTo(group: StrongGroup, nodeId: string): void;
}

export interface InboundServices {
  readonly directory: () => PeerDirectory;
  readonly birth: () => Birth;
  readonly classBirth: () => ClassBirth;
  readonly membership: () => ClusterMembership;
  readonly recovery: () => RecoveryRounds;
  /** Undefined where leaders have no leases. */
  readonly grants: LeaseGrants | undefined;
  readonly logger: Logger;
  /** Answers to questions that this node asked. */
  readonly answered: (slot: number, answer: Answer) => void;
}

/** The answer to who asks for a group that this node has no member in. */
export const NOT_HERE: Answer = Object.freeze({ type: 'retry', leader: '', session: 0 } as const);

export class InboundFrames {
  /** Who asked last, by node. */
  private readonly runs = new Map<string, PeerRun>();

  constructor(
    private readonly node: FrameTarget,
    private readonly services: InboundServices,
  ) {}

  /** A frame of a peer. Never throws: what is malformed is logged, and what came before it counts. */
  receive(frame: Uint8Array): void {
    const directory = this.services.directory();
    let peer: Peer | undefined;
    let head: FrameHead | undefined;
    try {
      readFrame(
        frame,
        (found) => {
          head = found;
          peer = directory.accept(found);
          return peer !== undefined || directory.isStranger(found);
        },
        (message) => (peer ? this.take(peer, head!, message) : this.takeOfStranger(head!, message)),
      );
    } catch (error) {
      if (!isDkvError(error, 'DKV_PROTOCOL')) {
        throw error;
      }
      this.services.logger.warn(`A frame of node ${peer?.nodeId ?? 'unknown'} was dropped: ${error.message}`);
    }
    if (peer && directory.isBound(peer, head!)) {
      directory.heard(peer);
    }
  }

  /** The node is not talked to any more. */
  forget(nodeId: string): void {
    this.runs.delete(nodeId);
    for (const { askers } of this.node.groups.values()) {
      askers.delete(nodeId);
    }
  }

  private take(peer: Peer, head: FrameHead, message: NodeMessage): void {
    const directory = this.services.directory();
    if (message.kind === 'heartbeat') {
      directory.heartbeat(peer, message);
      if (message.ledNumber !== peer.ledNumber && peer.ledAskedTicks === 0) {
        peer.ledAskedTicks = 1;
        this.node.say(peer.nodeId, { kind: 'askLed' });
      }
      if (peer.hasIntroducedItself) {
        this.services.membership().heard(peer, message.epoch);
      }
      return;
    }
    // Before the peer has told what it remembers of this node, nothing that it says may be acted upon (rule 12).
    if (directory.isBound(peer, head)) {
      this.act(peer, message);
    }
  }

  /** Whoever has the key of the cluster may ask to be a member, and nothing else. */
  private takeOfStranger({ from }: FrameHead, message: NodeMessage): void {
    if (message.kind === 'guest' && message.node.nodeId === nodeOf(from)) {
      this.services.membership().receive(message.node, message);
    }
  }

  private act(peer: Peer, message: Exclude<NodeMessage, { kind: 'heartbeat' }>): void {
    const { nodeId } = peer;
    const birth = this.services.birth();
    switch (message.kind) {
      case 'birth':
        return birth.receiveBirth(peer, message);
      case 'birthAccepted':
        return birth.receiveAccepted(peer, message.clusterId);
      case 'born':
        return birth.receiveBorn(message.clusterId);
      case 'birthContested':
        return birth.receiveContested(peer, message.clusterId);
      case 'birthWithdrawn':
        return birth.receiveWithdrawn(peer, message.clusterId);
      case 'class':
        return this.services.classBirth().receive(peer, message);
      case 'raft':
        return this.step(peer, message);
      case 'ask':
        return this.askedBy(this.runOf(peer), message.slot, message.group, message.ask);
      case 'answer':
        return this.services.answered(message.slot, message.answer);
      case 'confirm':
        return this.confirm(peer, message.round, message.groups);
      case 'confirmed':
        return this.node.rounds.confirmed(peer.member, message.round, message.exceptions);
      case 'askLed': {
        const { ledNumber: number, ledGroups: groups, withoutQuorum } = this.node.leadership;
        return this.node.say(nodeId, { kind: 'led', number, groups, withoutQuorum });
      }
      case 'led':
        peer.takeLed(message);
        this.node.leadership.ledBy(peer.member, peer.led);
        this.node.wakeChanged();
        return;
      case 'fetch':
        return this.node.snapshots.serve(this.runOf(peer), message);
      case 'page':
        return this.node.snapshots.receive(message);
      case 'recoverAsk':
        return this.services.recovery().asked(peer, message);
      case 'recoverReport':
        return this.services.recovery().reported(peer, message);
      case 'goodbye':
        return this.services.directory().goodbye(peer);
      case 'recoverBegin':
        return this.services.recovery().begin(message);
      case 'guest':
      case 'askConfiguration':
      case 'configuration':
      case 'arrived':
      case 'copied':
      case 'copying':
      case 'mayGiveUp':
      case 'giveUp':
        return this.services.membership().receive(peer, message);
    }
  }

  private step(
    peer: Peer,
    { group: number, generation, message }: Extract<NodeMessage, { kind: 'raft' }>,
  ): void {
    const group = this.node.groups.get(number);
    if (!group || (message.type === 'timeoutNow' && !group.mayLead)) {
      // Who lacks a snapshot could be elected for its log, and would then have nobody to fetch the records from.
      return;
    }
    if (group.mayBegin(generation)) {
      this.services.recovery().follow(group, generation, peer.nodeId);
    }
    if (group.generation === generation && !group.isSuspended && group.isBorn) {
      group.raft.step(peer.member, message);
      if (message.type === 'preVote') {
        this.node.leadership.stoodForElection(peer.member, group);
      }
      this.node.stepped(group);
    }
  }

  private askedBy(run: PeerRun, slot: number, number: number, ask: Ask): void {
    const group = this.node.groups.get(number);
    if (group) {
      group.ask(this.askerOf(group, run), slot, ask);
      this.node.dueTurn();
    } else {
      run.say({ kind: 'answer', slot, answer: NOT_HERE });
    }
  }

  private askerOf(group: StrongGroup, run: PeerRun): Asker {
    const { nodeId } = run;
    let asker = group.askers.get(nodeId);
    if (asker?.run !== run) {
      asker = {
        run,
        member: run.member,
        answer: (slot, answer) => {
          if (answer.type === 'done' && answer.isLogged && !run.isOver) {
            this.node.announceTo(group, nodeId);
          }
          run.say({ kind: 'answer', slot, answer });
        },
      };
      group.askers.set(nodeId, asker);
    }
    return asker;
  }

  /** The process run that speaks for the peer now. */
  private runOf(peer: Peer): PeerRun {
    let run = this.runs.get(peer.nodeId);
    if (!run || run.isOver) {
      run = new PeerRun(peer, this.node);
      this.runs.set(peer.nodeId, run);
    }
    return run;
  }

  /**
   * Whether this node follows the peer, as a voter and at this moment, in each group that it names: rule 17. Where leaders
   * have leases, it grants one with its answer.
   */
  private confirm({ nodeId, member }: Peer, round: number, asked: readonly ConfirmedGroup[]): void {
    const { grants } = this.services;
    const exceptions = asked
      .filter((one) => !this.follows(member, one) || grants?.give(one.group, member) === false)
      .map(({ group }) => group);
    this.node.say(nodeId, { kind: 'confirmed', round, exceptions });
  }

  protected follows(member: MemberId, { group: number, generation, term }: ConfirmedGroup): boolean {
    const group = this.node.groups.get(number);
    return (
      group !== undefined &&
      group.isBorn &&
      !group.isSuspended &&
      group.generation === generation &&
      group.raft.term === term &&
      group.raft.leader === member &&
      group.raft.isVoter
    );
  }
}
