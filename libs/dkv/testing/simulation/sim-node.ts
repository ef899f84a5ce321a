/** A node of a simulated cluster: a real Processor on the real storage, on virtual time, network, disk and folder. */
import { clusterNoteOf } from '../../src/cluster/cluster-note.js';
import { configurationOf, notedConfiguration } from '../../src/cluster/cluster-configuration.js';
import { ClusterView } from '../../src/cluster/cluster-view.js';
import { sharedSettings } from '../../src/cluster/fixed-settings.js';
import { EnvelopeGuard } from '../../src/cluster/envelope-guard.js';
import { PeerClient } from '../../src/cluster/peer-client.js';
import { PeerTransitions } from '../../src/cluster/peer-transitions.js';
import { RateLimit } from '../../src/cluster/rate-limit.js';
import { VersionClock } from '../../src/cluster/version-clock.js';
import { BytesCodec } from '../../src/codec/bytes-codec.js';
import { LastWriteWinsMerger } from '../../src/merger/last-write-wins-merger.js';
import { RecordMerger } from '../../src/merger/record-merger.js';
import { Hashring } from '../../src/hashring/hashring.js';
import { md5HashFunc } from '../../src/hashring/md5-hash-func.js';
import { type ClusterConfiguration, PLACEMENTS_MAX } from '../../src/model/membership.js';
import { type LocalKvRepo } from '../../src/ports/local-kv-repo.js';
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
import { SimClock } from './sim-clock.js';
import { SimDisk } from './sim-disk.js';
import { type SimRandom } from './sim-random.js';
import { SimFolder } from './sim-folder.js';
import { simStorageHome } from './sim-storage-home.js';
import {
  type NodeCopy,
  type TestCluster,
  type TestClusterOptions,
  type TestStorageOptions,
} from './sim-cluster.js';

const NAMESPACE = 'default';
/** Bytes of hot records of a node, start after start: for all, for a few keys, for none. */
const CACHES = [1_000_000, 3_000, 0];
const MIB = 1024 * 1024;
/** More nodes than there ever are. */
const NO_SECOND_CLUSTER = 99;
const LIMITS: CoreLimits = {
  maxClockOffsetMs: 500,
  peerTimeoutMs: 1_000,
  replicationBytesMax: MIB,
  hintBytesMax: MIB,
  transferBytesPerSecondMax: MIB,
  antiEntropyIntervalMs: 10_000,
  tombstoneTtlMs: 24 * 3_600_000,
  ownWritesMax: 1_000,
};
const STRONG_LIMITS: StrongLimits = {
  heartbeatIntervalMs: 100,
  electionTimeoutMs: 1_000,
  leaseReads: false,
  maxClockOffsetMs: 500,
  peerTimeoutMs: 1_000,
  idempotencyTtlMs: 24 * 3_600_000,
  uncommittedBytesMax: MIB,
  coldBytesMax: MIB,
  waitingReadsMax: 10_000,
  entryTailBytesMax: MIB,
  snapshotPageBytes: 256 * 1024,
  transfersMax: 4,
  joinsByItself: true,
  memberRemovalMs: 0,
};
const STORAGE: Omit<TestStorageOptions, 'cacheBytesMax'> = {
  dirtyBytesMax: MIB,
  checkpointIntervalMs: 3_000,
  logBytesMax: MIB,
  segmentBytesMax: 64 * 1024,
  pendingBytesMax: 64 * MIB,
  reserveBytes: 4_096,
};
/** One node: its parts are new with every start, its disk stays. */
export class TestNode {
  /** How often its store was opened. */
  private opened = 0;
  readonly log = new CapturedLog();
  readonly telemetry: CapturedTelemetry = captureTelemetry();
  processor!: Processor;
  view!: ClusterView;
  namespaces!: Namespaces;
  transitions!: PeerTransitions;
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

  /** Whether it takes calls: it is alive, and its parts are there. */
  get serves(): boolean {
    return this.alive && (this.processor as Processor | undefined) !== undefined;
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
    const { partitions, hashFunc } = ring;
    const home = simStorageHome(this.disk, this.folder, run, () => `${this.nodeId} ${this.boots}`);
    const identity = { nodeId: this.nodeId, partitions, copies: PLACEMENTS_MAX, hashFunc: hashFunc.name };
    this.storage = await NodeStorage.open(home, identity, {
      ...STORAGE,
      cacheBytesMax: CACHES[this.opened++ % CACHES.length]!,
      ...this.options.storage,
      durability: this.options.durability ?? 'wal',
      clock: this.clock,
      logger: this.log,
    });
    this.local = this.storage.local;
  }

  /** As a node of the module finds it: what the folder of a born cluster notes, else what discovery shows. */
  private async configurationAtStart(): Promise<ClusterConfiguration> {
    const noted = (await clusterNoteOf(this.local)).isBorn ? await notedConfiguration(this.local) : undefined;
    const { ring, discovered } = this.cluster;
    return noted ?? configurationOf(Hashring.of(discovered, ring), discovered);
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
    const given = { ...STRONG_LIMITS, heartbeatIntervalMs, ...options.strongLimits };
    // As many empty folders as made the cluster may make another: an operator who lets it grow gives newcomers more.
    const isLater = given.clusterSize !== undefined && cluster.wasBorn;
    const strongLimits = isLater ? { ...given, clusterSize: NO_SECOND_CLUSTER } : given;
    const own = cluster.discovered.find((node) => node.nodeId === nodeId);
    const view = new ClusterView(
      nodeId,
      await this.configurationAtStart(),
      md5HashFunc,
      sharedSettings(strongLimits),
      own,
    );
    view.relocate(cluster.discovered);
    const transitions = new PeerTransitions(view, clock, logger);
    const guard = new EnvelopeGuard(view, limits.maxClockOffsetMs, clock, transitions, telemetry);
    this.remote = noting(cluster.network.remote(run), nodeId, cluster.messages);
    const peers = new PeerClient(view, this.remote, guard, clock, telemetry, transitions);
    const versions = await VersionClock.open(nodeId, clock, local, limits.maxClockOffsetMs);
    const { mode = 'eventual', namespaces: further = [] } = options;
    const records = new RecordMerger(merger, codec);
    this.namespaces = new Namespaces(
      [NAMESPACE, ...further]
        .map((given) => (typeof given === 'string' ? { name: given } : given))
        .map(({ name, copies: placement = 0, ...given }) => ({
          ...{ mode, codec, merger: records },
          ...given,
          ...{ name, placement },
        })),
    );
    const { namespaces } = this;
    const context: CoreContext = {
      view,
      peers,
      transitions,
      local,
      versions,
      namespaces,
      clock,
      random,
      logger,
      telemetry,
      limits,
      transferRate: new RateLimit(limits.transferBytesPerSecondMax, clock),
    };
    this.view = view;
    this.transitions = transitions;
    const { storage } = this;
    this.strong =
      options.strong?.({ context }) ??
      (await ReplicatedStrongMode.open({
        ...context,
        remote: this.remote,
        log: storage.log,
        store: storage.strong,
        meta: local,
        limits: strongLimits,
        stored: storage.groups,
        forgot: storage.forgot,
        acceptForgetting: () => storage.acceptForgetting(),
        makeDurable: () => storage.checkpoint(),
        keep: (name, text) => storage.keep(name, text),
        isVolatile: storage.isVolatile,
      }));
    this.processor = new Processor(context, guard, this.strong);
    this.remote.onDisconnect((peerId) => this.processor.disconnected(peerId));
  }
}
