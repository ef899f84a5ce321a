/** All groups of a node, driven by the turn of the event loop: one append and one frame a peer, however much happened. */
import { isDkvError } from '../dkv.errors.js';
import { type Birth } from '../cluster/birth.js';
import { type ClusterView } from '../cluster/cluster-view.js';
import { readFrame } from '../cluster/frames/node-message-layout.js';
import { Outbox } from '../cluster/frames/outbox.js';
import { type PeerDirectory } from '../cluster/peer-directory.js';
import { type Peer } from '../cluster/peers.js';
import {
  type Answer,
  type Ask,
  type ConfirmedGroup,
  type FrameHead,
  type NodeMessage,
} from '../model/node-messages.js';
import { type AddressedMessage, type MemberId } from '../model/raft-messages.js';
import { type RaftGroup } from '../raft/raft-group.js';
import { type Clock } from '../ports/clock.js';
import { type Logger } from '../ports/logger.js';
import { type NodeLog } from '../ports/node-log.js';
import { type RemoteKvRepo } from '../ports/remote-kv-repo.js';
import { type StrongStore } from '../ports/strong-store.js';
import { Leadership } from './leadership.js';
import { Leaders } from './leaders.js';
import { nodeOf, ReadRounds } from './read-rounds.js';
import { Snapshots } from './snapshots.js';
import { type Asker, type StrongGroup } from './strong-group.js';

/** What one group put into an append, and what may follow once that is durable. */
interface PendingAppend {
  readonly group: StrongGroup;
  /** As which member. */
  readonly raft: RaftGroup;
  /** Of the last entry; 0 where there was none. */
  readonly lastIndex: number;
  readonly lastTerm: number;
  readonly messages: readonly AddressedMessage[];
}

/** Groups may wake each other in a turn; what goes on longer is given to the next turn. */
const PASSES_MAX = 16;

export interface StrongNodeParts {
  readonly view: ClusterView;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly log: NodeLog;
  readonly store: StrongStore;
  readonly remote: Pick<RemoteKvRepo, 'post'>;
  readonly directory: () => PeerDirectory;
  readonly birth: () => Birth;
  /** This node, as the groups know it now. */
  readonly member: () => MemberId;
  readonly session: () => number;
  /** Answers to questions that this node asked. */
  readonly answered: (slot: number, answer: Answer) => void;
  readonly peerLost: (nodeId: string) => void;
}

/** Moves what groups say and write; what they mean is theirs. */
export class StrongNode {
  readonly groups = new Map<number, StrongGroup>();
  readonly rounds: ReadRounds;
  readonly outbox: Outbox;
  readonly snapshots: Snapshots;
  readonly leadership: Leadership;
  readonly leaders: Leaders;
  private awake: StrongGroup[] = [];
  /** Groups whose followers are to be told what is committed, unless an append tells them before. */
  private unannounced: StrongGroup[] = [];
  private announcing: StrongGroup[] = [];
  private isTurnDue = false;
  private isInTurn = false;
  private isStopped = false;
  private appends: PendingAppend[] = [];

  constructor(private readonly parts: StrongNodeParts) {
    const { view, remote, directory, clock, store, log, logger, member } = parts;
    const sender = {
      get member() {
        return member();
      },
      get session() {
        return parts.session();
      },
      peer: (nodeId: string) => {
        const peer = directory().find(nodeId)!;
        return peer.refused === '' ? peer : NOBODY;
      },
    };
    this.outbox = new Outbox(view, remote, sender, (nodeId) => this.dropped(nodeId));
    this.rounds = new ReadRounds(member, (nodeId, round, groups) =>
      this.say(nodeId, { kind: 'confirm', round, groups: groups.map(confirmedOf) }),
    );
    this.leadership = new Leadership(view.selfId, this.groups, directory, clock);
    this.leaders = new Leaders(view, directory, this.groups);
    this.snapshots = new Snapshots({
      store,
      log,
      logger,
      groups: this.groups,
      post: (nodeId, message) => this.say(nodeId, message),
      postBulk: (nodeId, message) => this.outbox.addBulk(nodeId, message),
      wake: (group) => this.wake(group),
      isStopped: () => this.isStopped,
    });
  }

  /** The group has output, or entries to apply. */
  wake(group: StrongGroup): void {
    if (!group.isAwake) {
      group.isAwake = true;
      this.awake.push(group);
    }
    this.dueTurn();
  }

  /** Says something to a peer at the end of this turn. */
  say(nodeId: string, message: NodeMessage): void {
    this.outbox.add(nodeId, message);
    this.dueTurn();
  }

  /** A question of this node's own callers, to a group here or to another node. */
  ask(nodeId: string, slot: number, group: number, ask: Ask, own: Asker): void {
    if (nodeId !== this.parts.view.selfId) {
      this.say(nodeId, { kind: 'ask', slot, group, ask });
      return;
    }
    const here = this.groups.get(group);
    if (here) {
      here.ask(own, slot, ask);
      this.dueTurn();
    } else {
      own.answer(slot, NOT_HERE);
    }
  }

  /** A frame of a peer. Never throws: what is malformed is logged, and what came before it counts. */
  receive(frame: Uint8Array): void {
    if (this.isStopped) {
      return;
    }
    const directory = this.parts.directory();
    let peer: Peer | undefined;
    let head: FrameHead | undefined;
    try {
      readFrame(
        frame,
        (found) => {
          head = found;
          peer = directory.accept(found);
          return peer !== undefined;
        },
        (message) => this.take(peer!, head!, message),
      );
    } catch (error) {
      if (!isDkvError(error, 'DKV_PROTOCOL')) {
        throw error;
      }
      this.parts.logger.warn(`A frame of node ${peer?.nodeId ?? 'unknown'} was dropped: ${error.message}`);
    }
    if (peer && directory.isBound(peer, head!)) {
      directory.heard(peer);
    }
  }

  stop(): void {
    this.isStopped = true;
  }

  private take(peer: Peer, head: FrameHead, message: NodeMessage): void {
    const directory = this.parts.directory();
    if (message.kind === 'heartbeat') {
      directory.heartbeat(peer, message);
      if (message.ledNumber !== peer.ledNumber && peer.ledAskedTicks === 0) {
        peer.ledAskedTicks = 1;
        this.say(peer.nodeId, { kind: 'askLed' });
      }
      return;
    }
    // Before the peer has told what it remembers of this node, nothing that it says may be acted upon (rule 12).
    if (directory.isBound(peer, head)) {
      this.act(peer, message);
    }
  }

  private act(peer: Peer, message: Exclude<NodeMessage, { kind: 'heartbeat' }>): void {
    const { nodeId } = peer;
    const birth = this.parts.birth();
    switch (message.kind) {
      case 'birth':
        return birth.receiveBirth(peer, message.clusterId, message.members);
      case 'birthAccepted':
        return birth.receiveAccepted(peer, message.clusterId);
      case 'born':
        return birth.receiveBorn(message.clusterId, message.members);
      case 'raft':
        return this.step(peer, message);
      case 'ask':
        return this.askedBy(nodeId, message.slot, message.group, message.ask);
      case 'answer':
        return this.parts.answered(message.slot, message.answer);
      case 'confirm':
        return this.confirm(peer, message.round, message.groups);
      case 'confirmed':
        return this.rounds.confirmed(peer.member, message.round, message.exceptions);
      case 'askLed': {
        const { ledNumber: number, ledGroups: groups } = this.leadership;
        return this.say(nodeId, { kind: 'led', number, groups });
      }
      case 'led':
        peer.takeLed(message.number, message.groups);
        this.leadership.ledBy(peer.member, peer.led);
        this.wakeChanged();
        return;
      case 'fetch':
        return this.snapshots.serve(nodeId, message);
      case 'page':
        return this.snapshots.receive(message);
    }
  }

  private step(
    peer: Peer,
    { group: number, generation, message }: Extract<NodeMessage, { kind: 'raft' }>,
  ): void {
    const group = this.groups.get(number);
    if (!group || (message.type === 'timeoutNow' && !group.isWhole)) {
      // Who lacks a snapshot could be elected for its log, and would then have nobody to fetch the records from.
      return;
    }
    if (generation > group.generation && !group.isSuspended && this.parts.birth().isBorn) {
      this.parts.logger.warn(
        `Partition ${number} was recovered by an operator, as generation ${generation}: what this node has of ` +
          `generation ${group.generation} is void, and it fetches a snapshot.`,
      );
      group.beginGeneration(generation);
    }
    if (group.generation === generation && !group.isSuspended && this.parts.birth().isBorn) {
      group.raft.step(peer.member, message);
      this.wake(group);
    }
  }

  private askedBy(nodeId: string, slot: number, number: number, ask: Ask): void {
    const group = this.groups.get(number);
    const asker: Asker = {
      answer: (of, answer) => this.say(nodeId, { kind: 'answer', slot: of, answer }),
    };
    if (group) {
      group.ask(asker, slot, ask);
      this.dueTurn();
    } else {
      asker.answer(slot, NOT_HERE);
    }
  }

  /** Whether this node follows the peer, as a voter and at this moment, in each group that it names: rule 17. */
  private confirm(peer: Peer, round: number, asked: readonly ConfirmedGroup[]): void {
    const exceptions = asked
      .filter((confirmed) => !this.follows(peer.member, confirmed))
      .map(({ group }) => group);
    this.say(peer.nodeId, { kind: 'confirmed', round, exceptions });
  }

  protected follows(member: MemberId, { group: number, generation, term }: ConfirmedGroup): boolean {
    const group = this.groups.get(number);
    return (
      group !== undefined &&
      group.generation === generation &&
      group.raft.term === term &&
      group.raft.leader === member &&
      group.raft.isVoter
    );
  }

  /** Groups that a look at leaderships has changed. */
  wakeChanged(): void {
    for (const group of this.groups.values()) {
      if (group.raft.hasOutput) {
        this.wake(group);
      }
    }
  }

  /** A frame could not be handed over: whatever it was to tell is said again when the node is found again. */
  private dropped(nodeId: string): void {
    const member = this.parts.directory().find(nodeId)?.member;
    if (member === undefined) {
      return;
    }
    for (const { raft } of this.groups.values()) {
      if (raft.role === 'leader') {
        raft.unreachable(member);
      }
    }
    this.parts.peerLost(nodeId);
  }

  private dueTurn(): void {
    if (!this.isTurnDue && !this.isInTurn && !this.isStopped) {
      this.isTurnDue = true;
      this.parts.clock.endOfTurn(this.turn);
    }
  }

  private readonly turn = (): void => {
    this.isTurnDue = false;
    if (this.isStopped) {
      return;
    }
    this.isInTurn = true;
    this.announcing = this.unannounced;
    this.unannounced = [];
    for (let pass = 0; pass < PASSES_MAX && (this.awake.length > 0 || pass === 0); pass++) {
      this.pass();
    }
    for (const group of this.announcing) {
      if (group.raft.hasUnannouncedCommit) {
        this.output(group, true);
      }
    }
    this.flushLog();
    this.rounds.flush();
    this.outbox.flush();
    this.isInTurn = false;
    if (this.awake.length > 0 || this.unannounced.length > 0) {
      this.dueTurn();
    }
  };

  private pass(): void {
    const { awake } = this;
    this.awake = [];
    for (const group of awake) {
      group.isAwake = false;
      this.output(group, false);
    }
    this.flushLog();
    for (const group of awake) {
      group.applyCommitted();
      if (group.raft.hasUnannouncedCommit) {
        this.unannounced.push(group);
      }
      if (group.raft.hasOutput && !group.isSuspended && !this.parts.log.failure) {
        this.wake(group);
      }
    }
  }

  /** What a group has to write goes into the append of this turn, what it has to say to the outbox. */
  private output(group: StrongGroup, announceCommit: boolean): void {
    const { log, directory } = this.parts;
    const { number, generation, raft } = group;
    // While the log takes nothing, a group keeps what it has to write and say: it is looked at once a tick.
    if (group.isSuspended || log.failure || (!raft.hasOutput && !announceCommit)) {
      return;
    }
    const output = raft.takeOutput({ announceCommit });
    const { reset, hardState, entries } = output;
    if (reset) {
      log.addReset(number, generation, reset.index, reset.term);
    }
    if (hardState) {
      log.addHardState(number, { generation, term: hardState.term, vote: hardState.vote });
    }
    for (const { term, index, kind, data } of entries) {
      log.addEntry(number, generation, term, index, kind, data);
    }
    this.post(group, output.messages);
    if (reset || hardState || entries.length > 0 || output.durableMessages.length > 0) {
      const last = entries.at(-1);
      this.appends.push({
        group,
        raft,
        lastIndex: last?.index ?? 0,
        lastTerm: last?.term ?? 0,
        messages: output.durableMessages,
      });
    }
    if (output.snapshotFrom && directory().isAlive(output.snapshotFrom.member)) {
      this.snapshots.fetch(group, output.snapshotFrom.member);
    }
  }

  private flushLog(): void {
    const { appends } = this;
    if (appends.length === 0) {
      return;
    }
    this.appends = [];
    this.parts.log.flush((error) => {
      if (this.isStopped) {
        return;
      }
      for (const { group, raft, lastIndex, lastTerm, messages } of appends) {
        if (group.raft !== raft) {
          // It has become another member meanwhile, for which nothing of this was said.
          continue;
        }
        if (error) {
          // What it has to write again is tried at the next tick: the log may refuse for long.
          raft.appendFailed();
          group.noticeLeadership();
        } else {
          if (lastIndex > 0) {
            raft.appended(lastTerm, lastIndex);
          }
          this.post(group, messages);
          this.wake(group);
        }
      }
      if (error) {
        this.parts.logger.error(`What was to be appended to the log is not durable: ${error.message}`);
      }
    });
  }

  private post({ number, generation }: StrongGroup, messages: readonly AddressedMessage[]): void {
    const directory = this.parts.directory();
    for (const { to, message } of messages) {
      const nodeId = nodeOf(to);
      // Whatever is said to an incarnation that is gone would be dropped by the one that is there.
      if (directory.find(nodeId)?.member === to) {
        this.say(nodeId, { kind: 'raft', group: number, generation, message });
      }
    }
  }
}

/** Whom a frame is for that must not be dropped by an old copy of a folder. */
const NOBODY = Object.freeze({ incarnation: '', session: 0 });
const NOT_HERE: Answer = Object.freeze({ type: 'retry', leader: '', session: 0 } as const);

function confirmedOf({ group, generation, term }: ConfirmedGroup): ConfirmedGroup {
  return { group, generation, term };
}
