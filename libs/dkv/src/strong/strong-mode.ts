/** Strong namespaces at one node: everything behind the calls of the Processor, from birth to the last leadership. */
import { BoundedClock } from '../cluster/bounded-clock.js';
import { type EventualCopies } from '../ports/eventual-copies.js';
import { PeerDirectory } from '../cluster/peer-directory.js';
import { keepsConfiguration } from '../model/membership.js';
import { type ShownRecord } from '../model/shown-record.js';
import { type StrongReadOptions, type StrongWrite, type StrongWritten } from '../model/strong-operations.js';
import { type Timer } from '../ports/clock.js';
import { type Membership } from '../ports/membership.js';
import { type StrongGroups } from '../ports/strong-groups.js';
import { type QuorumStatus, type StrongFigures, type StrongMode } from '../ports/strong-mode.js';
import { handOver, sayGoodbye } from './departure.js';
import { ExpirySweep } from './expiry-sweep.js';
import { figuresOf } from './figures.js';
import { Fitness } from './fitness.js';
import { Forgetting } from './forgetting.js';
import { GroupAdministration } from './group-administration.js';
import { GroupBirths } from './group-births.js';
import { type GroupServices } from './group-parts.js';
import { Leases } from './leases.js';
import { ClusterMembership } from './membership/cluster-membership.js';
import { type Identity, openStored, PeerMemory, raiseSession, takeOver } from './node-identity.js';
import { PeerChanges } from './peer-changes.js';
import { Quorums } from './quorums.js';
import { raftOptionsOf } from './raft-options.js';
import { Readiness } from './readiness.js';
import { RecoveryRounds } from './recovery-rounds.js';
import { stepReplacement } from './replacement.js';
import { snapshotSource } from './snapshots.js';
import { Standing } from './standing.js';
import { shownOf } from './call-ends.js';
import { StrongCalls } from './strong-calls.js';
import { type StrongGroup } from './strong-group.js';
import { type StrongModeParts } from './strong-mode-parts.js';
import { StrongNode } from './strong-node.js';
import { Upkeep } from './upkeep.js';
import { WorkLimits } from './work-limits.js';

const REPLACE_EVERY_TICKS = 2;

export class ReplicatedStrongMode implements StrongMode {
  private readonly node: StrongNode;
  private readonly calls: StrongCalls;
  private readonly directory: PeerDirectory;
  private readonly births: GroupBirths;
  private readonly services: GroupServices;
  private readonly sweep: ExpirySweep;
  private readonly upkeep: Upkeep;
  private timer: Timer | undefined;
  private ticks = 0;
  private isStopped = false;
  private isLeaving = false;
  private readonly memory: PeerMemory;
  private readonly forgetting: Forgetting;
  private readonly readiness: Readiness;
  private readonly boundedClock: BoundedClock;
  private readonly fitness: Fitness;
  private readonly quorumsNow: Quorums;
  private readonly leases: Leases | undefined;
  private readonly recovery: RecoveryRounds;
  private readonly peerChanges: PeerChanges;
  private readonly members: ClusterMembership;
  readonly groups: StrongGroups;
  readonly membership: Membership;

  private constructor(
    private readonly parts: StrongModeParts,
    private readonly identity: Identity,
  ) {
    const { view, clock, logger, limits, log, store } = parts;
    this.memory = new PeerMemory(parts);
    this.leases = Leases.of(parts, identity.grantedMs);
    this.boundedClock = new BoundedClock(clock, logger, limits.maxClockOffsetMs, view);
    this.directory = new PeerDirectory(
      view,
      clock,
      parts.transitions,
      limits,
      limits.maxClockOffsetMs,
      new Standing(identity, log, () => this.births.birth, {
        isFit: () => this.fitness.isFit,
        isReady: () => this.unreadyReason === undefined,
        isWritable: () => this.fitness.isWritable,
        ledNumber: () => this.node.leadership.ledNumber,
      }),
      {
        lost: (peer) => this.peerChanges.lost(peer),
        gone: (peer) => this.peerChanges.gone(peer),
        found: (peer) => this.peerChanges.found(peer),
        missed: (peer) => this.peerChanges.missed(peer),
        restarted: (peer) => this.peerChanges.restarted(peer),
        forgotten: (_peer, reason) => this.forgetting.begin(reason),
      },
      identity.peers,
    );
    this.fitness = new Fitness({
      selfId: view.selfId,
      log,
      store,
      clock: this.boundedClock,
      directory: this.directory,
      now: {
        isLeaving: () => this.isLeaving,
        isForgetting: () => this.forgetting.isUnderWay,
        isDiskSilent: () => this.upkeep.isDiskSilent,
        isBoundByLeases: () => this.leases?.grants.isStarting === true,
      },
    });
    this.node = new StrongNode({
      ...parts,
      snapshotPageBytes: limits.snapshotPageBytes,
      directory: () => this.directory,
      birth: () => this.births.birth,
      classBirth: () => this.births.classBirth,
      membership: () => this.members,
      recovery: () => this.recovery,
      leases: this.leases?.reads,
      grants: this.leases?.grants,
      member: () => this.member,
      session: () => this.identity.session,
      groupsWithoutQuorum: () => this.quorumsNow.groupsWithout,
      answered: (slot, answer) => this.calls.answer(slot, answer),
      peerLost: (nodeId) => this.calls.lost(nodeId),
      appendBegan: () => this.upkeep.appendBegan(),
      appendEnded: () => this.upkeep.appendEnded(),
      gaveUp: (group) => this.upkeep.giveUpGroup(group),
    });
    this.quorumsNow = new Quorums({
      view,
      clock,
      logger,
      groups: this.node.groups,
      directory: () => this.directory,
      birth: () => this.births.birth,
      classBirth: () => this.births.classBirth,
      member: () => this.member,
      leaderOf: (group) => this.node.leaders.leaderOf(group),
      isWritable: () => this.fitness.isWritable,
      isLeaving: () => this.isLeaving,
    });
    this.calls = new StrongCalls({
      view,
      clock,
      peerTimeoutMs: limits.peerTimeoutMs,
      ask: (nodeId, slot, group, ask) => this.node.ask(nodeId, slot, group, ask, this.calls),
      leaderOf: (group) => this.node.leaders.leaderOf(group),
      refusal: (group, key, writes) => this.quorumsNow.refusal(group, key, writes),
      raiseSession: (above) => raiseSession(identity, above, parts),
      session: () => this.identity.requestSession,
      generationOf: (group) => this.node.groups.get(group)?.generation ?? 0,
      holdsCopy: (group) => this.mayShow(this.node.groups.get(group)),
    });
    const { node, calls, directory, fitness, quorumsNow: quorums } = this;
    this.peerChanges = new PeerChanges({ node, calls, directory, fitness, quorums });
    this.groups = new GroupAdministration({
      view,
      store,
      node,
      directory,
      quorums,
      clusterId: () => this.births.birth.clusterId,
    });
    this.services = {
      nodeId: view.selfId,
      listOf: (group) => view.listOf(group),
      member: () => this.member,
      store,
      clock,
      rounds: this.leases?.reads?.over(this.node.rounds) ?? this.node.rounds,
      limits: new WorkLimits(limits),
      idempotencyTtlMs: limits.idempotencyTtlMs,
      ownApplied: (request, answer) => this.calls.ownApplied(request, answer),
      raftOptions: raftOptionsOf(parts, () => this.member, this.directory, this.leases?.grants),
      codecOf: (namespace) => parts.namespaces.get(namespace).codec,
      withoutQuorum: (group, key) => this.quorumsNow.refusalOfLeader(group, key),
      onlyRemoves: (list) => this.fitness.onlyRemoves(list),
      boundedNowMs: () => this.boundedClock.nowMs(),
      wake: (group) => this.node.wake(group as StrongGroup),
    };
    this.births = new GroupBirths(parts, identity, {
      node: this.node,
      services: this.services,
      directory: () => this.directory,
      member: () => this.member,
      promisedIn: (group) => this.recovery.promisedIn(group),
    });
    this.recovery = new RecoveryRounds(parts, identity, {
      node: this.node,
      directory: () => this.directory,
      member: () => this.member,
      isLost: (group) => this.upkeep.isLost(group),
      forget: (reason) => this.forgetting.begin(reason),
    });
    this.members = new ClusterMembership({
      ...parts,
      directory,
      node,
      calls,
      clusterId: () => this.births.birth.clusterId,
      classes: () => this.births.classes,
      follow: () => this.births.follow(),
      refusal: () => this.quorumsNow.configurationRefusal,
    });
    this.membership = this.members.changes;
    this.readiness = new Readiness(view, log, store, this.node.groups, {
      birth: () => this.births.birth,
      classBirth: () => this.births.classBirth,
      membership: () => this.members,
    });
    this.forgetting = new Forgetting(parts, this.node.groups, (incarnation) =>
      takeOver(identity, incarnation),
    );
    this.sweep = new ExpirySweep(this.node.groups, store, () => this.boundedClock.nowMs(), logger);
    this.upkeep = new Upkeep({
      groups: this.node.groups,
      directory: this.directory,
      leadership: this.node.leadership,
      log,
      store,
      clock,
      logger,
      isServed: (group) => this.node.snapshots.isServed(group),
      entryTailBytesMax: limits.entryTailBytesMax,
      electionTimeoutMs: limits.electionTimeoutMs,
      member: () => this.member,
    });
    store.attach(
      // A group that is removed was cleared before, or never had anything to write.
      (group) => this.node.groups.find(group)!.state(),
      (group) => this.upkeep.noteDamage(group),
    );
  }

  static async open(parts: StrongModeParts): Promise<ReplicatedStrongMode> {
    const mode = new ReplicatedStrongMode(...(await openStored(parts)));
    return mode.members.open().then(() => mode);
  }

  get member(): string {
    return `${this.parts.view.selfId}@${this.identity.incarnation}`;
  }

  start(copies: EventualCopies): void {
    this.members.start(copies);
    this.births.start();
    this.members.follow();
    this.tick();
  }

  /** Leaderships go first, so that nobody waits for an election; then what is under way here is answered. */
  async stop(): Promise<void> {
    this.isLeaving = true;
    const { clock } = this.parts;
    await handOver(this.node, clock, this.hasPeers, this.calls.close());
    this.isStopped = true;
    this.timer?.cancel();
    await sayGoodbye(this.node, clock, this.directory);
    this.node.stop();
  }

  /** What `read` at level `one` would give, null for nothing, where this node can say so at once; else undefined. */
  peek(namespace: string, key: string): ShownRecord | null | undefined {
    const found = this.parts.store.find(namespace, key);
    const here = found && this.node.groups.get(found.group);
    if (!found || !this.mayShow(here) || !here!.reaches(this.calls.floors.of(found.group))) {
      return undefined;
    }
    return found.record && here!.shows(found.record) ? shownOf(found.record)! : null;
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
    this.peerChanges.resend(nodeId);
  }

  get unreadyReason(): string | undefined {
    const { unreadyReason } = this.readiness;
    return unreadyReason === undefined || this.parts.log.failure || this.parts.store.failure
      ? unreadyReason
      : (this.upkeep.lostMajority ?? unreadyReason);
  }

  get degradedReason(): string | undefined {
    return [this.quorumsNow.reason, this.boundedClock.reason].filter(Boolean).join('; ') || undefined;
  }

  get quorums(): QuorumStatus {
    return this.quorumsNow.status;
  }

  get groupsLed(): number {
    return this.node.leadership.ledGroups.filter(({ group }) => !keepsConfiguration(group)).length;
  }

  get figures(): StrongFigures {
    return figuresOf(this.node);
  }

  private groupOf(namespace: string, key: string): number {
    const { view, namespaces, store } = this.parts;
    return store.groupOf(namespace, key) ?? view.partitionOf(key, namespaces.get(namespace).placement);
  }

  private get hasPeers(): boolean {
    return this.parts.view.peers.length > 0;
  }

  private mayShow(group: StrongGroup | undefined): boolean {
    return group !== undefined && group.isWhole && group.isCaughtUp;
  }

  private tick(): void {
    if (this.isStopped) {
      return;
    }
    const { clock, limits } = this.parts;
    this.ticks++;
    this.directory.tick();
    this.boundedClock.compare(this.directory);
    this.forgetting.tick();
    this.births.tick();
    this.members.tick();
    const { leadership, snapshots, rounds } = this.node;
    leadership.checkQuorums();
    leadership.checkLeaders();
    for (const group of this.node.groups.values()) {
      this.tickGroup(group);
    }
    leadership.tick(this.fitness.isFit);
    this.leases?.tick(this.node);
    if (this.ticks % REPLACE_EVERY_TICKS === 0 && this.hasPeers) {
      for (const group of this.node.groups.values()) {
        if (stepReplacement(group, this.directory, this.parts.view)) {
          this.node.wake(group);
        }
      }
    }
    snapshots.tick();
    rounds.tick();
    this.quorumsNow.look();
    this.calls.tick();
    this.sweep.tick();
    this.upkeep.tick();
    this.recovery.tick();
    this.memory.tick(() => this.directory.remembered());
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
    const { leadership, snapshots } = this.node;
    group.noticeCatchUp();
    const from = group.isFetching && !group.isForgetting ? snapshotSource(group, this.directory) : undefined;
    if (from !== undefined) {
      snapshots.fetch(group, from);
    }
    if (!raft.needsTick) {
      return;
    }
    if (raft.role === 'leader') {
      raft.tick();
    } else if (this.fitness.canLead && leadership.mayStand(group)) {
      // Where all has just started, or nobody else votes, no time-out is needed to find that nobody leads.
      if (this.ticks === 2 || raft.isSoleVoter) {
        leadership.campaignIfFirst(group);
      }
      raft.tick();
    }
    this.node.wake(group);
  }
}
