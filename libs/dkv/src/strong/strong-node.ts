/** All groups of a node, driven by the turn of the event loop: one append and one frame a peer, however much happened. */
import { type ClusterView } from '../cluster/cluster-view.js';
import { type RateLimit } from '../cluster/rate-limit.js';
import { Outbox } from '../cluster/frames/outbox.js';
import { type Ask, type ConfirmedGroup, lentMessage, type NodeMessage } from '../model/node-messages.js';
import { type AddressedMessage, type MemberId, type RaftMessage } from '../model/raft-messages.js';
import { NO_MESSAGES } from '../raft/raft-interface.js';
import { emptyOutput } from '../raft/raft-group.js';
import { type Clock } from '../ports/clock.js';
import { type NodeLog } from '../ports/node-log.js';
import { type RemoteKvRepo } from '../ports/remote-kv-repo.js';
import { type StrongStore } from '../ports/strong-store.js';
import { CommitAnnouncements } from './commit-announcements.js';
import { type FrameTarget, InboundFrames, type InboundServices, NOT_HERE } from './inbound-frames.js';
import { GivingUp } from './giving-up.js';
import { type LeftBehind } from './raft-states.js';
import { GroupAppends } from './group-appends.js';
import { Leadership } from './leadership.js';
import { Leaders } from './leaders.js';
import { ReadRounds, type RoundLeases } from './read-rounds.js';
import { Snapshots } from './snapshots.js';
import { type Asker } from './group-parts.js';
import { type StoredGroup } from './stored-group.js';
import { type StrongGroup } from './strong-group.js';
import { GroupList } from './group-list.js';

/** Groups may wake each other in a turn; what goes on longer is given to the next turn. */
const PASSES_MAX = 16;

export interface StrongNodeParts extends InboundServices {
  readonly view: ClusterView;
  readonly clock: Clock;
  readonly log: NodeLog;
  readonly store: StrongStore;
  readonly snapshotPageBytes: number;
  readonly transferRate: RateLimit;
  readonly remote: Pick<RemoteKvRepo, 'post'>;
  /** This node, as the groups know it now. */
  readonly member: () => MemberId;
  /** Undefined where leaders have none. */
  readonly leases: RoundLeases | undefined;
  readonly session: () => number;
  /** Own groups that take no writes. */
  readonly groupsWithoutQuorum: () => ReadonlySet<number>;
  readonly peerLost: (nodeId: string) => void;
  /** An append was handed to the log; it has ended, durable or not. */
  readonly appendBegan: () => void;
  readonly appendEnded: () => void;
  /** The node has no part in the group any more. */
  readonly gaveUp: (group: number) => void;
}

/** Moves what groups say and write; what they mean is theirs. */
export class StrongNode implements FrameTarget {
  readonly groups = new GroupList();
  readonly rounds: ReadRounds;
  readonly outbox: Outbox;
  readonly snapshots: Snapshots;
  readonly leadership: Leadership;
  readonly leaders: Leaders;
  readonly inbound: InboundFrames;
  private readonly appends: GroupAppends;
  private readonly givingUp: GivingUp;
  private awake: StrongGroup[] = [];
  /** Groups that may have something to apply which nobody is answered for. */
  private following: StrongGroup[] = [];
  private readonly announcements: CommitAnnouncements;
  private isTurnDue = false;
  private isInTurn = false;
  private isStopped = false;
  /** Filled in by each group in turn. */
  private readonly reusedOutput = emptyOutput();
  private readonly lent = lentMessage();

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
        const peer = directory().find(nodeId);
        return peer?.refused === '' ? peer : NOBODY;
      },
    };
    this.inbound = new InboundFrames(this, parts);
    this.outbox = new Outbox(view, remote, sender, (nodeId) => this.dropped(nodeId));
    this.rounds = new ReadRounds(
      member,
      (nodeId, round, groups) => this.say(nodeId, { kind: 'confirm', round, groups: groups.map(named) }),
      parts.leases,
    );
    this.appends = new GroupAppends({
      log,
      logger,
      began: parts.appendBegan,
      ended: parts.appendEnded,
      isStopped: () => this.isStopped,
      post: (group, messages) => this.post(group, messages),
      wake: (group) => this.wake(group),
    });
    this.announcements = new CommitAnnouncements(clock, {
      announceTo: (group, nodeId) => this.announceTo(group, nodeId),
      announce: (group) => this.output(group, true),
      dueTurn: () => this.dueTurn(),
    });
    this.leadership = new Leadership(view.selfId, this.groups, directory, clock, parts.groupsWithoutQuorum);
    this.leaders = new Leaders(view, directory, this.groups);
    this.snapshots = new Snapshots({
      store,
      log,
      logger,
      groups: this.groups,
      pageBytes: parts.snapshotPageBytes,
      rate: parts.transferRate,
      post: (nodeId, message) => this.say(nodeId, message),
      wake: (group) => this.wake(group),
      isStopped: () => this.isStopped,
    });
    const { groups, snapshots } = this;
    this.givingUp = new GivingUp({ groups, log, store, snapshots, forget: (group) => this.forget(group) });
  }

  /** The node has no part in the group any more: see {@link GivingUp.giveUp}. */
  giveUp(group: number, left: LeftBehind): Promise<void> {
    return this.givingUp.giveUp(group, left);
  }

  /** See {@link GivingUp.givenUp}. */
  givenUp(group: number): StoredGroup | undefined {
    return this.givingUp.givenUp(group);
  }

  private forget(group: number): void {
    this.leadership.giveUp(group);
    this.parts.recovery().giveUp(group);
    this.parts.gaveUp(group);
  }

  /** The group has output, or entries to apply. */
  wake(group: StrongGroup): void {
    if (!group.isAwake) {
      group.isAwake = true;
      this.awake.push(group);
    }
    this.dueTurn();
  }

  /** The group was told something. Most often it answers; of the last acknowledgement nothing comes, and no turn either. */
  stepped(group: StrongGroup): void {
    if (group.raft.hasOutput || group.raft.commit > group.applied) {
      this.wake(group);
    } else {
      this.announcements.note(group);
    }
  }

  /** Says something to a peer at the end of this turn. */
  say(nodeId: string, message: NodeMessage): void {
    this.outbox.add(nodeId, message);
    this.dueTurn();
  }

  sayBulk(nodeId: string, message: NodeMessage): boolean {
    return this.outbox.addBulk(nodeId, message);
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

  /** A frame of a peer. */
  receive(frame: Uint8Array): void {
    if (!this.isStopped) {
      this.inbound.receive(frame);
    }
  }

  stop(): void {
    this.isStopped = true;
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

  /** What was begun is ended when this turn of the event loop is over. */
  dueTurn(): void {
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
    for (let pass = 0; pass < PASSES_MAX && (this.awake.length > 0 || pass === 0); pass++) {
      this.pass();
    }
    this.rounds.flush();
    this.announcements.flush(this.outbox.receivers);
    this.appends.flush();
    this.outbox.flush();
    // Peers are at work by now, beside what only this node's own readers and callers will see.
    this.applyFollowing();
    this.isInTurn = false;
    if (this.awake.length > 0 || !this.outbox.isEmpty) {
      this.dueTurn();
    }
  };

  /** The node that is answered can show at once what it is told of. */
  announceTo(group: StrongGroup, nodeId: string): void {
    const peer = this.parts.directory().find(nodeId);
    const mayTell = peer !== undefined && !group.isSuspended && !group.isSilent;
    const message = mayTell ? group.raft.announcementFor(peer.member) : undefined;
    if (message) {
      this.sayOf(group, nodeId, message);
    }
  }

  private pass(): void {
    const { awake } = this;
    this.awake = [];
    for (const group of awake) {
      if (group.raft.role === 'leader') {
        this.write(group);
      } else {
        this.output(group, false);
      }
    }
    // Nearly always it is durable at once: then what leaders send says so, and a follower's copy makes a majority.
    this.appends.flush();
    for (const group of awake) {
      group.isAwake = false;
      this.output(group, false);
    }
    this.appends.flush();
    for (const group of awake) {
      // Nobody is answered by a member that does not lead, nor did.
      if (group.wasLeader || group.raft.role === 'leader') {
        this.apply(group);
      } else {
        this.following.push(group);
      }
    }
  }

  private applyFollowing(): void {
    const { following } = this;
    if (following.length > 0) {
      this.following = [];
      for (const group of following) {
        this.apply(group);
      }
    }
  }

  private apply(group: StrongGroup): void {
    group.applyCommitted();
    this.announcements.note(group);
    if (group.raft.hasOutput && !group.isSuspended && !this.parts.log.failure) {
      this.wake(group);
    }
  }

  /** What a group has to write goes into the append of this turn, what it has to say to the outbox. */
  private output(group: StrongGroup, announceCommit: boolean): void {
    const { log, directory } = this.parts;
    const { raft } = group;
    // While the log takes nothing, a group keeps what it has to write and say: it is looked at once a tick.
    if (group.isSuspended || log.failure || (!raft.hasOutput && !announceCommit)) {
      return;
    }
    const output = raft.takeOutput({ announceCommit }, this.reusedOutput);
    this.post(group, output.messages);
    this.appends.add(group, output, output.durableMessages);
    if (output.snapshotFrom && directory().isAlive(output.snapshotFrom.member)) {
      this.snapshots.fetch(group, output.snapshotFrom.member);
    }
  }

  /** Of a group's output what it has to write. */
  private write(group: StrongGroup): void {
    const { raft } = group;
    if (!group.isSuspended && !this.parts.log.failure && raft.hasWrites) {
      raft.takeWrites(this.reusedOutput);
      this.appends.add(group, this.reusedOutput, NO_MESSAGES);
    }
  }

  /** As `say`. Most of what is said is of groups: one object serves it all, since the outbox keeps none. */
  private sayOf({ number, generation }: StrongGroup, nodeId: string, message: RaftMessage): void {
    const { lent } = this;
    lent.group = number;
    lent.generation = generation;
    lent.message = message;
    this.say(nodeId, lent);
  }

  private post(group: StrongGroup, messages: readonly AddressedMessage[]): void {
    if (group.isSilent) {
      return;
    }
    const directory = this.parts.directory();
    for (let at = 0; at < messages.length; at++) {
      const { to, message } = messages[at]!;
      if (message.type === 'appended' && !group.mayAcknowledge) {
        continue;
      }
      // Whatever is said to an incarnation that is gone would be dropped by the one that is there.
      const peer = directory.findMember(to);
      if (peer) {
        this.sayOf(group, peer.nodeId, message);
        if (message.type === 'appended') {
          group.raft.acknowledgementLeft(message.term, message.index);
        }
      }
    }
  }
}

/** Whom a frame is for that must not be dropped by an old copy of a folder. */
const NOBODY = Object.freeze({ incarnation: '', session: 0 });

const named = ({ group, generation, term }: ConfirmedGroup) => ({ group, generation, term });
