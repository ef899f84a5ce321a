/** Who is a member, where they listen, and how they seem: what the core asks before it asks a peer. */
import { Buffer } from 'node:buffer';
import { DkvError } from '../dkv.errors.js';
import { type Hashring, sliceOf } from '../hashring/hashring.js';
import { type ClusterNode, type NodeState } from '../model/node.js';
import { type HashFunc } from '../ports/hash-func.js';
import { type ClusterConfiguration, configurationOf, fingerprintOf } from './cluster-configuration.js';

export interface MemberStatus {
  readonly node: ClusterNode;
  readonly state: NodeState;
}

/** Of a request at the wrong node. Not the configuration: a peer of another one is refused before it is served. */
export const ADDRESS_REMEDY = 'Discovery gives the address of one node for that of another: correct it.';

/** What else nodes must have alike: where leaders have leases, how long voters wait for these. */
export function sharedSettings(options: {
  readonly leaseReads: boolean;
  readonly electionTimeoutMs: number;
}): string {
  return options.leaseReads ? `+leases${options.electionTimeoutMs}` : '';
}

type StateListener = (nodeId: string, state: NodeState) => void;

/**
 * The configuration says who is a member and who holds what. Discovery only moves addresses, liveness only changes states;
 * neither adds or removes a member, so neither moves data.
 */
export class ClusterView {
  private readonly addresses = new Map<string, ClusterNode>();
  private readonly states = new Map<string, NodeState>();
  private readonly skewed = new Set<string>();
  private readonly listeners: StateListener[] = [];
  private readonly shorterLists = new Map<number, readonly string[]>();
  private readonly copiesInUse = new Set<number>();
  /** Slices of the hash space. */
  readonly slices: number;
  /** Copies that a namespace may ask for at most. There are fewer where there are fewer nodes. */
  readonly copiesMax: number;
  /** Equal at nodes that may talk to each other. */
  readonly configuration: string;

  constructor(
    readonly selfId: string,
    private readonly agreed: ClusterConfiguration,
    readonly hashFunc: HashFunc,
    /** See {@link sharedSettings}. */
    settings = '',
  ) {
    this.slices = agreed.lists.length;
    this.copiesMax = agreed.replicas + 1;
    this.configuration = fingerprintOf(agreed) + settings;
    for (const node of agreed.members) {
      this.addresses.set(node.nodeId, node);
      // Unknown until the first heartbeat: worth asking, so not down.
      this.states.set(node.nodeId, node.nodeId === selfId ? 'up' : 'suspect');
    }
    this.copiesInUse.add(this.copiesMax);
  }

  /** Of a cluster as it is made. */
  static of(selfId: string, ring: Hashring, nodes: readonly ClusterNode[], settings = ''): ClusterView {
    return new ClusterView(selfId, configurationOf(ring, nodes), ring.hashFunc, settings);
  }

  /**
   * Namespaces may ask for fewer copies than the cluster gives. Partition `p + slices × k` is the slice `p` of the hash space
   * with `k` copies fewer: numbered apart, so that what nodes compare of a partition is theirs alike. The number of nodes
   * does not matter: a partition keeps its number when there are more of them.
   */
  get partitions(): number {
    return this.slices * this.copiesMax;
  }

  /** Of its UTF-8 bytes: whole, below 2^32. */
  hashOf(key: string): number {
    return this.hashFunc.hash(Buffer.from(key, 'utf8'));
  }

  /** @param copies as the namespace asks for */
  partitionOf(key: string, copies: number): number {
    return sliceOf(this.hashOf(key), this.slices) + this.firstOf(copies);
  }

  /** The first partition of namespaces that ask for so many copies; there are `slices` of them. */
  firstOf(copies: number): number {
    return this.slices * (this.copiesMax - copies);
  }

  /** The nodes of a partition, the holder first. */
  listOf(partition: number): readonly string[] {
    const { slices, agreed } = this;
    if (partition < slices) {
      return agreed.lists[partition]!;
    }
    let list = this.shorterLists.get(partition);
    if (!list) {
      list = agreed.lists[partition % slices]!.slice(0, this.copiesAskedOf(partition));
      this.shorterLists.set(partition, list);
    }
    return list;
  }

  /** Copies that there are. */
  copiesOf(partition: number): number {
    return this.listOf(partition).length;
  }

  /** Copies that the partition's namespaces ask for. */
  copiesAskedOf(partition: number): number {
    return this.copiesMax - Math.floor(partition / this.slices);
  }

  /** Partitions of namespaces that ask for so many copies are in use from now on. */
  useCopies(copies: number): void {
    this.copiesInUse.add(copies);
  }

  /** The other members. */
  get peers(): readonly ClusterNode[] {
    return this.members.map(({ node }) => node).filter(({ nodeId }) => nodeId !== this.selfId);
  }

  get members(): readonly MemberStatus[] {
    return [...this.addresses.values()].map((node) => ({ node, state: this.stateOf(node.nodeId) }));
  }

  /** Notes whether this node and a peer refuse each other because of their clocks. */
  setSkewed(nodeId: string, skewed: boolean): void {
    if (skewed) {
      this.skewed.add(nodeId);
    } else {
      this.skewed.delete(nodeId);
    }
  }

  /** Whether more than half of the peers disagree with this node's clock: then it is this one that is wrong. */
  get clockSuspect(): boolean {
    return this.skewed.size * 2 > this.addresses.size - 1;
  }

  isMember(nodeId: string): boolean {
    return this.addresses.has(nodeId);
  }

  /** Takes new addresses of members; a node that is no member is none afterwards either. */
  relocate(nodes: readonly ClusterNode[]): void {
    for (const node of nodes) {
      const known = this.addresses.get(node.nodeId);
      if (known) {
        this.addresses.set(node.nodeId, { ...known, host: node.host, port: node.port });
      }
    }
  }

  address(nodeId: string): ClusterNode {
    const node = this.addresses.get(nodeId);
    if (!node) {
      throw new DkvError('DKV_PEER_UNREACHABLE', `Node ${nodeId} is not a member of this cluster.`);
    }
    return node;
  }

  stateOf(nodeId: string): NodeState {
    return this.states.get(nodeId) ?? 'down';
  }

  setState(nodeId: string, state: NodeState): void {
    if (this.states.has(nodeId) && this.states.get(nodeId) !== state) {
      this.states.set(nodeId, state);
      for (const listener of this.listeners) {
        listener(nodeId, state);
      }
    }
  }

  onState(listener: StateListener): void {
    this.listeners.push(listener);
  }

  holds(partition: number, nodeId = this.selfId): boolean {
    return this.listOf(partition).includes(nodeId);
  }

  /** @throws DkvError `DKV_FORWARDING_LOOP` when this node holds no copy */
  assertHolds(partition: number): void {
    if (!this.holds(partition)) {
      throw new DkvError(
        'DKV_FORWARDING_LOOP',
        `Node ${this.selfId} holds no copy of partition ${partition}: its nodes are ` +
          `${this.listOf(partition).join(', ')}. ${ADDRESS_REMEDY}`,
      );
    }
  }

  /** The partition's nodes worth asking, in the order of the preference list, suspects last. */
  reachable(partition: number): readonly string[] {
    const list = this.listOf(partition);
    if (list.every(this.isUp)) {
      return list;
    }
    return [...list.filter(this.isUp), ...list.filter((nodeId) => this.stateOf(nodeId) === 'suspect')];
  }

  private readonly isUp = (nodeId: string): boolean => this.states.get(nodeId) === 'up';

  /** The partitions of which this node holds a copy. */
  ownPartitions(): readonly number[] {
    const own: number[] = [];
    for (const copies of this.copiesInUse) {
      const first = this.firstOf(copies);
      for (let partition = first; partition < first + this.slices; partition++) {
        if (this.holds(partition)) {
          own.push(partition);
        }
      }
    }
    return own;
  }

  /** Own partitions of which a copy is on a node that is down, or which are among `lacking`. */
  underReplicated(lacking?: ReadonlySet<number>): number {
    return this.ownPartitions().filter(
      (partition) =>
        lacking?.has(partition) || this.listOf(partition).some((nodeId) => this.stateOf(nodeId) === 'down'),
    ).length;
  }
}
