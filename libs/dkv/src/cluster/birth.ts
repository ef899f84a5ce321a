/** How new folders become a cluster, once: rule 0 of the strong mode. */
import { type FirstCluster, type FirstMembers, type NodeMessage } from '../model/node-messages.js';
import { type MemberId, nodeOf } from '../model/raft-messages.js';
import { type Logger } from '../ports/logger.js';
import { configurationFrom } from './cluster-configuration.js';
import { type ClusterNote, firstOfClass, NO_CLUSTER } from './cluster-note.js';
import { type PeerDirectory } from './peer-directory.js';
import { type Peer } from './peers.js';

type BirthMessage = Extract<NodeMessage, { kind: 'birth' }>;
type AboutProposal = 'birthAccepted' | 'birthContested' | 'birthWithdrawn' | 'born';

/** Ticks that a founder waits for nodes that discovery shows and nobody hears: one of them may know of a cluster. */
const AWAIT_TICKS = 30;
/** Between two lines that say how far it is. */
const TELL_EVERY_TICKS = 100;

export interface BirthServices {
  readonly self: MemberId;
  readonly selfId: string;
  /** The nodes that discovery shows, this one included. */
  readonly shownIds: () => readonly string[];
  /** How many nodes a cluster is made of; undefined: all that discovery shows. */
  readonly clusterSize: number | undefined;
  /** Whether discovery shows all nodes from the beginning. Default true. */
  readonly hasFixedNodes?: boolean;
  /** The cluster that these nodes make, one member of each, born with the groups of these classes. */
  readonly plan: (
    clusterId: string,
    members: readonly MemberId[],
    classes: readonly number[],
  ) => FirstCluster;
  /** Of the cluster whose configuration is known here; '' as long as there is only the one that this node would make. */
  readonly agreedCluster: () => string;
  /** The classes of this node's namespaces of which there are to be groups. */
  readonly classes: () => readonly number[];
  readonly directory: () => PeerDirectory;
  readonly logger: Logger;
  newClusterId(): string;
  post(nodeId: string, message: NodeMessage): void;
  /** Resolves when the note is durable. */
  note(cluster: ClusterNote): Promise<void>;
  /** The cluster is born, or this node has joined one that was. */
  born(cluster: ClusterNote): void;
}

/**
 * The first members are the `clusterSize` nodes with the lowest ids among those that hear each other and have new folders. The
 * lowest of them proposes the first incarnation of each, every one accepts durably, then all are told. Nobody votes or
 * acknowledges before it knows that all have accepted, and a node has accepted one proposal at a time: so two sets of
 * first members that have a node in common can never both be at work. An empty folder that meets a cluster joins it instead.
 *
 * A node that has accepted is bound until the one that proposed, which alone ends a birth, says that it gave the proposal up, or
 * replaces it. Of two proposals that want the same node the higher proposer gives up.
 */
export class Birth {
  private accepted = new Set<string>();
  /** By this node, and not given up. */
  private proposed: ClusterNote | undefined;
  private isNoting = false;
  private ticks = 0;
  /** At which tick there were enough nodes, as far as there are. */
  private enoughAt: number | undefined;
  /** After it gave a proposal up, this node leaves the founding to others for a while. */
  private notBefore = 0;
  private told = '';
  private toldAt = -TELL_EVERY_TICKS + AWAIT_TICKS;

  constructor(
    private readonly services: BirthServices,
    private cluster: ClusterNote,
  ) {}

  get isBorn(): boolean {
    return this.cluster.isBorn;
  }

  /** '' until the folder belongs to a cluster. */
  get clusterId(): string {
    return this.cluster.isBorn ? this.cluster.clusterId : '';
  }

  /** The classes that the cluster was born with groups of. */
  get classes(): readonly number[] {
    return this.cluster.isBorn ? this.cluster.classes : [];
  }

  /** Who voted first in the groups that the cluster was born with; of nobody as long as it is not, or where that is not known. */
  get firstMembers(): FirstMembers {
    return this.cluster.isBorn ? this.cluster : NO_CLUSTER;
  }

  /** The same of one class; undefined where the cluster was born without its groups. */
  firstOf(placement: number): FirstMembers | undefined {
    return this.cluster.isBorn ? firstOfClass(this.cluster, placement) : undefined;
  }

  /** The nodes that discovery shows and this node does not hear. */
  get missing(): readonly string[] {
    const { shownIds, directory } = this.services;
    return shownIds().filter((nodeId) => !directory().isUp(nodeId));
  }

  /** Why there is no cluster yet, a clause for people; '' where it is there, or about to be. */
  get reason(): string {
    const { directory } = this.services;
    const [founder] = this.cluster.members;
    if (this.isBorn) {
      return '';
    }
    if (this.isBound && !directory().isAlive(founder!)) {
      return (
        `node ${nodeOf(founder!)} has proposed a cluster which this node has accepted, and is not seen any more as it was: start it, ` +
        "or, where its folder is gone, empty this node's data folder"
      );
    }
    const size = this.size;
    const seen = this.seen.length;
    if (seen >= size) {
      return '';
    }
    const { missing } = this;
    const others =
      missing.length > 0 ? `not seen so far: ${missing.join(', ')}` : 'discovery shows no others';
    return `${seen} of ${size} nodes are seen (clusterSize), ${others}`;
  }

  /** Once a heartbeat interval. */
  tick(): void {
    this.ticks++;
    if (this.cluster.isBorn || this.isNoting) {
      return;
    }
    const { agreedCluster, directory } = this.services;
    const clusterId = agreedCluster();
    if (clusterId !== '') {
      // It was born without this folder: whoever had been here before is forgotten.
      const known = clusterId === this.cluster.clusterId ? this.cluster : NO_CLUSTER;
      this.finish({ ...known, clusterId, isBorn: true });
      return;
    }
    this.tell();
    if (this.isBound || this.knowsCluster) {
      return;
    }
    if (this.proposed && !this.proposed.members.every((member) => this.isHere(member))) {
      this.giveUp(this.ticks);
    }
    if (!this.proposed && this.ticks >= this.notBefore) {
      this.propose();
    }
    for (const member of this.proposed?.members ?? []) {
      const nodeId = nodeOf(member);
      if (!this.accepted.has(nodeId) && directory().find(nodeId)) {
        this.services.post(nodeId, messageOf(this.proposed!));
      }
    }
  }

  /** The lowest node of a proposal has seen new folders enough. */
  receiveBirth(peer: Peer, proposal: BirthMessage): void {
    const { self, selfId, agreedCluster } = this.services;
    const [founder] = proposal.members;
    const isForThis = founder === peer.member && proposal.members.includes(self);
    if (this.cluster.isBorn || this.isNoting || !isForThis || agreedCluster() !== '' || this.knowsCluster) {
      return;
    }
    if (this.isBound && !mayReplace(this.cluster, proposal)) {
      const [bound] = this.cluster.members;
      const higher = nodeOf(bound!) > peer.nodeId ? this.cluster : proposal;
      this.contest(higher);
      return;
    }
    if (this.proposed && peer.nodeId > selfId) {
      this.contest(proposal);
      return;
    }
    if (!this.canRead(proposal)) {
      return;
    }
    this.proposed = undefined;
    if (this.cluster.clusterId === proposal.clusterId) {
      this.say(peer.nodeId, 'birthAccepted', proposal.clusterId);
      return;
    }
    this.note(noteOf(proposal), () => this.say(peer.nodeId, 'birthAccepted', proposal.clusterId));
  }

  /** Of a node that runs another version, it may be. */
  private canRead({ configuration }: BirthMessage): boolean {
    try {
      configurationFrom(configuration);
      return true;
    } catch (error) {
      const { message } = error as Error;
      this.services.logger.warn(`The first configuration of a cluster cannot be read: ${message}`);
      return false;
    }
  }

  receiveAccepted(peer: Peer, clusterId: string): void {
    if (this.proposed?.members.includes(peer.member)) {
      this.accept(peer.nodeId, clusterId);
    }
  }

  /** A node that the proposal needs has accepted a lower one's, or was asked by one. */
  receiveContested(peer: Peer, clusterId: string): void {
    if (this.isNoting) {
      return;
    }
    if (this.isBorn && this.cluster.clusterId === clusterId) {
      this.say(peer.nodeId, 'born', clusterId);
      return;
    }
    if (this.proposed?.clusterId === clusterId) {
      this.giveUp(this.ticks + AWAIT_TICKS);
    }
    this.say(peer.nodeId, 'birthWithdrawn', clusterId);
  }

  /** Of the very incarnation that proposed: another does not know whether it was born. */
  receiveWithdrawn(peer: Peer, clusterId: string): void {
    const { cluster } = this;
    if (!cluster.isBorn && cluster.clusterId === clusterId && cluster.members[0] === peer.member) {
      this.note(NO_CLUSTER, () => undefined);
    }
  }

  receiveBorn(clusterId: string): void {
    if (!this.cluster.isBorn && this.cluster.clusterId === clusterId) {
      this.finish({ ...this.cluster, isBorn: true });
    }
  }

  /** It has accepted what another proposed. */
  private get isBound(): boolean {
    const { clusterId, members, isBorn } = this.cluster;
    return !isBorn && clusterId !== '' && members[0] !== this.services.self;
  }

  /** A node that is heard belongs to a cluster: this one will hear of it, and join. */
  private get knowsCluster(): boolean {
    return [...this.services.directory().all].some(({ clusterId }) => clusterId !== '');
  }

  private get size(): number {
    const { clusterSize, shownIds } = this.services;
    return clusterSize ?? shownIds().length;
  }

  /** Nodes that discovery shows and this node hears, itself included: those with new folders, by id. */
  private get seen(): readonly MemberId[] {
    const { shownIds, selfId, self, directory } = this.services;
    return [...shownIds()].sort().flatMap((nodeId) => {
      const peer = directory().find(nodeId);
      const isNew = peer?.hasIntroducedItself && peer.clusterId === '' && directory().isUp(nodeId);
      return nodeId === selfId ? [self] : isNew ? [peer.member] : [];
    });
  }

  private isHere(member: MemberId): boolean {
    return member === this.services.self || this.services.directory().isAlive(member);
  }

  /**
   * The next step of the node that founds: it waits for those that are shown and silent, but not for ever. One that is alone may have
   * started at once with others that discovery does not show yet: each would make a cluster of its own.
   */
  private propose(): void {
    const { self, shownIds, plan, classes, hasFixedNodes = true } = this.services;
    const { seen, size } = this;
    if (seen.length < size) {
      this.enoughAt = undefined;
      return;
    }
    this.enoughAt ??= this.ticks;
    const mayMissSome = seen.length < shownIds().length || (seen.length === 1 && !hasFixedNodes);
    const isAwaited = mayMissSome && this.ticks - this.enoughAt < AWAIT_TICKS;
    const members = seen.slice(0, size);
    if (isAwaited || members[0] !== self) {
      return;
    }
    const clusterId = this.services.newClusterId();
    const proposed = {
      ...plan(clusterId, members, classes()),
      clusterId,
      classes: classes(),
      isBorn: false,
    };
    this.proposed = proposed;
    this.accepted = new Set();
    if (size === 1) {
      this.finish({ ...proposed, isBorn: true });
    } else {
      this.note(proposed, () => this.accept(nodeOf(self), proposed.clusterId));
    }
  }

  private accept(nodeId: string, clusterId: string): void {
    const { proposed } = this;
    if (proposed?.clusterId !== clusterId || this.cluster.isBorn) {
      return;
    }
    this.accepted.add(nodeId);
    if (proposed.members.every((member) => this.accepted.has(nodeOf(member)))) {
      this.finish({ ...proposed, isBorn: true });
    }
  }

  private giveUp(notBefore: number): void {
    this.proposed = undefined;
    this.enoughAt = undefined;
    this.notBefore = notBefore;
  }

  /** Asks the node that made the proposal to give it up for a lower one's. */
  private contest({
    clusterId,
    members,
  }: Pick<FirstCluster, 'members'> & { readonly clusterId: string }): void {
    const founder = members[0]!;
    if (this.services.directory().find(nodeOf(founder))) {
      this.say(nodeOf(founder), 'birthContested', clusterId);
    }
  }

  private say(nodeId: string, kind: AboutProposal, clusterId: string): void {
    this.services.post(nodeId, { kind, clusterId });
  }

  private finish(cluster: ClusterNote): void {
    this.note(cluster, () => {
      this.services.born(cluster);
      for (const { nodeId } of this.services.directory().all) {
        this.say(nodeId, 'born', cluster.clusterId);
      }
    });
  }

  /** Until it is durable nothing else is noted; what could not be is tried again by the next tick. */
  private note(cluster: ClusterNote, then: () => void): void {
    if (this.isNoting) {
      return;
    }
    this.isNoting = true;
    this.services.note(cluster).then(
      () => {
        this.isNoting = false;
        this.cluster = cluster;
        then();
      },
      (error: Error) => {
        this.isNoting = false;
        this.proposed = undefined;
        this.services.logger.error(`The cluster could not be noted in the data folder: ${error.message}`);
      },
    );
  }

  private tell(): void {
    const { reason } = this;
    if (reason !== '' && reason !== this.told && this.ticks - this.toldAt >= TELL_EVERY_TICKS) {
      this.told = reason;
      this.toldAt = this.ticks;
      this.services.logger.log(`The cluster is not born yet: ${reason}.`);
    }
  }
}

/** Whether a node that accepted the one may accept the other: of the same process, or of all nodes of the one, who then know. */
function mayReplace(one: FirstMembers, other: FirstMembers): boolean {
  const nodeIds = other.members.map(nodeOf);
  return (
    one.members[0] === other.members[0] || one.members.every((member) => nodeIds.includes(nodeOf(member)))
  );
}

function messageOf({ clusterId, members, lists, configuration, classes }: ClusterNote): BirthMessage {
  return { kind: 'birth', clusterId, members, lists, configuration, classes };
}

function noteOf({ kind: _, ...proposal }: BirthMessage): ClusterNote {
  return { ...proposal, isBorn: false };
}
