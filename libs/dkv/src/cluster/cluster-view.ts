/** Who is a member, where they listen, and how they seem: what the core asks before it asks a peer. */
import { DkvError } from '../dkv.errors.js';
import { type Hashring } from '../hashring/hashring.js';
import { type ClusterNode, type NodeState } from '../model/node.js';

export interface MemberStatus {
  readonly node: ClusterNode;
  readonly state: NodeState;
}

type StateListener = (nodeId: string, state: NodeState) => void;

/**
 * Membership is fixed by the ring. Discovery only moves addresses, liveness only changes states; neither adds or
 * removes a member, so neither moves data.
 */
export class ClusterView {
  private readonly addresses = new Map<string, ClusterNode>();
  private readonly states = new Map<string, NodeState>();
  private readonly skewed = new Set<string>();
  private readonly listeners: StateListener[] = [];

  constructor(
    readonly selfId: string,
    readonly ring: Hashring,
    nodes: readonly ClusterNode[],
  ) {
    for (const node of nodes) {
      this.addresses.set(node.nodeId, node);
      // Unknown until the first heartbeat: worth asking, so not down.
      this.states.set(node.nodeId, node.nodeId === selfId ? 'up' : 'suspect');
    }
  }

  get configuration(): string {
    return this.ring.fingerprint;
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
    return this.ring.preferenceList(partition).includes(nodeId);
  }

  /** The partition's nodes worth asking, in the order of the preference list, suspects last. */
  reachable(partition: number): readonly string[] {
    const list = this.ring.preferenceList(partition);
    const up = list.filter((nodeId) => this.stateOf(nodeId) === 'up');
    return up.length === list.length
      ? list
      : [...up, ...list.filter((nodeId) => this.stateOf(nodeId) === 'suspect')];
  }

  /** The partitions of which this node holds a copy. */
  ownPartitions(): readonly number[] {
    const own: number[] = [];
    for (let partition = 0; partition < this.ring.partitions; partition++) {
      if (this.holds(partition)) {
        own.push(partition);
      }
    }
    return own;
  }

  /** Own partitions of which a copy is on a node that is down. */
  underReplicated(): number {
    return this.ownPartitions().filter((partition) =>
      this.ring.preferenceList(partition).some((nodeId) => this.stateOf(nodeId) === 'down'),
    ).length;
  }
}
