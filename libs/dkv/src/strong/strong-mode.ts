/** Strong namespaces at one node: everything behind the calls of the Processor, from birth to the last leadership. */
import { Birth, CLUSTER_META, type ClusterNote, NO_CLUSTER } from '../cluster/birth.js';
import { type ClusterView } from '../cluster/cluster-view.js';
import { type Namespaces } from '../cluster/namespaces.js';
import { type OwnStanding, PeerDirectory, type RememberedPeer } from '../cluster/peer-directory.js';
import { type Peer } from '../cluster/peers.js';
import { majorityOf } from '../model/consistency.js';
import { hex12 } from '../model/hex.js';
import { type Configuration, NO_CONFIGURATION } from '../model/raft-messages.js';
import { type ShownRecord } from '../model/shown-record.js';
import { type StrongReadOptions, type StrongWrite, type StrongWritten } from '../model/strong-operations.js';
import { type Clock, type Timer } from '../ports/clock.js';
import { type LocalKvRepo } from '../ports/local-kv-repo.js';
import { type Logger } from '../ports/logger.js';
import { type NodeLog } from '../ports/node-log.js';
import { type Random } from '../ports/random.js';
import { type RemoteKvRepo } from '../ports/remote-kv-repo.js';
import { type StrongMode } from '../ports/strong-mode.js';
import { type StrongStore } from '../ports/strong-store.js';
import { ExpirySweep } from './expiry-sweep.js';
import { incarnationOf, newIncarnation, noteIncarnation } from './incarnation.js';
import { LostMajorities } from './lost-majorities.js';
import { isGoneMember, stepReplacement } from './replacement.js';
import { shownOf, StrongCalls } from './strong-calls.js';
import { type StoredGroup } from './stored-group.js';
import { type GroupServices, StrongGroup } from './strong-group.js';
import { StrongNode } from './strong-node.js';
import { type WorkLimitOptions, WorkLimits } from './work-limits.js';

export interface StrongLimits extends WorkLimitOptions {
  readonly heartbeatIntervalMs: number;
  readonly electionTimeoutMs: number;
  readonly maxClockOffsetMs: number;
  readonly peerTimeoutMs: number;
  readonly idempotencyTtlMs: number;
  /** Entries that are kept in memory behind what is applied, for followers, of all groups. */
  readonly entryTailBytesMax: number;
}

export interface StrongModeParts {
  readonly view: ClusterView;
  readonly namespaces: Namespaces;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly remote: RemoteKvRepo;
  readonly log: NodeLog;
  readonly store: StrongStore;
  readonly meta: Pick<LocalKvRepo, 'getMeta' | 'putMeta'>;
  readonly limits: StrongLimits;
  /** What was found in store and log, by group. */
  readonly stored: ReadonlyMap<number, StoredGroup>;
  /** Why this node may have forgotten what it acknowledged; undefined where it cannot have (rule 12). */
  readonly forgot: string | undefined;
  /** The node has taken a new incarnation, durably. */
  readonly acceptForgetting: () => Promise<void>;
}

const SESSION_META = 'session';
const PEERS_META = 'peers';
/** Process runs of one millisecond are told apart by so many. */
const SESSIONS_PER_MS = 1_024;
const REPLACE_EVERY_TICKS = 2;
const COMPACT_EVERY_TICKS = 10;
const REMEMBER_EVERY_TICKS = 10;
/** How long a stop waits for leaderships to be taken over. */
const LEAVE_MS = 2_000;

interface Identity {
  incarnation: string;
  /** This process run. */
  readonly session: number;
  /** Under which requests are made: this process run, or a later one that has to be pretended. */
  requestSession: number;
  readonly cluster: ClusterNote;
  readonly peers: ReadonlyMap<string, RememberedPeer>;
}

export class ReplicatedStrongMode implements StrongMode {
  private readonly node: StrongNode;
  private readonly calls: StrongCalls;
  private readonly directory: PeerDirectory;
  private readonly birth: Birth;
  private readonly services: GroupServices;
  private readonly sweep: ExpirySweep;
  private readonly lostMajorities: LostMajorities;
  private timer: Timer | undefined;
  private ticks = 0;
  private isStopped = false;
  private isLeaving = false;
  private reincarnating: Promise<void> | undefined;
  private rememberedText = '';
  /** Why it must become another voter, where that could not be noted yet. */
  private mustForget: string | undefined;
  private isClockRight = true;
  /** Not above 0: so much is taken off this node's clock. */
  private heldBackMs = 0;
  /** The bounded time of the last tick, and when that was by the monotonic clock. */
  private tickedNowMs: number;
  private tickedAtMs: number;

  private constructor(
    private readonly parts: StrongModeParts,
    private readonly identity: Identity,
  ) {
    const { view, clock, logger, limits, log, store, remote, random } = parts;
    this.tickedNowMs = clock.now();
    this.tickedAtMs = clock.monotonic();
    this.directory = new PeerDirectory(
      view,
      clock,
      logger,
      limits,
      limits.maxClockOffsetMs,
      this.standing(),
      {
        lost: (peer) => this.lost(peer),
        found: (peer) => this.found(peer),
        missed: (peer) => this.resend(peer.nodeId),
        restarted: (peer) => this.restarted(peer),
        forgotten: (_peer, reason) => this.forget(reason),
      },
      identity.peers,
    );
    this.node = new StrongNode({
      view,
      clock,
      logger,
      log,
      store,
      remote,
      directory: () => this.directory,
      birth: () => this.birth,
      member: () => this.member,
      session: () => this.identity.session,
      answered: (slot, answer) => this.calls.answer(slot, answer),
      peerLost: (nodeId) => this.calls.lost(nodeId),
    });
    this.calls = new StrongCalls({
      view,
      clock,
      peerTimeoutMs: limits.peerTimeoutMs,
      ask: (nodeId, slot, group, ask) => this.node.ask(nodeId, slot, group, ask, this.calls),
      leaderOf: (group) => this.node.leaders.leaderOf(group),
      raiseSession: (above) => this.raiseSession(above),
      session: () => this.identity.requestSession,
      holdsCopy: (group) => this.mayShow(this.node.groups.get(group)),
    });
    this.birth = new Birth(
      {
        self: this.member,
        selfId: view.selfId,
        nodeIds: view.members.map(({ node }) => node.nodeId),
        directory: () => this.directory,
        logger,
        newClusterId: () => hex12(Math.floor(random.next() * 2 ** 48)),
        post: (nodeId, message) => this.node.say(nodeId, message),
        note: (cluster) => parts.meta.putMeta(CLUSTER_META, JSON.stringify(cluster)),
        born: (cluster) => this.born(cluster),
      },
      identity.cluster,
    );
    this.services = {
      member: () => this.member,
      store,
      clock,
      rounds: this.node.rounds,
      limits: new WorkLimits(limits),
      idempotencyTtlMs: limits.idempotencyTtlMs,
      raft: {
        random,
        electionTicks: Math.max(2, Math.ceil(limits.electionTimeoutMs / limits.heartbeatIntervalMs / 3)),
        resendTicks: 3,
        appendBytesMax: 1024 * 1024,
        inflightBytesMax: 4 * 1024 * 1024,
        isGone: (member) => isGoneMember(member, this.directory),
      },
      codecOf: (namespace) => parts.namespaces.get(namespace).codec,
      boundedNowMs: () => this.boundedNowMs(),
      wake: (group) => this.node.wake(group),
    };
    this.lostMajorities = new LostMajorities(
      this.node.groups,
      () => this.directory,
      () => this.member,
      clock,
      logger,
    );
    this.sweep = new ExpirySweep(this.node.groups, store, () => this.boundedNowMs(), logger);
    store.attach((group) => this.node.groups.get(group)!.state());
  }

  /** Reads, or makes, what names this node; resolves when it is durable. */
  static async open(parts: StrongModeParts): Promise<ReplicatedStrongMode> {
    const { meta, clock, random, logger, forgot, view } = parts;
    const read = async <T>(name: string, otherwise: T): Promise<T> => {
      const text = await meta.getMeta(name);
      return text === undefined ? otherwise : (JSON.parse(text) as T);
    };
    const known = await incarnationOf(meta);
    const isNew = known === undefined || forgot !== undefined;
    const incarnation = isNew ? newIncarnation(random) : known;
    if (forgot !== undefined && known !== undefined) {
      logger.warn(
        `Node ${view.selfId} may have forgotten what it acknowledged: ${forgot}. It goes on as a new voter, and the ` +
          'others bring it up to date.',
      );
    }
    if (isNew) {
      await noteIncarnation(meta, incarnation);
    }
    if (forgot !== undefined) {
      await parts.acceptForgetting();
    }
    const session = sessionAfter(await read(SESSION_META, 0), clock, random);
    await meta.putMeta(SESSION_META, JSON.stringify(session));
    const cluster = await read(CLUSTER_META, NO_CLUSTER);
    const peers = new Map(Object.entries(await read<Record<string, RememberedPeer>>(PEERS_META, {})));
    return new ReplicatedStrongMode(parts, {
      incarnation,
      session,
      requestSession: session,
      cluster,
      peers,
    });
  }

  get member(): string {
    return `${this.parts.view.selfId}@${this.identity.incarnation}`;
  }

  start(): void {
    this.makeGroups();
    this.tick();
  }

  /** Leaderships go first, so that nobody waits for an election; then what is under way here is answered. */
  async stop(): Promise<void> {
    this.isLeaving = true;
    const { clock } = this.parts;
    const untilMs = clock.monotonic() + LEAVE_MS;
    const closing = this.calls.close();
    this.node.leadership.leave();
    this.node.wakeChanged();
    while (this.node.leadership.leads && clock.monotonic() < untilMs && this.hasPeers) {
      await new Promise<void>((resolve) => clock.schedule(20, resolve));
    }
    await Promise.race([closing, new Promise<void>((resolve) => clock.schedule(LEAVE_MS, resolve))]);
    this.isStopped = true;
    this.timer?.cancel();
    this.node.stop();
  }

  /** What `read` at level `one` would give, null for nothing, where this node can say so at once; else undefined. */
  peek(namespace: string, key: string): ShownRecord | null | undefined {
    const group = this.groupOf(namespace, key);
    const here = this.node.groups.get(group);
    if (!this.mayShow(here) || here!.applied < this.calls.floorOf(group)) {
      return undefined;
    }
    const record = this.parts.store.peek(group, namespace, key);
    if (record === undefined) {
      return undefined;
    }
    return record && here!.shows(record) ? shownOf(record)! : null;
  }

  read(namespace: string, key: string, options: StrongReadOptions): Promise<ShownRecord | undefined> {
    return this.calls.read(this.groupOf(namespace, key), namespace, key, options);
  }

  write(write: StrongWrite): Promise<StrongWritten> {
    if (this.parts.log.failure && !this.hasPeers) {
      return Promise.reject(this.parts.log.failure);
    }
    return this.calls.write(this.groupOf(write.namespace, write.key), write);
  }

  receive(_from: string, frame: Uint8Array): void {
    this.node.receive(frame);
  }

  disconnected(nodeId: string): void {
    this.directory.disconnected(nodeId);
    this.resend(nodeId);
  }

  /** Frames to the node are lost: what they told is told again, what they asked is asked again. */
  private resend(nodeId: string): void {
    this.calls.lost(nodeId);
    const member = this.directory.find(nodeId)?.member;
    if (member !== undefined) {
      for (const { raft } of this.node.groups.values()) {
        raft.unreachable(member);
      }
      this.node.wakeChanged();
    }
  }

  /** Undefined when this node does its part: it may be that others do not. */
  get unreadyReason(): string | undefined {
    const { log } = this.parts;
    if (log.failure) {
      return `its log takes nothing: ${log.failure.message}`;
    }
    if (this.node.groups.size === 0) {
      return undefined;
    }
    if (!this.birth.isBorn) {
      const { missing } = this.birth;
      return missing.length > 0
        ? `the cluster is not born yet: not seen so far: ${missing.join(', ')}`
        : 'the cluster is being born';
    }
    const groups = [...this.node.groups.values()];
    const strangers = groups.filter(({ raft }) => !raft.isVoter && this.hasQuorumUp(raft.configuration));
    if (strangers.length > 0) {
      const { reason } = this.lostMajorities;
      return reason ?? `it is not yet a voter in ${strangers.length} of its ${groups.length} partitions`;
    }
    const behind = groups.filter((group) => !group.isCaughtUp && this.isReachable(group));
    return behind.length > 0
      ? `${behind.length} of its ${groups.length} partitions are catching up`
      : undefined;
  }

  /** Own groups in which no majority can be reached: writes of their keys are refused. */
  get groupsWithoutQuorum(): number {
    return [...this.node.groups.values()].filter((group) => !this.isReachable(group)).length;
  }

  private groupOf(namespace: string, key: string): number {
    const { view, namespaces } = this.parts;
    return view.partitionOf(key, namespaces.get(namespace).copies);
  }

  private get hasPeers(): boolean {
    return this.parts.view.peers.length > 0;
  }

  private isReachable({ number }: StrongGroup): boolean {
    const { view } = this.parts;
    return view.reachable(number).length >= majorityOf(view.copiesOf(number));
  }

  private hasQuorumUp({ voters }: Configuration): boolean {
    return voters.length === 0 || this.hasPeers;
  }

  private mayShow(group: StrongGroup | undefined): boolean {
    return group !== undefined && group.isWhole && group.isCaughtUp;
  }

  /** Asked for one or two fields with every frame, so each is looked up when it is read. */
  private standing(): OwnStanding {
    // eslint-disable-next-line @typescript-eslint/no-this-alias -- getters of an object literal have a `this` of their own
    const mode = this;
    return {
      get session() {
        return mode.identity.session;
      },
      get incarnation() {
        return mode.identity.incarnation;
      },
      get clusterId() {
        return mode.birth.clusterId;
      },
      get openedPosition() {
        return mode.parts.log.openedPosition;
      },
      get durablePosition() {
        return mode.parts.log.durablePosition;
      },
      get isFit() {
        return mode.isFit;
      },
      get isReady() {
        return mode.unreadyReason === undefined;
      },
      get ledNumber() {
        return mode.node.leadership.ledNumber;
      },
    };
  }

  /** Whether leaderships are well placed here. */
  private get isFit(): boolean {
    return this.canLead && this.isClockRight;
  }

  /** Whether it may stand for election: where it is not fit, but the only one with all of a log, somebody must. */
  private get canLead(): boolean {
    return (
      !this.isLeaving &&
      this.parts.log.failure === undefined &&
      !this.directory.isStalled &&
      !this.reincarnating
    );
  }

  /**
   * This node's clock where it agrees with the others, held back where it is ahead of most (rule 19). What the others'
   * clocks say is as of the last tick; a clock that was set since may be ahead of what it showed then by one offset only.
   */
  private boundedNowMs(): number {
    const { clock, limits } = this.parts;
    const sinceTickMs = clock.monotonic() - this.tickedAtMs;
    const bound = this.tickedNowMs + sinceTickMs + limits.maxClockOffsetMs;
    return Math.floor(Math.min(clock.now() + this.heldBackMs, bound));
  }

  /** Holds this node's clock against the others'; with fewer than three nobody knows which is right. */
  private compareClocks(): void {
    const { clock, limits } = this.parts;
    const offsets = [0];
    for (const peer of this.directory.all) {
      if (peer.hasIntroducedItself && this.directory.isUp(peer.nodeId)) {
        offsets.push(peer.clockOffsetMs);
      }
    }
    offsets.sort((a, b) => a - b);
    const median = offsets.length < 3 ? 0 : offsets[offsets.length >> 1]!;
    this.isClockRight = Math.abs(median) <= limits.maxClockOffsetMs;
    this.heldBackMs = Math.min(0, median + limits.maxClockOffsetMs);
    this.tickedNowMs = this.ticks <= 1 ? clock.now() + this.heldBackMs : this.boundedNowMs();
    this.tickedAtMs = clock.monotonic();
  }

  private makeGroups(): void {
    const { view, namespaces, stored } = this.parts;
    const classes = new Set<number>();
    for (const { mode, copies } of namespaces) {
      if (mode === 'strong') {
        classes.add(copies);
      }
    }
    for (const copies of classes) {
      const first = (view.ring.copies - copies) * view.ring.partitions;
      for (let number = first; number < first + view.ring.partitions; number++) {
        const list = view.listOf(number);
        if (list.includes(view.selfId)) {
          const found = stored.get(number) ?? NOTHING_STORED;
          this.node.groups.set(
            number,
            new StrongGroup(number, list, this.services, found, this.birthConfiguration(list)),
          );
        }
      }
    }
  }

  /** Who votes in a group without entries: the first incarnations of its nodes, where this one is among the first. */
  private birthConfiguration(list: readonly string[]): Configuration {
    const { members, isBorn } = this.birth;
    if (!isBorn || !members.includes(this.member)) {
      return NO_CONFIGURATION;
    }
    const voters = list.map((nodeId) => members.find((member) => member.startsWith(`${nodeId}@`))!);
    return { voters, outgoing: [], learners: [] };
  }

  private born({ clusterId, members }: ClusterNote): void {
    const { logger, view } = this.parts;
    const isFirst = members.includes(this.member);
    logger.log(
      isFirst
        ? `Cluster ${clusterId} is born: ${view.members.length} nodes.`
        : `Node ${view.selfId} joins cluster ${clusterId}, which exists, with an empty folder.`,
    );
    for (const group of this.node.groups.values()) {
      group.beBorn(this.birthConfiguration(group.list));
      this.node.leadership.campaignIfFirst(group);
      this.node.wake(group);
    }
  }

  private tick(): void {
    if (this.isStopped) {
      return;
    }
    const { clock, limits } = this.parts;
    this.ticks++;
    this.directory.tick();
    this.compareClocks();
    if (this.mustForget !== undefined) {
      this.forget(this.mustForget);
    }
    this.birth.tick();
    const { leadership, snapshots, rounds } = this.node;
    leadership.checkQuorums();
    for (const group of this.node.groups.values()) {
      this.tickGroup(group);
    }
    leadership.tick(this.isFit);
    if (this.ticks % REPLACE_EVERY_TICKS === 0 && this.hasPeers) {
      for (const group of this.node.groups.values()) {
        if (stepReplacement(group, this.directory)) {
          this.node.wake(group);
        }
      }
    }
    snapshots.tick();
    rounds.tick();
    this.calls.tick();
    this.sweep.tick();
    if (this.ticks % COMPACT_EVERY_TICKS === 0) {
      this.lostMajorities.look();
      this.compact();
    }
    if (this.ticks % REMEMBER_EVERY_TICKS === 0) {
      this.remember();
    }
    leadership.noteLed();
    for (const peer of this.directory.all) {
      if (peer.ledAskedTicks > 0 && ++peer.ledAskedTicks > 3) {
        peer.ledAskedTicks = 0;
      }
      this.node.say(peer.nodeId, this.directory.heartbeatFor(peer));
    }
    this.node.wakeChanged();
    this.timer = clock.schedule(limits.heartbeatIntervalMs, () => this.tick());
  }

  private tickGroup(group: StrongGroup): void {
    const { raft } = group;
    group.noticeCatchUp();
    if (group.isFetching) {
      const { leader } = raft;
      if (leader !== undefined && this.directory.isAlive(leader)) {
        this.node.snapshots.fetch(group, leader);
      }
    }
    if (!raft.needsTick) {
      return;
    }
    if (raft.role === 'leader') {
      raft.tick();
    } else if (group.isWhole && this.birth.isBorn && this.canLead) {
      // Where all has just started, the preferred leader need not wait for a time-out to find that nobody leads.
      if (this.ticks === 2) {
        this.node.leadership.campaignIfFirst(group);
      }
      raft.tick();
    }
    this.node.wake(group);
  }

  /** Entries that every member has are forgotten; also others, where too many are kept for members that are away. */
  private compact(): void {
    let bytes = 0;
    for (const group of this.node.groups.values()) {
      bytes += group.compact(false, (member) => member === this.member || this.directory.isAlive(member));
    }
    if (bytes > this.parts.limits.entryTailBytesMax) {
      for (const group of this.node.groups.values()) {
        group.compact(true, () => false);
      }
    }
  }

  private lost(peer: Peer): void {
    this.parts.logger.warn(`Node ${peer.nodeId} is silent: its partitions are led by others now.`);
    this.calls.lost(peer.nodeId);
    this.node.leadership.nodeLost(peer.nodeId);
    this.node.wakeChanged();
  }

  private found(peer: Peer): void {
    this.node.say(peer.nodeId, this.directory.heartbeatFor(peer));
    this.resend(peer.nodeId);
  }

  /** Another process is another follower of nobody: what it led has no leader, what it was asked has no answer. */
  private restarted(peer: Peer): void {
    this.calls.lost(peer.nodeId);
    this.node.leadership.nodeLost(peer.nodeId);
    this.found(peer);
  }

  private remember(): void {
    const text = JSON.stringify(this.directory.remembered());
    if (text !== this.rememberedText) {
      this.rememberedText = text;
      this.parts.meta
        .putMeta(PEERS_META, text)
        .catch((error: Error) =>
          this.parts.logger.warn(`What peers have said was not noted: ${error.message}`),
        );
    }
  }

  private raiseSession(above: number): void {
    if (above >= this.identity.requestSession) {
      const session = sessionAfter(above, this.parts.clock, this.parts.random);
      this.parts.meta.putMeta(SESSION_META, JSON.stringify(session)).then(
        () => (this.identity.requestSession = Math.max(this.identity.requestSession, session)),
        (error: Error) => this.parts.logger.warn(`A later process run was not noted: ${error.message}`),
      );
    }
  }

  /** This node may have forgotten what it acknowledged: it goes on as another voter, never as the old one. */
  private forget(reason: string): void {
    if (this.reincarnating) {
      return;
    }
    const { logger, view, meta, random } = this.parts;
    logger.warn(
      `Node ${view.selfId} may have forgotten what it acknowledged: ${reason}. It goes on as a new voter.`,
    );
    this.mustForget = reason;
    const incarnation = newIncarnation(random);
    for (const group of this.node.groups.values()) {
      group.suspend();
    }
    this.reincarnating = noteIncarnation(meta, incarnation).then(
      () => {
        this.identity.incarnation = incarnation;
        this.mustForget = undefined;
        for (const group of this.node.groups.values()) {
          group.reincarnate();
        }
        this.reincarnating = undefined;
      },
      (error: Error) => {
        // Tried again at the next tick; until then the groups say and count nothing.
        this.reincarnating = undefined;
        logger.error(`The new incarnation could not be noted: ${error.message}`);
      },
    );
  }
}

const NOTHING_STORED: StoredGroup = {
  state: undefined,
  hardState: undefined,
  entries: [],
  resetAt: 0,
  generation: 0,
};

/** Rises with every process run, also when the clock was set back, as far as the folder tells. */
function sessionAfter(last: number, clock: Clock, random: Random): number {
  const byClock = clock.now() * SESSIONS_PER_MS + Math.floor(random.next() * SESSIONS_PER_MS);
  return Math.max(last + 1, byClock);
}
