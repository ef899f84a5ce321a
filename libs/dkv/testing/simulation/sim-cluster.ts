/** A small cluster of real Processors in one process, on virtual time and a virtual network, to be broken at will. */
import { Hashring } from '../../src/hashring/hashring.js';
import { md5HashFunc } from '../../src/hashring/md5-hash-func.js';
import { type NamespaceMode, type ReadLevel, type WriteLevel } from '../../src/model/consistency.js';
import { type Namespace } from '../../src/cluster/namespaces.js';
import { type ClusterConfiguration } from '../../src/model/membership.js';
import { type ClusterNode } from '../../src/model/node.js';
import { type PeerRequestKind } from '../../src/model/peer-protocol.js';
import { type KvRecord } from '../../src/model/record.js';
import { type Codec } from '../../src/ports/codec.js';
import { type Merger } from '../../src/ports/merger.js';
import { type CoreContext, type CoreLimits } from '../../src/cluster/core-context.js';
import { type StrongMode } from '../../src/ports/strong-mode.js';
import { type StrongLimits } from '../../src/strong/strong-mode-parts.js';
import { type SimClockOptions } from './sim-clock.js';
import { type DiskCopy } from './sim-disk.js';
import { type ConnectionFaults, SimNetwork } from './sim-network.js';
import { SimRandom } from './sim-random.js';
import { SimScheduler } from './sim-scheduler.js';
import { type FolderCopy } from './sim-folder.js';
import { TestNode } from './sim-node.js';
import { SimTrace } from './trace.js';

export { TestNode };

/** `copies`: that it asks for; as many as the cluster has where it asks for none. */
export interface DeclaredNamespace extends Partial<Pick<Namespace, 'mode' | 'codec'>> {
  readonly name: string;
  readonly copies?: number;
}

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
  /** Further namespaces, like the default one but for what is given; looked at by every start. */
  readonly namespaces?: readonly (string | DeclaredNamespace)[];
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
  readonly reserveBytes: number;
  /** Of hot records; default: start after start for all, for a few keys, for none. */
  readonly cacheBytesMax: number;
}

/** Such bounds as chance has it, small ones among them. */
export function chanceStorage(random: SimRandom): Partial<TestStorageOptions> {
  return {
    dirtyBytesMax: random.pick([1_048_576, 65_536]),
    checkpointIntervalMs: random.pick([1_000, 3_000]),
    logBytesMax: random.pick([1_048_576, 16_384]),
    segmentBytesMax: random.pick([65_536, 8_192, 4_096]),
    ...(random.chance(0.3) && { cacheBytesMax: 0 }),
  };
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
  /** What discovery shows to whoever starts. */
  readonly discovered: ClusterNode[];
  private readonly nodes: Map<string, TestNode>;
  private readonly random: SimRandom;
  private isBorn = false;
  private watching: { until?: () => boolean } = {};

  constructor(
    readonly members: readonly ClusterNode[],
    private readonly options: TestClusterOptions,
  ) {
    const { partitions = 64, replicas = 2, seed = 1, connections = PROMPT, traceLinesMax = 500 } = options;
    const random = new SimRandom(seed);
    this.random = random;
    this.discovered = [...members];
    this.trace = new SimTrace({ linesMax: traceLinesMax });
    this.network = new SimNetwork({
      scheduler: this.scheduler,
      random: random.fork('network'),
      trace: this.trace,
      connections,
    });
    this.ring = Hashring.of(members, { partitions, replicas, hashFunc: md5HashFunc });
    this.nodes = new Map(
      members.map(({ nodeId }) => [nodeId, new TestNode(this, nodeId, random.fork(nodeId), options)]),
    );
  }

  get nodeIds(): readonly string[] {
    return [...this.nodes.keys()];
  }

  /** The newest that a node which runs goes by; undefined before the cluster is born. */
  get configuration(): ClusterConfiguration | undefined {
    let newest: ClusterConfiguration | undefined;
    for (const { alive, view } of this.nodes.values()) {
      if (alive && view && view.epoch > (newest?.epoch ?? 0)) {
        newest = view.agreed;
      }
    }
    return newest;
  }

  /** Whether there was a cluster at an earlier question, or is one now. */
  get wasBorn(): boolean {
    return (this.isBorn ||= this.configuration !== undefined);
  }

  /** As the newest configuration has it, as far as it is known here. */
  get memberIds(): readonly string[] {
    return (
      this.configuration?.members.map(({ nodeId }) => nodeId) ?? this.members.map(({ nodeId }) => nodeId)
    );
  }

  /** The nodes of a partition, the holder first. */
  nodesOf(partition: number): readonly string[] {
    return this.configuration?.lists[partition] ?? this.ring.preferenceList(partition);
  }

  node(nodeId: string): TestNode {
    const node = this.nodes.get(nodeId);
    if (!node) {
      throw new TypeError(`There is no node ${nodeId}.`);
    }
    return node;
  }

  /** Another machine, with an empty disk, not started. Discovery shows it from now on to whoever starts. */
  add(nodeId: string, differing: Partial<ClusterNode> = {}): TestNode {
    this.discovered.push({ nodeId, host: nodeId, port: 7000, weight: 1, zone: '', ...differing });
    const node = new TestNode(this, nodeId, this.random.fork(nodeId), this.options);
    this.nodes.set(nodeId, node);
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

  /** The messages by kind. */
  get traffic(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const { kind } of this.messages) {
      counts[kind] = (counts[kind] ?? 0) + 1;
    }
    return counts;
  }
}
