/** Breaks a cluster in strong mode at random times: as much as its rules promise to survive, and mends it in the end. */
import { type PeerDirectory } from '../../src/cluster/peer-directory.js';
import { isDkvError } from '../../src/dkv.errors.js';
import { type NodeCopy, type TestCluster, type TestNode } from './sim-cluster.js';
import { cutTail, isLostForGood, WorldFaults } from './world-faults.js';
import { type SimRandom } from './sim-random.js';
import { type FaultName, faultsOf, MOODS } from './strong-fault-choice.js';
import { doAllVote, groupsOf, memberOf } from './group-facts.js';

export interface StrongFaultOptions {
  readonly durability: 'wal' | 'fsync';
  /** Whether one node at a time may forget: where a majority of every group is left without it. */
  readonly forgets: boolean;
  /** Whether the clock of one node may be off by hours. */
  readonly wildClocks: boolean;
  /** Whether leaders have leases: then monotonic clocks tick at rates that differ. */
  readonly leaseReads: boolean;
  readonly faultsMax?: number;
  /** Whether all may lose power at a time, and with it what was not synced. */
  readonly hasBlackouts: boolean;
}

const COPY_EVERY_MS = 1_000;
/** Peers note on their disks once a second what they were told of each other. */
const COPY_AGE_MS = 2_200;
const START_ATTEMPTS_MAX = 10;
const BLACKOUT_RATE = 0.25;
const BLACKOUT_FROM_MS_MAX = 4_000;

export class StrongFaults extends WorldFaults {
  count = 0;
  private running = false;
  /** The node that may have forgotten, until it votes again in all its groups: no other may forget meanwhile. */
  private forgetful: string | undefined;
  private readonly busy = new Set<string>();
  private readonly restarts = new Set<Promise<void>>();
  private readonly copies = new Map<string, { copy: NodeCopy; position: number; atMs: number }>();
  /** As whom the node that may have forgotten was known before; '' where none ever may have. */
  forgottenMember = '';
  private copiedMs = 0;
  private pausedUntilMs = 0;
  private readonly faults: readonly FaultName[];
  /** From when on the run may have its one blackout; Infinity where it has none, or no more. */
  private blackoutFromMs: number;
  hadBlackout = false;
  /** What a disk said to have synced and had not: damage in the middle of a log, which is an operator's case. */
  private hasFailedSyncs = false;

  constructor(
    cluster: TestCluster,
    random: SimRandom,
    private readonly options: StrongFaultOptions,
    /** Of a loss that the node itself cannot see: it goes on as its old self until a peer has told it. */
    private readonly onForget: (nodeId: string) => void,
  ) {
    super(cluster, random, options.wildClocks);
    this.faults = faultsOf(random.pick(MOODS), options.leaseReads);
    const chance = random.fork('blackout');
    const hasBlackout = options.hasBlackouts && options.durability === 'wal' && chance.chance(BLACKOUT_RATE);
    this.blackoutFromMs = hasBlackout ? chance.int(BLACKOUT_FROM_MS_MAX) : Infinity;
  }

  begin(): void {
    this.running = true;
    void this.strike();
  }

  end(): void {
    this.running = false;
  }

  /** Heals links, disks and clocks, and starts whoever is down or will not write again by itself. */
  async repairAll(): Promise<void> {
    const { cluster } = this;
    cluster.heal();
    for (const nodeId of cluster.nodeIds) {
      const node = cluster.node(nodeId);
      node.disk.heal();
      node.folder.heal();
      this.setOffset(node, 0);
    }
    await Promise.all(this.restarts);
    const busyUntilMs = cluster.nodeIds.map((nodeId) => cluster.node(nodeId).folder.busyUntilMs);
    const wellMs = Math.max(this.pausedUntilMs, ...busyUntilMs);
    await cluster.scheduler.sleep(Math.max(0, wellMs - cluster.scheduler.nowMs));
    for (const nodeId of cluster.nodeIds) {
      const node = cluster.node(nodeId);
      if (node.alive && isLostForGood(node)) {
        node.kill();
      }
      if (!node.alive) {
        await this.startAgain(node);
      }
    }
  }

  private async strike(): Promise<void> {
    const { scheduler } = this.cluster;
    while (this.running) {
      await scheduler.sleep(50 + this.random.int(1_500));
      this.takeCopies();
      if (this.running && this.count < (this.options.faultsMax ?? Infinity)) {
        this.count++;
        if (this.isBlackoutDue) {
          this.blackout();
        } else {
          this[this.random.pick(this.faults)]();
        }
      }
    }
  }

  private takeCopies(): void {
    const { nowMs } = this.cluster.scheduler;
    if (this.options.forgets && nowMs - this.copiedMs > COPY_EVERY_MS) {
      this.copiedMs = nowMs;
      const node = this.anyNode();
      const known = this.copies.get(node.nodeId);
      const isOld = known === undefined || nowMs - known.atMs > 2 * COPY_AGE_MS;
      if (isOld && node.alive && node.storage && !this.busy.has(node.nodeId)) {
        const { position } = node.storage.log;
        this.copies.set(node.nodeId, { copy: node.copy(), position, atMs: nowMs });
      }
    }
  }

  kill(): void {
    const node = this.idleNode();
    if (node) {
      node.kill();
      if (this.options.durability === 'fsync' && this.random.chance(0.5)) {
        node.losePower();
      }
      this.restartLater(node);
    }
  }

  /** SIGTERM, and another process after it. */
  stop(): void {
    const node = this.idleNode();
    if (node) {
      this.busy.add(node.nodeId);
      const stopping = node.stop().then(
        () => undefined,
        () => node.kill(),
      );
      this.keep(node, Promise.race([stopping, this.cluster.scheduler.sleep(15_000)]));
    }
  }

  /** Every machine at once; nothing that was synced may be missing after it. */
  losePowerEverywhere(): void {
    const nodes = this.cluster.nodeIds.map((nodeId) => this.cluster.node(nodeId));
    if (this.options.durability !== 'fsync' || this.busy.size > 0 || !nodes.every(({ alive }) => alive)) {
      return;
    }
    for (const node of nodes) {
      node.kill();
      node.losePower();
      this.restartLater(node);
    }
  }

  /** Only where everybody votes: a majority of folders must be left that know what was acknowledged. */
  private get isBlackoutDue(): boolean {
    return (
      this.cluster.scheduler.nowMs >= this.blackoutFromMs &&
      !this.hasFailedSyncs &&
      this.busy.size === 0 &&
      doAllVote(this.cluster, (_, group) => group.isWhole)
    );
  }

  /**
   * A majority of the machines, or all of them, lose power within a moment, and with it what was not synced: what groups had
   * acknowledged may be gone, and they must go on by themselves once every machine is back (rule 13).
   */
  private blackout(): void {
    const { random, cluster } = this;
    const { nodeIds } = cluster;
    this.blackoutFromMs = Infinity;
    this.hadBlackout = true;
    const majority = Math.floor(nodeIds.length / 2) + 1;
    const count = random.chance(0.5) ? nodeIds.length : majority + random.int(nodeIds.length - majority + 1);
    const momentMs = random.pick([0, 5, 300]);
    for (const nodeId of random.shuffle(nodeIds).slice(0, count)) {
      const node = cluster.node(nodeId);
      const lost = cluster.scheduler.sleep(random.int(momentMs + 1)).then(() => {
        node.kill();
        node.losePower();
        return cluster.scheduler.sleep(20 + random.int(4_000));
      });
      this.keep(node, lost);
    }
  }

  /** One node forgets something: its disk is new, older, cut at its end, or its machine lost what was not synced. */
  forget(): void {
    const node = this.idleNode();
    if (!node || !this.mayForget()) {
      return;
    }
    const copy = this.copies.get(node.nodeId);
    const isOld = copy !== undefined && this.cluster.scheduler.nowMs - copy.atMs > COPY_AGE_MS;
    const cutBytes = 1 + this.random.int(300);
    const { durablePosition } = node.storage.log;
    this.forgetful = node.nodeId;
    this.forgottenMember = memberOf(node);
    switch (
      this.random.pick(['disk', 'disk', 'power', 'power', 'copy', 'copy', 'copy', 'tail', 'tail'] as const)
    ) {
      case 'disk':
        node.kill();
        node.loseDisk();
        break;
      case 'power':
        node.kill();
        node.losePower();
        break;
      case 'copy':
        if (!isOld || !this.isKnown(node, copy.position)) {
          return;
        }
        node.kill();
        node.putBack(copy.copy);
        this.onForget(node.nodeId);
        break;
      case 'tail':
        if (!this.isKnown(node, durablePosition - cutBytes)) {
          return;
        }
        node.kill();
        cutTail(node, cutBytes);
        this.onForget(node.nodeId);
        break;
    }
    this.copies.delete(node.nodeId);
    this.restartLater(node);
  }

  /** Whether every other node has heard of a position of its log behind this one: what nobody knows nobody can tell. */
  private isKnown({ nodeId }: TestNode, position: number): boolean {
    return this.cluster.nodeIds.every((other) => {
      const { strong } = this.cluster.node(other);
      const { directory } = (strong ?? {}) as unknown as { directory?: PeerDirectory };
      return other === nodeId || (directory?.find(nodeId)?.highestPosition ?? 0) > position;
    });
  }

  /** Until it has learnt that it has forgotten, those who can tell it stay. */
  private get isLearning(): boolean {
    const node = this.forgetful === undefined ? undefined : this.cluster.node(this.forgetful);
    return node !== undefined && (!node.alive || !groupsOf(node) || memberOf(node) === this.forgottenMember);
  }

  /** Whether the last one that forgot votes again, in all of its groups and as the leaders have it. */
  private mayForget(): boolean {
    const { cluster } = this;
    const isAtRest =
      this.options.forgets &&
      this.busy.size === 0 &&
      doAllVote(
        cluster,
        (leader, group) =>
          leader.raft.commit === leader.raft.lastIndex &&
          // Another than the one that forgets must be left.
          leader.raft.configuration.voters.length > 1 &&
          group.isWhole &&
          group.raft.commit >= leader.raft.commit,
      );
    if (isAtRest) {
      this.forgetful = undefined;
    }
    return isAtRest;
  }

  failDisk(): void {
    const node = this.idleNode();
    if (node) {
      const { random } = this;
      switch (random.pick(['write', 'sync', 'engine', 'engineSync'] as const)) {
        case 'write':
          node.folder.setFaults({ writeErrorRate: random.pick([0.1, 1]), writeErrorCode: 'EIO' });
          break;
        case 'sync':
          this.hasFailedSyncs = true;
          node.folder.setFaults({ syncErrorRate: random.pick([0.2, 1]) });
          break;
        case 'engine':
          node.disk.setFaults({ writeErrorRate: random.pick([0.2, 1]) });
          break;
        case 'engineSync':
          this.hasFailedSyncs = true;
          node.disk.setFaults({ syncErrorRate: random.pick([0.2, 1]) });
          break;
      }
      this.healLater(node);
    }
  }

  /** Full for a while, or out of descriptors: what passes must be got over without a restart. */
  crampDisk(): void {
    const node = this.idleNode();
    if (node) {
      const { random, cluster } = this;
      const roomBytes = random.int(3_000);
      switch (random.pick(['full', 'full', 'engineFull', 'descriptors', 'again'] as const)) {
        case 'full':
          node.folder.setFaults({ capacityBytes: node.folder.bytes + roomBytes });
          break;
        case 'engineFull':
          node.disk.setFaults({ capacityBytes: roomBytes });
          break;
        case 'descriptors':
          node.folder.setFaults({ openErrorRate: 1 });
          break;
        case 'again':
          node.folder.setFaults({ writeErrorRate: 0.3, writeErrorCode: 'EAGAIN' });
          break;
      }
      cluster.scheduler.after(random.int(4_000), () => {
        node.folder.heal();
        node.disk.heal();
      });
    }
  }

  pause(): void {
    const node = this.anyNode();
    if (node.alive) {
      const ms = this.random.pick([150, 700, 3_000]);
      node.pause(ms);
      this.pausedUntilMs = Math.max(this.pausedUntilMs, this.cluster.scheduler.nowMs + ms);
    }
  }

  private healLater(node: TestNode): void {
    this.busy.add(node.nodeId);
    this.keep(
      node,
      this.cluster.scheduler.sleep(200 + this.random.int(3_000)).then(() => {
        node.disk.heal();
        node.folder.heal();
        if (node.alive && (isLostForGood(node) || this.random.chance(0.3))) {
          node.kill();
        }
      }),
    );
  }

  private restartLater(node: TestNode): void {
    this.busy.add(node.nodeId);
    this.keep(node, this.cluster.scheduler.sleep(20 + this.random.int(4_000)));
  }

  /** When `until` is over, the node is started unless it runs. */
  private keep(node: TestNode, until: Promise<unknown>): void {
    this.busy.add(node.nodeId);
    const restart = until.then(async () => {
      if (!node.alive || isLostForGood(node)) {
        node.kill();
        await this.startAgain(node);
      }
      this.busy.delete(node.nodeId);
      this.restarts.delete(restart);
    });
    this.restarts.add(restart);
  }

  /** Starts it as a supervisor does: again and again. A folder that refuses is given up, where that may be. */
  private async startAgain(node: TestNode): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      node.folder.heal();
      node.disk.heal();
      try {
        const started = node.start();
        // It may wait for peers that are down.
        await Promise.race([started, this.cluster.scheduler.sleep(6_000)]);
        started.catch(() => undefined);
        return;
      } catch (error) {
        if (!isDkvError(error) || attempt > START_ATTEMPTS_MAX) {
          throw error;
        }
        node.kill();
        if (isDkvError(error, 'DKV_LOG_DAMAGED') && this.forgetful === node.nodeId) {
          node.loseDisk();
        }
        await this.cluster.scheduler.sleep(200);
      }
    }
  }

  /** One that runs and that nothing else is being done to. */
  private idleNode(): TestNode | undefined {
    const node = this.anyNode();
    return node.alive && node.storage && !this.busy.has(node.nodeId) && !this.isLearning ? node : undefined;
  }
}
