/** A small cluster of real Processors in one process, on virtual time and a virtual network, to be broken at will. */
import { ClusterView } from '../../src/cluster/cluster-view.js';
import { EnvelopeGuard } from '../../src/cluster/envelope-guard.js';
import { PeerClient } from '../../src/cluster/peer-client.js';
import { VersionClock } from '../../src/cluster/version-clock.js';
import { BytesCodec } from '../../src/codec/bytes-codec.js';
import { Hashring } from '../../src/hashring/hashring.js';
import { md5HashFunc } from '../../src/hashring/md5-hash-func.js';
import { LastWriteWinsMerger } from '../../src/merger/last-write-wins-merger.js';
import { RecordMerger } from '../../src/merger/record-merger.js';
import { type NamespaceMode, type ReadLevel, type WriteLevel } from '../../src/model/consistency.js';
import { type ClusterNode } from '../../src/model/node.js';
import { type PeerRequestKind } from '../../src/model/peer-protocol.js';
import { type KvRecord } from '../../src/model/record.js';
import { type Codec } from '../../src/ports/codec.js';
import { type LocalKvRepo } from '../../src/ports/local-kv-repo.js';
import { type Merger } from '../../src/ports/merger.js';
import { type RemoteKvRepo } from '../../src/ports/remote-kv-repo.js';
import { type CoreContext, type CoreLimits } from '../../src/cluster/core-context.js';
import { Namespaces } from '../../src/cluster/namespaces.js';
import { type StrongMode } from '../../src/ports/strong-mode.js';
import { Processor } from '../../src/processor/processor.js';
import { NodeStorage } from '../../src/storage/node-storage.js';
import { ReplicatedStrongMode } from '../../src/strong/strong-mode.js';
import { type StrongLimits } from '../../src/strong/strong-mode-parts.js';
import { type CapturedTelemetry, captureTelemetry } from '../captured-telemetry.js';
import { CapturedLog } from '../captured-log.js';
import { Incarnation } from './incarnation.js';
import { noting } from './bystanders.js';
import { SimClock, type SimClockOptions } from './sim-clock.js';
import { type DiskCopy, SimDisk } from './sim-disk.js';
import { type ConnectionFaults, SimNetwork } from './sim-network.js';
import { SimRandom } from './sim-random.js';
import { SimScheduler } from './sim-scheduler.js';
import { type FolderCopy, SimFolder } from './sim-folder.js';
import { simStorageHome } from './sim-storage-home.js';
import { SimTrace } from './trace.js';

export interface TestClusterOptions {
  /** Copies besides the holder's. Default 2. */
  readonly replicas?: number;
  /** Default 64. */
  readonly partitions?: number;
  /** Default 1. */
  readonly seed?: number | string;
  /** Of the namespaces. Default `eventual`. */
  readonly mode?: NamespaceMode;
  /** Of an eventual namespace. Default: the newest wins, on bytes. */
  readonly merger?: Merger;
  readonly codec?: Codec;
  readonly limits?: Partial<CoreLimits>;
  /** Between two heartbeats to a peer. Default 100. */
  readonly heartbeatIntervalMs?: number;
  /** Whether a write is synced before it is acknowledged, and so survives a loss of power. Default `wal`. */
  readonly durability?: 'wal' | 'fsync';
  /** What the ends of connections are like. Default: failures are noticed at once. */
  readonly connections?: Partial<ConnectionFaults>;
  /** Stands for what serves strong namespaces on a node. Default: the real one. */
  readonly strong?: (parts: { readonly context: CoreContext }) => StrongMode;
  readonly strongLimits?: Partial<StrongLimits>;
  readonly storage?: Partial<TestStorageOptions>;
  /** How wrong the clock of a node is. Default: it is right. */
  readonly clocks?: (nodeId: string) => SimClockOptions;
  /** Further namespaces, like the default one. */
  readonly namespaces?: readonly string[];
  /** Lines of the trace that are kept for reading. Default 100. */
  readonly traceLinesMax?: number;
}

/** Bounds of a node's storage that a test may make small enough to be met. */
export interface TestStorageOptions {
  readonly dirtyBytesMax: number;
  readonly checkpointIntervalMs: number;
  readonly logBytesMax: number;
  readonly segmentBytesMax: number;
  readonly pendingBytesMax: number;
  /** Of hot records; default: start after start for all, for a few keys, for none. */
  readonly cacheBytesMax: number;
}

/** All that a node keeps, as it was at one moment. */
export interface NodeCopy {
  readonly disk: DiskCopy;
  readonly folder: FolderCopy;
}

/** A request from one node to another. */
export interface TestMessage {
  readonly from: string;
  readonly to: string;
  readonly kind: PeerRequestKind;
}

/** How a call differs from one at the default level, with 5 s of time. */
interface Asked<L extends ReadLevel | WriteLevel> {
  readonly level?: L;
  readonly timeoutMs?: number;
}

const NAMESPACE = 'default';
/** Bytes of hot records of a node, start after start: for all, for a few keys, for none. */
const CACHES = [1_000_000, 3_000, 0];
const MIB = 1024 * 1024;
const LIMITS: CoreLimits = {
  maxClockOffsetMs: 500,
  peerTimeoutMs: 1_000,
  replicationBytesMax: MIB,
  hintBytesMax: MIB,
  repairBytesPerSecond: MIB,
  antiEntropyIntervalMs: 10_000,
  tombstoneTtlMs: 24 * 3_600_000,
  ownWritesMax: 1_000,
};
const STRONG_LIMITS: StrongLimits = {
  heartbeatIntervalMs: 100,
  electionTimeoutMs: 1_000,
  maxClockOffsetMs: 500,
  peerTimeoutMs: 1_000,
  idempotencyTtlMs: 24 * 3_600_000,
  uncommittedBytesMax: MIB,
  coldBytesMax: MIB,
  waitingReadsMax: 10_000,
  entryTailBytesMax: MIB,
};
const STORAGE: Omit<TestStorageOptions, 'cacheBytesMax'> = {
  dirtyBytesMax: MIB,
  checkpointIntervalMs: 3_000,
  logBytesMax: MIB,
  segmentBytesMax: 64 * 1024,
  pendingBytesMax: 64 * MIB,
};
/** So that a failure is noticed the same way every time. */
const PROMPT = { refuseRate: 1, resetRate: 1, connectFailureRate: 1 };

/** `size` nodes named a, b, c, …, none of them started. */
export function createTestCluster(size: number, options: TestClusterOptions = {}): TestCluster {
  const nodeIds = Array.from({ length: size }, (_, index) => String.fromCharCode(97 + index));
  return new TestCluster(
    nodeIds.map((nodeId) => ({ nodeId, host: nodeId, port: 7000, weight: 1, zone: '' })),
    options,
  );
}

/** Whatever a method starts runs in virtual time, and the method resolves when it is done. */
export class TestCluster {
  readonly scheduler = new SimScheduler();
  readonly network: SimNetwork;
  readonly trace: SimTrace;
  readonly ring: Hashring;
  /** All requests since the last `forgetMessages`, in order. */
  readonly messages: TestMessage[] = [];
  private readonly nodes: ReadonlyMap<string, TestNode>;
  private watching: { until?: () => boolean } = {};

  constructor(members: readonly ClusterNode[], options: TestClusterOptions) {
    const { partitions = 64, replicas = 2, seed = 1, connections = PROMPT, traceLinesMax = 500 } = options;
    const random = new SimRandom(seed);
    this.trace = new SimTrace({ linesMax: traceLinesMax });
    this.network = new SimNetwork({
      scheduler: this.scheduler,
      random: random.fork('network'),
      trace: this.trace,
      connections,
    });
    this.ring = Hashring.of(members, { partitions, replicas, hashFunc: md5HashFunc });
    this.nodes = new Map(
      members.map(({ nodeId }) => [
        nodeId,
        new TestNode(this, nodeId, members, random.fork(nodeId), options),
      ]),
    );
  }

  get nodeIds(): readonly string[] {
    return [...this.nodes.keys()];
  }

  node(nodeId: string): TestNode {
    const node = this.nodes.get(nodeId);
    if (!node) {
      throw new TypeError(`There is no node ${nodeId}.`);
    }
    return node;
  }

  /** Starts these nodes, or all, at the same time; resolves when they have caught up. */
  async start(...nodeIds: string[]): Promise<void> {
    const starting = nodeIds.length > 0 ? nodeIds : this.nodeIds;
    await this.settle(Promise.all(starting.map((nodeId) => this.node(nodeId).start())));
  }

  /** As SIGTERM does. */
  async stop(nodeId: string): Promise<void> {
    await this.settle(this.node(nodeId).stop());
  }

  /** As SIGKILL does: what is on the disk stays. */
  kill(nodeId: string): void {
    this.node(nodeId).kill();
  }

  /** No message passes between the two sides any more. */
  partition(one: readonly string[], other: readonly string[]): void {
    this.network.partition(one, other);
  }

  heal(): void {
    this.network.heal();
  }

  /** Lets virtual time pass. */
  async advance(ms: number): Promise<void> {
    await this.scheduler.runFor(ms, this.watching);
  }

  /** What `work` gives, letting as much virtual time pass as it takes. */
  settle<T>(work: Promise<T>): Promise<T> {
    return this.scheduler.settle(work, this.watching);
  }

  /** `look` is called between every two events from now on. */
  watch(look: () => void): void {
    this.watching = {
      until: () => {
        look();
        return false;
      },
    };
  }

  /** The record as committed; of a strong namespace it has only what clients see. */
  async put(
    nodeId: string,
    key: string,
    value: string,
    { level = 'quorum', timeoutMs = 5_000 }: Asked<WriteLevel> = {},
  ): Promise<KvRecord> {
    const { processor } = this.node(nodeId);
    const bytes = new Uint8Array(Buffer.from(value));
    const written = processor.addOrUpdate(NAMESPACE, key, bytes, { level, timeoutMs, ttlMs: 0 });
    return (await this.settle(written)).record as KvRecord;
  }

  /** The value as text. */
  async get(
    nodeId: string,
    key: string,
    { level = 'one', timeoutMs = 5_000 }: Asked<ReadLevel> = {},
  ): Promise<string | undefined> {
    const record = await this.settle(this.node(nodeId).processor.get(NAMESPACE, key, { level, timeoutMs }));
    return record && Buffer.from(record.value).toString();
  }

  async remove(
    nodeId: string,
    key: string,
    { level = 'quorum', timeoutMs = 5_000 }: Asked<WriteLevel> = {},
  ): Promise<boolean> {
    const { processor } = this.node(nodeId);
    return (await this.settle(processor.remove(NAMESPACE, key, { level, timeoutMs }))).existed;
  }

  /** The record in a node's own store, tombstones included. */
  copyAt(nodeId: string, key: string): Promise<KvRecord | undefined> {
    const id = { partition: this.ring.partitionOf(key), namespace: NAMESPACE, key };
    return this.settle(this.node(nodeId).local.get(id));
  }

  /** What each node of the key's list holds, the holder first. */
  async copiesOf(key: string): Promise<readonly (KvRecord | undefined)[]> {
    const copies: (KvRecord | undefined)[] = [];
    for (const nodeId of this.listOf(key)) {
      copies.push(await this.copyAt(nodeId, key));
    }
    return copies;
  }

  /** The key's nodes, the holder first. */
  listOf(key: string): readonly string[] {
    return this.ring.preferenceList(this.ring.partitionOf(key));
  }

  /** The first of `k0`, `k1`, … whose list passes. */
  keyWhere(passes: (list: readonly string[]) => boolean): string {
    for (let number = 0; number < 10_000; number++) {
      if (passes(this.listOf(`k${number}`))) {
        return `k${number}`;
      }
    }
    throw new Error('No key of this ring has such a list.');
  }

  forgetMessages(): void {
    this.messages.length = 0;
  }

  /** The messages by kind, heartbeats left out. */
  get traffic(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const { kind } of this.messages) {
      if (kind !== 'ping') {
        counts[kind] = (counts[kind] ?? 0) + 1;
      }
    }
    return counts;
  }
}

/** One node: its parts are new with every start, its disk stays. */
export class TestNode {
  /** How often its store was opened. */
  private opened = 0;
  readonly log = new CapturedLog();
  readonly telemetry: CapturedTelemetry = captureTelemetry();
  processor!: Processor;
  view!: ClusterView;
  local!: LocalKvRepo;
  clock!: SimClock;
  strong!: StrongMode;
  storage!: NodeStorage;
  private run: Incarnation | undefined;
  private remote!: RemoteKvRepo;
  readonly disk: SimDisk;
  readonly folder: SimFolder;
  /** How often its machine was started. */
  private boots = 1;

  constructor(
    private readonly cluster: TestCluster,
    readonly nodeId: string,
    private readonly members: readonly ClusterNode[],
    private readonly random: SimRandom,
    private readonly options: TestClusterOptions,
  ) {
    const { scheduler, trace } = cluster;
    this.disk = new SimDisk({ scheduler, random: random.fork('disk'), trace, name: nodeId });
    this.folder = new SimFolder({ scheduler, random: random.fork('folder'), trace, name: nodeId });
  }

  get alive(): boolean {
    return this.run?.alive ?? false;
  }

  /** Names this start of the node. */
  get incarnation(): string {
    return this.run?.name ?? `${this.nodeId}#0`;
  }

  async start(): Promise<void> {
    if (this.run?.alive) {
      throw new TypeError(`Node ${this.nodeId} runs already.`);
    }
    const run = this.run?.next() ?? new Incarnation(this.nodeId, 1);
    this.run = run;
    // What is there of the last run is no part of this one.
    Object.assign(this, { processor: undefined, strong: undefined, storage: undefined });
    this.clock =
      this.clock?.inherit(run) ??
      new SimClock(this.cluster.scheduler, run, this.options.clocks?.(this.nodeId));
    await this.openStore(run);
    await this.assemble(run);
    const started = this.processor.start();
    this.cluster.network.listen(run, this.processor);
    await started;
  }

  async stop(): Promise<void> {
    await this.processor.stop();
    await this.remote.close();
    await this.storage.close();
    this.kill();
  }

  kill(): void {
    this.run?.kill();
  }

  /** Puts a new, empty disk in. Kill the node first. */
  loseDisk(): void {
    this.disk.wipe();
    this.folder.wipe();
  }

  /** The machine goes down: what was not synced may be lost. Kill the node first. */
  losePower(): void {
    this.disk.losePower();
    this.folder.losePower();
    this.boots++;
  }

  /** What a backup of the whole folder made now would hold. */
  copy(): NodeCopy {
    return { disk: this.disk.copy(), folder: this.folder.copy() };
  }

  /** The whole folder as it was when it was copied. Kill the node first. */
  putBack({ disk, folder }: NodeCopy): void {
    this.disk.putBack(disk);
    this.folder.putBack(folder);
  }

  /** The event loop of its process stands still for so long. */
  pause(ms: number): void {
    if (this.run) {
      this.run.pausedUntilMs = this.cluster.scheduler.nowMs + ms;
    }
  }

  /** Makes every write of the disk fail from now on; reads go on. */
  breakDisk(): void {
    this.disk.setFaults({ writeErrorRate: 1 });
    this.folder.setFaults({ writeErrorRate: 1 });
  }

  private async openStore(run: Incarnation): Promise<void> {
    const { ring } = this.cluster;
    const { partitions, copies, hashFunc } = ring;
    const home = simStorageHome(this.disk, this.folder, run, () => `${this.nodeId} ${this.boots}`);
    const identity = { nodeId: this.nodeId, partitions, copies, hashFunc: hashFunc.name };
    this.storage = await NodeStorage.open(home, identity, {
      ...STORAGE,
      cacheBytesMax: CACHES[this.opened++ % CACHES.length]!,
      ...this.options.storage,
      durability: this.options.durability ?? 'wal',
      clock: this.clock,
      reserveBytes: 4_096,
      logger: this.log,
    });
    this.local = this.storage.local;
  }

  private async assemble(run: Incarnation): Promise<void> {
    const { cluster, nodeId, clock, log: logger, telemetry, local, options } = this;
    const {
      heartbeatIntervalMs = STRONG_LIMITS.heartbeatIntervalMs,
      merger = new LastWriteWinsMerger(),
      codec = new BytesCodec(),
    } = options;
    const limits = { ...LIMITS, ...options.limits };
    const random = this.random.fork(run.name);
    const view = new ClusterView(nodeId, cluster.ring, this.members);
    const guard = new EnvelopeGuard(view, limits.maxClockOffsetMs, clock, logger, telemetry);
    this.remote = noting(cluster.network.remote(run), nodeId, cluster.messages);
    const peers = new PeerClient(view, this.remote, guard, clock, telemetry);
    const versions = await VersionClock.open(nodeId, clock, local, limits.maxClockOffsetMs);
    const { mode = 'eventual', namespaces: further = [] } = options;
    const { copies } = cluster.ring;
    const records = new RecordMerger(merger, codec);
    const namespaces = new Namespaces(
      [NAMESPACE, ...further].map((name) => ({ name, mode, copies, codec, merger: records })),
    );
    const context: CoreContext = {
      view,
      peers,
      local,
      versions,
      namespaces,
      clock,
      random,
      logger,
      telemetry,
      limits,
    };
    this.view = view;
    const { storage } = this;
    this.strong =
      options.strong?.({ context }) ??
      (await ReplicatedStrongMode.open({
        ...context,
        remote: this.remote,
        log: storage.log,
        store: storage.strong,
        meta: local,
        limits: { ...STRONG_LIMITS, heartbeatIntervalMs, ...options.strongLimits },
        stored: storage.groups,
        forgot: storage.forgot,
        acceptForgetting: () => storage.acceptForgetting(),
      }));
    this.processor = new Processor(context, guard, this.strong);
    this.remote.onDisconnect((peerId) => this.processor.disconnected(peerId));
  }
}
