/** The failure detector between nodes, and whom a frame may come from: one heartbeat a pair, whatever the groups. */
import { type FrameHead, type NodeMessage } from '../model/node-messages.js';
import { nodeOf } from '../model/raft-messages.js';
import { type Clock } from '../ports/clock.js';
import { fingerprintOf } from './cluster-configuration.js';
import { type ClusterView } from './cluster-view.js';
import { ofAnotherCluster, strangerTo, unlikeCluster, unlikeSettings } from './fixed-settings.js';
import { type PeerTransitions } from './peer-transitions.js';
import { NEVER, type Peer, stampOf } from './peers.js';
import { type RememberedPeer, RememberedPeers } from './remembered-peers.js';

type Heartbeat = Extract<NodeMessage, { kind: 'heartbeat' }>;

export interface PeerDirectoryOptions {
  readonly heartbeatIntervalMs: number;
  /** A peer that is silent for so long is down. */
  readonly electionTimeoutMs: number;
  /** Whether discovery shows all nodes the same from the beginning: then who knows others is wrong. Default true. */
  readonly hasFixedNodes?: boolean;
}

/** What this node says of itself, as it is when a field is read. */
export interface OwnStanding {
  readonly session: number;
  readonly incarnation: string;
  readonly clusterId: string;
  /** Where the log ended when this process run began: what earlier ones may have told must be before it. */
  readonly openedPosition: number;
  readonly durablePosition: number;
  readonly isFit: boolean;
  readonly isReady: boolean;
  readonly isWritable: boolean;
  readonly ledNumber: number;
}

export interface PeerListener {
  /** The peer was up, and is silent for too long, or its connection has ended. */
  lost(peer: Peer): void;
  /** The peer is not talked to any more: it is no member now, and no guest. It need not have died. */
  gone(peer: Peer): void;
  /** The peer speaks again, or for the first time. */
  found(peer: Peer): void;
  /** The peer says that frames of this node did not reach it: what they told must be told again. */
  missed(peer: Peer): void;
  /** The peer is another process, or another incarnation, than the one that spoke last. */
  restarted(peer: Peer): void;
  /** The peer remembers more of this incarnation than this node does: it has forgotten something (rule 12). */
  forgotten(peer: Peer, reason: string): void;
}

/** A closed connection is a suspicion at once; so long may it take the peer to open another, at least. */
const RECONNECT_MS = 200;
/** So long after the close, what arrives may have been sent before it, by another connection: no sign of life. */
const LEFTOVER_MS = 50;
/** Stands for a position where the whole incarnation is void. */
const RETIRED_POSITION = Number.MAX_SAFE_INTEGER;
/** So many intervals without a tick show that this process stood still, not its peers. */
const STALL_INTERVALS = 2;

/** The other members and the guests of the view, as these come and go. */
export class PeerDirectory {
  private readonly peers = new Map<string, Peer>();
  private readonly list: Peer[] = [];
  private readonly lost = new Set<string>();
  private readonly memory: RememberedPeers;
  private lastTickMs: number;
  private stalledUntilMs = -Infinity;

  constructor(
    private readonly view: ClusterView,
    private readonly clock: Clock,
    private readonly transitions: PeerTransitions,
    private readonly options: PeerDirectoryOptions,
    private readonly maxClockOffsetMs: number,
    private readonly own: OwnStanding,
    private readonly listener: PeerListener,
    remembered: ReadonlyMap<string, RememberedPeer>,
  ) {
    this.memory = new RememberedPeers(remembered);
    this.lastTickMs = clock.monotonic();
    this.follow();
    this.memory.bound();
    view.onConfiguration(() => this.follow());
  }

  get all(): IterableIterator<Peer> {
    return this.peers.values();
  }

  find(nodeId: string): Peer | undefined {
    return this.peers.get(nodeId);
  }

  /** The node that is this member now; undefined where it is another by now. */
  findMember(member: string): Peer | undefined {
    for (const peer of this.list) {
      if (peer.member === member) {
        return peer;
      }
    }
    return undefined;
  }

  /** Whether the member's node has been heard lately, as this very incarnation. */
  isAlive(member: string): boolean {
    const peer = this.findMember(member);
    return peer !== undefined && !this.lost.has(peer.nodeId);
  }

  isUp(nodeId: string): boolean {
    return nodeId === this.view.selfId || (this.peers.has(nodeId) && !this.lost.has(nodeId));
  }

  /** Whether the node has said, and keeps durably, that it knows a configuration of that epoch or a later one. */
  knows(nodeId: string, epoch: number): boolean {
    return (this.peers.get(nodeId)?.epoch ?? -1) >= epoch;
  }

  /** Whether each peer has said what it remembers of this node, or has been silent for so long that it is down. */
  get hasHeardAll(): boolean {
    return this.list.every((peer) => peer.hasIntroducedItself || this.view.stateOf(peer.nodeId) === 'down');
  }

  /** After a pause of this process nothing that it believes of its peers is worth a campaign. */
  get isStalled(): boolean {
    return this.clock.monotonic() < this.stalledUntilMs;
  }

  /**
   * Whose frame it is; undefined where it must not be looked at: from neither a member nor a guest, of another configuration, of an earlier
   * process run, of a frame that came before, or for an incarnation that this node is not.
   */
  accept(head: FrameHead): Peer | undefined {
    const { from, session, toIncarnation, toSession, configuration } = head;
    const nodeId = nodeOf(from);
    const peer = this.peers.get(nodeId);
    if (configuration !== this.view.configuration) {
      this.refuse(nodeId, unlikeSettings(`Node ${nodeId} and this node`));
      return undefined;
    }
    if (!peer) {
      if (this.view.epoch === 0 && this.options.hasFixedNodes !== false) {
        this.refuse(nodeId, strangerTo('this node', nodeId));
      }
      return undefined;
    }
    if (toIncarnation === this.own.incarnation && toSession > this.own.session) {
      // Process runs of a folder rise: the peer has heard one that this folder knows nothing of.
      this.listener.forgotten(peer, `node ${nodeId} has heard a later process run of it`);
      return undefined;
    }
    // Whoever came back with another folder must be learnt of even by a frame for the one that this node was before: where
    // both have, neither would ever listen to the other.
    const isAdmitted = this.admit(peer, from.slice(nodeId.length + 1), session);
    if (toIncarnation !== '' && toIncarnation !== this.own.incarnation) {
      return undefined;
    }
    return isAdmitted && peer.takeSequence(head.isBulk, head.sequence) ? peer : undefined;
  }

  /** Whether a frame is of a node that is neither a member nor a guest: it may say that it would like to be one. */
  isStranger({ from, configuration }: FrameHead): boolean {
    return (
      this.view.epoch > 0 &&
      configuration === this.view.configuration &&
      !this.peers.has(nodeOf(from)) &&
      nodeOf(from) !== this.view.selfId
    );
  }

  /** Whether a frame is of one that knows this process run, and has said who it is: else only heartbeats are taken. */
  isBound(peer: Peer, { toSession }: FrameHead): boolean {
    return peer.hasIntroducedItself && toSession === this.own.session;
  }

  heartbeat(peer: Peer, heartbeat: Heartbeat): void {
    const own = this.own;
    if (own.clusterId !== '' && heartbeat.clusterId !== '' && own.clusterId !== heartbeat.clusterId) {
      this.transitions.refused({
        peer: peer.nodeId,
        reason: 'cluster',
        message: ofAnotherCluster(peer.nodeId, heartbeat.clusterId, own.clusterId),
      });
      return;
    }
    const both = [this.ownFingerprint, heartbeat.fingerprint];
    if (heartbeat.epoch === 0 && !both.includes('') && both[0] !== both[1]) {
      this.refuse(peer.nodeId, unlikeCluster(peer.nodeId));
      return;
    }
    peer.take(heartbeat, this.clock, this.maxClockOffsetMs);
    if (heartbeat.missedFrames !== peer.missedByIt) {
      peer.missedByIt = heartbeat.missedFrames;
      this.listener.missed(peer);
    }
    this.view.setSkewed(peer.nodeId, Math.abs(peer.clockOffsetMs) > this.maxClockOffsetMs);
    this.transitions.clockSeen(peer.nodeId, peer.clockOffsetMs, this.maxClockOffsetMs);
    // This run's own positions say nothing: while it lives it forgets nothing. And its log grows at once, so what
    // earlier runs told is held against where they left it.
    const earlier = Math.max(
      heartbeat.rememberedPosition,
      heartbeat.lastSession === own.session ? 0 : heartbeat.lastPosition,
    );
    if (heartbeat.rememberedIncarnation === own.incarnation && earlier > own.openedPosition) {
      this.listener.forgotten(
        peer,
        earlier === RETIRED_POSITION
          ? `node ${peer.nodeId} knows that another took the place of this incarnation`
          : `node ${peer.nodeId} remembers its log up to position ${earlier}, which ended at ${own.openedPosition}`,
      );
    }
    this.heard(peer);
  }

  /** Any byte is a sign of life. */
  heard(peer: Peer): void {
    peer.refused = '';
    const now = this.clock.monotonic();
    peer.heardAtMs = now;
    const wasLost = this.lost.delete(peer.nodeId);
    if (wasLost || (peer.isDisconnected && now - peer.closedAtMs > LEFTOVER_MS)) {
      peer.disconnectedAtMs = NEVER;
      this.view.setState(peer.nodeId, 'up');
    }
    if (wasLost) {
      this.transitions.up(peer.nodeId);
      this.listener.found(peer);
    }
  }

  /** The peer says that it stops: what ends from now on ends in order. */
  goodbye({ nodeId }: Peer): void {
    this.transitions.leaving(nodeId);
  }

  disconnected(nodeId: string): void {
    const peer = this.peers.get(nodeId);
    if (peer) {
      peer.closedAtMs = this.clock.monotonic();
    }
    if (peer && !peer.isDisconnected && !this.lost.has(nodeId)) {
      peer.disconnectedAtMs = peer.closedAtMs;
      this.view.setState(nodeId, 'suspect');
      // Timers count whole milliseconds, and may be early by a part of one.
      this.clock.schedule(this.reconnectMs + 1, () => this.look());
    }
  }

  /** Once a heartbeat interval. */
  tick(): void {
    const now = this.clock.monotonic();
    const { heartbeatIntervalMs, electionTimeoutMs } = this.options;
    if (now - this.lastTickMs > STALL_INTERVALS * heartbeatIntervalMs) {
      this.stalledUntilMs = now + heartbeatIntervalMs;
      // Nobody was listened to meanwhile: their silence says nothing.
      for (const peer of this.peers.values()) {
        peer.heardAtMs = Math.max(peer.heardAtMs, now - electionTimeoutMs + 2 * heartbeatIntervalMs);
      }
    }
    this.lastTickMs = now;
    this.look();
  }

  /** Of the cluster that is to be made; '' for one that is agreed on, or is made of whoever is there. */
  private get ownFingerprint(): string {
    return this.view.epoch === 0 && this.options.hasFixedNodes !== false
      ? fingerprintOf(this.view.agreed)
      : '';
  }

  /** What this node says to a peer of both. */
  heartbeatFor(peer: Peer): Heartbeat {
    const { clusterId, durablePosition, isFit, isReady, isWritable, ledNumber } = this.own;
    const now = this.clock.monotonic();
    return {
      kind: 'heartbeat',
      sentAtMs: this.clock.now(),
      stampMs: stampOf(now),
      echoMs: peer.stampMs,
      echoAgeMs: peer.stampMs === 0 ? 0 : Math.floor(now - peer.stampedAtMs),
      clusterId,
      epoch: this.view.epoch,
      fingerprint: this.ownFingerprint,
      durablePosition,
      rememberedPosition: peer.refused === '' ? peer.earlierPosition : RETIRED_POSITION,
      lastPosition: peer.durablePosition,
      lastSession: peer.session,
      rememberedIncarnation: peer.refused === '' ? peer.incarnation : peer.refused,
      isFit,
      isReady,
      isWritable,
      ledNumber,
      missedFrames: peer.missedFrames,
    };
  }

  remembered(): Record<string, RememberedPeer> {
    return this.memory.noteWith(this.peers.values());
  }

  /** Whoever is a member or a guest now is a peer, and nobody else. */
  private follow(): void {
    const others = new Set(this.view.others.map(({ nodeId }) => nodeId));
    for (const nodeId of others) {
      if (!this.peers.has(nodeId)) {
        const peer = this.memory.back(nodeId);
        peer.awaitedSinceMs = this.clock.monotonic();
        this.peers.set(nodeId, peer);
        this.list.push(peer);
        this.lost.add(nodeId);
      }
    }
    const gone = this.list.filter(({ nodeId }) => !others.has(nodeId));
    for (const peer of gone) {
      this.peers.delete(peer.nodeId);
      this.list.splice(this.list.indexOf(peer), 1);
      this.lost.delete(peer.nodeId);
      this.memory.went(peer);
    }
    for (const peer of gone) {
      this.listener.gone(peer);
    }
  }

  private refuse(peer: string, message: string): void {
    this.transitions.refused({ peer, reason: 'configuration', message });
  }

  /** Whether a heartbeat is of the process that is known, or of one that takes its place. */
  private admit(peer: Peer, incarnation: string, session: number): boolean {
    if (peer.incarnation === incarnation && peer.session === session) {
      return true;
    }
    // Process runs of one folder rise, those of two folders do not: clocks go back, and empty folders know no run.
    if (peer.incarnation === incarnation && session < peer.session) {
      return false;
    }
    const isHeard =
      peer.hasIntroducedItself && !this.lost.has(peer.nodeId) && !peer.isDisconnected && this.isFresh(peer);
    if (peer.retired.includes(incarnation)) {
      // Either a frame that came late, or an old copy of its folder: then a heartbeat tells it so.
      peer.refused = isHeard ? '' : incarnation;
      return false;
    }
    if (isHeard) {
      this.transitions.refused({
        peer: peer.nodeId,
        reason: 'identity',
        message:
          `Two processes run under the node id ${peer.nodeId}: the later one is not listened to as long as the earlier ` +
          'one answers. Give each a node id and a data folder of its own.',
      });
      return false;
    }
    const isKnown = peer.session !== 0 && peer.hasIntroducedItself;
    peer.restart(incarnation, session);
    peer.hasIntroducedItself = false;
    if (isKnown) {
      this.listener.restarted(peer);
    }
    if (!this.lost.has(peer.nodeId)) {
      // What closed was a connection of the process before: nothing that is heard from now on would end the suspicion.
      this.view.setState(peer.nodeId, 'up');
      this.transitions.restarted(peer.nodeId);
    }
    return true;
  }

  /** Whether the peer was heard so lately that its process must be alive. */
  private isFresh(peer: Peer): boolean {
    return this.clock.monotonic() - peer.heardAtMs < 3 * this.options.heartbeatIntervalMs;
  }

  /** Long enough for a heartbeat that was not on its way when the connection closed. */
  private get reconnectMs(): number {
    return Math.max(RECONNECT_MS, LEFTOVER_MS + 1.5 * this.options.heartbeatIntervalMs);
  }

  private look(): void {
    const now = this.clock.monotonic();
    for (const peer of this.peers.values()) {
      const silentMs = now - Math.max(peer.heardAtMs, peer.awaitedSinceMs);
      const isLost =
        silentMs > this.options.electionTimeoutMs || now - peer.disconnectedAtMs >= this.reconnectMs;
      if (isLost && !this.lost.has(peer.nodeId)) {
        this.lost.add(peer.nodeId);
        this.view.setState(peer.nodeId, 'down');
        const why = peer.isDisconnected
          ? 'its connection ended'
          : `nothing was heard of it for ${Math.floor(silentMs)} ms`;
        this.transitions.down(peer.nodeId, why);
        this.listener.lost(peer);
      } else if (isLost && this.view.stateOf(peer.nodeId) === 'suspect') {
        this.view.setState(peer.nodeId, 'down');
        this.transitions.unseen(peer.nodeId);
      }
    }
  }
}
