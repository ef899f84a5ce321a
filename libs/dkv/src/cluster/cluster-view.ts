/** Who is a member, where they listen, and how they seem: what the core asks before it asks a peer. */
import { Buffer } from 'node:buffer';
import { DkvError } from '../dkv.errors.js';
import { type Hashring, sliceOf } from '../hashring/hashring.js';
import { type ClusterConfiguration } from '../model/membership.js';
import { bareNode, type ClusterNode, type NodeState } from '../model/node.js';
import { type HashFunc } from '../ports/hash-func.js';
import { configurationOf } from './cluster-configuration.js';
import { fixedFingerprintOf } from './fixed-settings.js';
import { PartitionLists } from './partition-lists.js';

export interface MemberStatus {
  readonly node: ClusterNode;
  readonly state: NodeState;
}

/** Of a request at the wrong node. Not the configuration: a peer of another one is refused before it is served. */
export const ADDRESS_REMEDY = 'Discovery gives the address of one node for that of another: correct it.';

type StateListener = (nodeId: string, state: NodeState) => void;

/** Guests at most: nodes name themselves. */
const GUESTS_MAX = 64;

/**
 * The configuration says who is a member and who holds what. Discovery only moves addresses, liveness only changes states;
 * neither adds or removes a member, so neither moves data. Guests are nodes that are talked to and are no members: those that
 * wait to be taken in, and those that were members and must still be told.
 *
 * This node may be no member itself: it waits to be taken in, or has left.
 */
export class ClusterView {
  /** Of this node, of members and of guests. */
  private readonly addresses = new Map<string, ClusterNode>();
  private readonly states = new Map<string, NodeState>();
  private readonly skewed = new Set<string>();
  private readonly stateListeners: StateListener[] = [];
  private readonly configurationListeners: (() => void)[] = [];
  private memberIds: ReadonlySet<string> = new Set();
  /** The longest known first. */
  private readonly guestIds = new Set<string>();
  private lists: PartitionLists;
  // Made when they are asked for, and good until the nodes are others.
  private knownPeers: readonly ClusterNode[] | undefined;
  private knownGuests: readonly ClusterNode[] | undefined;
  private knownOthers: readonly ClusterNode[] | undefined;
  /** The highest epoch that another node has told of. */
  heardOf = 0;
  /** Slices of the hash space. */
  readonly slices: number;
  /** Equal at nodes that may talk to each other, whatever epoch each of them knows. */
  readonly configuration: string;

  /** @param own where this node listens, asked for only while it is no member */
  constructor(
    readonly selfId: string,
    private newest: ClusterConfiguration,
    readonly hashFunc: HashFunc,
    /** See `sharedSettings`. */
    settings = '',
    own: ClusterNode = { nodeId: selfId, weight: 1, zone: '', host: '', port: 0 },
  ) {
    this.slices = newest.partitions;
    this.configuration = fixedFingerprintOf(newest, settings);
    this.addresses.set(selfId, own);
    this.states.set(selfId, 'up');
    this.lists = new PartitionLists(newest);
    this.take(newest, []);
  }

  /** Of a cluster as it is made. */
  static of(selfId: string, ring: Hashring, nodes: readonly ClusterNode[], settings = ''): ClusterView {
    return new ClusterView(selfId, configurationOf(ring, nodes), ring.hashFunc, settings);
  }

  get epoch(): number {
    return this.newest.epoch;
  }

  /** Whether there is a later epoch than this node knows. */
  isBehind(epoch: number): boolean {
    return this.epoch < epoch;
  }

  /** The newest configuration that this node has. */
  get agreed(): ClusterConfiguration {
    return this.newest;
  }

  /**
   * Goes by a configuration of a later epoch from now on, or of another cluster that is to be made; false, and nothing is done, for
   * one that comes late on its way. Who is a member no more becomes a guest, since it must be told.
   * @throws TypeError where it has not as many partitions: these stay as the cluster was made
   */
  adopt(configuration: ClusterConfiguration): boolean {
    if (configuration.epoch <= this.epoch && configuration.epoch + this.epoch > 0) {
      return false;
    }
    if (configuration.partitions !== this.slices) {
      throw new TypeError(
        `A configuration of ${configuration.partitions} partitions cannot follow one of ${this.slices}.`,
      );
    }
    const before = this.newest;
    this.newest = configuration;
    this.lists = new PartitionLists(configuration, this.lists);
    this.take(configuration, before.members);
    for (const { nodeId } of before.members) {
      if (!this.memberIds.has(nodeId) && nodeId !== this.selfId) {
        this.makeRoom();
        this.guestIds.add(nodeId);
      }
    }
    this.tellConfiguration();
    return true;
  }

  /**
   * The node is talked to from now on, though it is no member; of a guest the address is taken. False where that is not so: for
   * members and this node itself, and where there are as many guests as there may be.
   */
  welcome(node: ClusterNode): boolean {
    const { nodeId } = node;
    const isGuest = this.guestIds.has(nodeId);
    if (this.isMember(nodeId) || nodeId === this.selfId || (!isGuest && this.guestIds.size >= GUESTS_MAX)) {
      return false;
    }
    const known = this.addresses.get(nodeId);
    if (!isGuest || known?.host !== node.host || known.port !== node.port) {
      this.guestIds.add(nodeId);
      this.addresses.set(nodeId, bareNode(node));
      this.states.set(nodeId, this.states.get(nodeId) ?? 'suspect');
      this.tellConfiguration();
    }
    return true;
  }

  /** The guest is not talked to any more. */
  dismiss(nodeId: string): void {
    if (this.guestIds.has(nodeId)) {
      this.forget(nodeId);
      this.tellConfiguration();
    }
  }

  /** Calls `listener` after the members, the lists or the guests have changed. It must not throw. */
  onConfiguration(listener: () => void): void {
    this.configurationListeners.push(listener);
  }

  /** What this node would have the cluster be: counts only as long as no cluster is born. */
  propose(configuration: ClusterConfiguration): void {
    if (this.epoch === 0 && configuration.epoch === 0) {
      this.newest = configuration;
      this.lists = new PartitionLists(configuration);
    }
  }

  /** Copies besides the holder's, of partitions of a class: as many as are asked for. 0 for a class that there is not. */
  replicasOf(placement = 0): number {
    return this.newest.classes.find(({ number }) => number === placement)?.replicas ?? 0;
  }

  /**
   * The numbers of all partitions are below. Partition `p + slices × k` is the slice `p` of the hash space in the class `k`: numbered
   * apart, so that what nodes compare of a partition is theirs alike. Neither the number of nodes nor that of copies matters.
   */
  get partitions(): number {
    return this.slices * (Math.max(...this.newest.classes.map(({ number }) => number)) + 1);
  }

  /** Of its UTF-8 bytes: whole, below 2^32. */
  hashOf(key: string): number {
    return this.hashFunc.hash(Buffer.from(key, 'utf8'));
  }

  /** @param placement the class of the namespace */
  partitionOf(key: string, placement: number): number {
    return sliceOf(this.hashOf(key), this.slices) + this.firstOf(placement);
  }

  /** The first partition of a class; there are `slices` of them. */
  firstOf(placement: number): number {
    return this.slices * placement;
  }

  /** The class of a partition. */
  placementOf(partition: number): number {
    return Math.floor(partition / this.slices);
  }

  /** The nodes of a partition, the holder first; of the group of the configuration its keepers. */
  listOf(partition: number): readonly string[] {
    return this.lists.listOf(partition);
  }

  /** The nodes that a partition is to be on: others than those of its list only while it moves. */
  goalOf(partition: number): readonly string[] {
    return this.lists.goalOf(partition);
  }

  /** The epoch from which on a partition that moves is to be where it is to be now; 0 where it does not move. */
  sinceOf(partition: number): number {
    return this.lists.sinceOf(partition);
  }

  /** The nodes of the list of a partition, and after them others that it is on its way to, or was. */
  nodesOf(partition: number): readonly string[] {
    return this.lists.nodesOf(partition);
  }

  /** What the stages of moves mean for those who read and write. */
  get stages(): Pick<PartitionLists, 'stageOf' | 'barrierOf' | 'quorumListsOf'> {
    return this.lists;
  }

  /** Copies that there are. */
  copiesOf(partition: number): number {
    return this.listOf(partition).length;
  }

  /** Copies that the partition's class is to have; of the configuration there are as many as it has keepers. */
  copiesAskedOf(partition: number): number {
    return this.lists.copiesAskedOf(partition);
  }

  /** The other members. */
  get peers(): readonly ClusterNode[] {
    this.knownPeers ??= this.newest.members
      .filter(({ nodeId }) => nodeId !== this.selfId)
      .map(({ nodeId }) => this.addresses.get(nodeId)!);
    return this.knownPeers;
  }

  /** Nodes that are talked to and are no members. */
  get guests(): readonly ClusterNode[] {
    return (this.knownGuests ??= [...this.guestIds].map((nodeId) => this.addresses.get(nodeId)!));
  }

  /** Whom this node talks to: the other members and the guests. */
  get others(): readonly ClusterNode[] {
    this.knownOthers ??= [...this.peers, ...this.guests];
    return this.knownOthers;
  }

  get members(): readonly MemberStatus[] {
    return this.newest.members.map(({ nodeId }) => ({
      node: this.addresses.get(nodeId)!,
      state: this.stateOf(nodeId),
    }));
  }

  /** Notes whether this node and a peer refuse each other because of their clocks. */
  setSkewed(nodeId: string, skewed: boolean): void {
    if (skewed && this.states.has(nodeId)) {
      this.skewed.add(nodeId);
    } else {
      this.skewed.delete(nodeId);
    }
  }

  /** Whether more than half of the other members disagree with this node's clock: then it is this one that is wrong. */
  get clockSuspect(): boolean {
    const disagreeing = this.peers.filter(({ nodeId }) => this.skewed.has(nodeId));
    return disagreeing.length * 2 > this.peers.length;
  }

  isMember(nodeId: string): boolean {
    return this.memberIds.has(nodeId);
  }

  /** Whether it is this node, a member or a guest. */
  knows(nodeId: string): boolean {
    return this.addresses.has(nodeId);
  }

  /**
   * Takes new addresses of nodes that are known; a node that is no member is none afterwards either. Whose cluster has no other
   * member talks to all that are shown: its folder may be an older copy, put back, and they know what has become of the cluster.
   */
  relocate(nodes: readonly ClusterNode[]): void {
    for (const node of nodes) {
      if (this.epoch > 0 && this.peers.length === 0) {
        this.welcome(node);
      }
      const known = this.addresses.get(node.nodeId);
      if (known) {
        this.addresses.set(node.nodeId, { ...known, host: node.host, port: node.port });
      }
    }
    this.dropKnown();
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
      this.stateListeners.forEach((listener) => listener(nodeId, state));
    }
  }

  onState(listener: StateListener): void {
    this.stateListeners.push(listener);
  }

  holds(partition: number, nodeId = this.selfId): boolean {
    return this.listOf(partition).includes(nodeId);
  }

  /** @throws DkvError `DKV_FORWARDING_LOOP` when this node holds no copy */
  assertHolds(partition: number): void {
    if (!this.nodesOf(partition).includes(this.selfId)) {
      throw new DkvError(
        'DKV_FORWARDING_LOOP',
        `Node ${this.selfId} holds no copy of partition ${partition}: its nodes are ` +
          `${this.listOf(partition).join(', ')}. ${ADDRESS_REMEDY}`,
      );
    }
  }

  /** The partition's nodes worth asking, in the order of the preference list, suspects last; or those of another list. */
  reachable(partition: number, list = this.listOf(partition)): readonly string[] {
    if (list.every(this.isUp)) {
      return list;
    }
    return [...list.filter(this.isUp), ...list.filter((nodeId) => this.stateOf(nodeId) === 'suspect')];
  }

  private readonly isUp = (nodeId: string): boolean => this.states.get(nodeId) === 'up';

  /** The partitions of which this node holds a copy. */
  ownPartitions(): readonly number[] {
    return this.lists.partitionsOf(this.selfId);
  }

  /** Own partitions of which a copy is on a node that is down, or which are among `lacking`. */
  underReplicated(lacking?: ReadonlySet<number>): number {
    return this.ownPartitions().filter(
      (partition) =>
        lacking?.has(partition) || this.listOf(partition).some((nodeId) => this.stateOf(nodeId) === 'down'),
    ).length;
  }

  /** @param before the members until now */
  private take({ members }: ClusterConfiguration, before: readonly ClusterNode[]): void {
    const saidBefore = new Map(before.map((member) => [member.nodeId, member]));
    for (const member of members) {
      const { nodeId } = member;
      const said = saidBefore.get(nodeId);
      // Discovery may know better than the configuration, but not of what has changed in it.
      const isAsBefore = said?.host === member.host && said.port === member.port;
      const { host, port } = isAsBefore ? this.addresses.get(nodeId)! : member;
      this.addresses.set(nodeId, bareNode({ ...member, host, port }));
      // Unknown until the first heartbeat: worth asking, so not down. Of a guest more is known.
      this.states.set(nodeId, this.states.get(nodeId) ?? 'suspect');
      this.guestIds.delete(nodeId);
    }
    this.memberIds = new Set(members.map(({ nodeId }) => nodeId));
    this.dropKnown();
  }

  /** Who was a member is to be told more than who waits, and asks again. */
  private makeRoom(): void {
    if (this.guestIds.size >= GUESTS_MAX) {
      const [longest] = this.guestIds;
      this.forget(longest!);
    }
  }

  private forget(nodeId: string): void {
    this.guestIds.delete(nodeId);
    this.addresses.delete(nodeId);
    this.states.delete(nodeId);
    this.skewed.delete(nodeId);
  }

  private dropKnown(): void {
    this.knownPeers = undefined;
    this.knownGuests = undefined;
    this.knownOthers = undefined;
  }

  private tellConfiguration(): void {
    this.dropKnown();
    this.configurationListeners.forEach((listener) => listener());
  }
}
