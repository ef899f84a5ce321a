/** How new folders become a cluster, once: rule 0 of the strong mode. */
import { type ClusterConfiguration } from '../model/membership.js';
import { type MemberId, nodeOf } from '../model/raft-messages.js';
import { type FirstMembers, type NodeMessage } from '../model/node-messages.js';
import { type LocalKvRepo } from '../ports/local-kv-repo.js';
import { type Logger } from '../ports/logger.js';
import { configurationFrom, placesIn, relocated, textOf } from './cluster-configuration.js';
import { listsOfClass } from './partition-lists.js';
import { type PeerDirectory } from './peer-directory.js';
import { type Peer } from './peers.js';

/** What is noted durably of the cluster that a folder belongs to. */
export interface ClusterNote extends FirstMembers {
  /** '' for none yet. */
  readonly clusterId: string;
  /** The classes whose groups are born with the cluster, in the order of `lists`; for others see `class-birth.ts`. */
  readonly classes: readonly number[];
  /** Whether it is known that every node has accepted these members. */
  readonly isBorn: boolean;
}

type BirthMessage = Extract<NodeMessage, { kind: 'birth' | 'born' }>;

/** Under which name the note is kept. */
export const CLUSTER_META = 'cluster';
export const NO_CLUSTER: ClusterNote = Object.freeze({
  clusterId: '',
  members: [],
  lists: [],
  classes: [],
  isBorn: false,
});

/** Of a data folder. */
export async function clusterNoteOf(meta: Pick<LocalKvRepo, 'getMeta'>): Promise<ClusterNote> {
  const text = await meta.getMeta(CLUSTER_META);
  return text === undefined ? NO_CLUSTER : (JSON.parse(text) as ClusterNote);
}

export interface BirthServices {
  readonly self: MemberId;
  readonly selfId: string;
  /** All nodes of the cluster, this one included, as it is to be. */
  readonly nodeIds: () => readonly string[];
  /** What this node would have the cluster be. */
  readonly first: () => ClusterConfiguration;
  /** Of the cluster whose configuration is known here; '' as long as there is only the one that this node would make. */
  readonly agreedCluster: () => string;
  /** The classes of this node's namespaces of which there are to be groups. */
  readonly classes: () => readonly number[];
  readonly directory: () => PeerDirectory;
  readonly logger: Logger;
  newClusterId(): string;
  post(nodeId: string, message: NodeMessage): void;
  /** Resolves when the note is durable, and with it the first configuration, which is given where the cluster is born. */
  note(cluster: ClusterNote, first: ClusterConfiguration | undefined): Promise<void>;
  /** The cluster is born, with `first`, or this node has joined one that was. */
  born(cluster: ClusterNote, first: ClusterConfiguration | undefined): void;
}

/** A cluster that is to be, or is born, and its first configuration. */
interface Proposal {
  readonly cluster: ClusterNote;
  readonly first: ClusterConfiguration;
}

/**
 * The node with the lowest id asks every other, and only when each has said that its folder is new: it proposes the first
 * incarnation of each, every node accepts durably, then all are told. Nobody votes or acknowledges before it knows that
 * all have accepted, so two sets of first voters can never both be at work; a proposal that was not accepted by all may
 * be replaced by another of the same node. An empty folder that meets a cluster joins it as a new incarnation instead.
 */
export class Birth {
  private accepted = new Set<string>();
  private proposed: Proposal | undefined;
  private isNoting = false;

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

  /** The nodes that must be seen with new folders, and have not been. */
  get missing(): readonly string[] {
    const { nodeIds, selfId, directory } = this.services;
    return nodeIds().filter((nodeId) => nodeId !== selfId && !directory().isUp(nodeId));
  }

  /** Once a heartbeat interval. */
  tick(): void {
    if (this.cluster.isBorn || this.isNoting) {
      return;
    }
    const { selfId, directory, agreedCluster } = this.services;
    const clusterId = agreedCluster();
    if (clusterId !== '') {
      // It was born without this folder: whoever had been here before is forgotten.
      const known = clusterId === this.cluster.clusterId ? this.cluster : NO_CLUSTER;
      this.finish({ ...known, clusterId, isBorn: true }, undefined);
      return;
    }
    const nodeIds = this.services.nodeIds();
    if (nodeIds.length === 1) {
      this.proposed ??= this.propose();
      this.finish(this.proposed.cluster, this.proposed.first);
      return;
    }
    if ([...nodeIds].sort()[0] === selfId && this.missing.length === 0) {
      const members = this.membersNow();
      if (this.proposed?.cluster.members.join() !== members.join()) {
        this.proposed = this.propose();
        this.accepted = new Set();
        const { cluster } = this.proposed;
        this.note({ ...cluster, isBorn: false }, undefined, () => this.accept(selfId, cluster.clusterId));
      }
      const { cluster, first } = this.proposed;
      for (const peer of directory().all) {
        if (!this.accepted.has(peer.nodeId)) {
          this.services.post(peer.nodeId, messageOf('birth', cluster, first));
        }
      }
    }
  }

  /** The lowest node has seen every folder new. */
  receiveBirth(peer: Peer, proposed: BirthMessage): void {
    const { self, nodeIds, agreedCluster } = this.services;
    const isLowest = [...nodeIds()].sort()[0] === peer.nodeId;
    if (this.cluster.isBorn || agreedCluster() !== '' || !isLowest || !proposed.members.includes(self)) {
      return;
    }
    this.note(noteOf(proposed, false), undefined, () =>
      this.services.post(peer.nodeId, { kind: 'birthAccepted', clusterId: proposed.clusterId }),
    );
  }

  receiveAccepted(peer: Peer, clusterId: string): void {
    if (this.proposed?.cluster.members.includes(peer.member)) {
      this.accept(peer.nodeId, clusterId);
    }
  }

  receiveBorn(born: BirthMessage): void {
    if (!this.cluster.isBorn && this.cluster.clusterId === born.clusterId) {
      const first = this.firstIn(born);
      if (first) {
        this.finish(noteOf(born, true), first);
      }
    }
  }

  /** A node keeps the addresses that it was told itself. */
  private firstIn({ configuration }: BirthMessage): ClusterConfiguration | undefined {
    try {
      return relocated(configurationFrom(configuration), this.services.first().members);
    } catch (error) {
      this.services.logger.warn(
        `The first configuration of a cluster cannot be read: ${(error as Error).message}`,
      );
      return undefined;
    }
  }

  private accept(nodeId: string, clusterId: string): void {
    const { proposed } = this;
    if (proposed?.cluster.clusterId !== clusterId || this.cluster.isBorn) {
      return;
    }
    this.accepted.add(nodeId);
    if (this.services.nodeIds().every((id) => this.accepted.has(id))) {
      this.finish(proposed.cluster, proposed.first);
    }
  }

  private membersNow(): readonly MemberId[] {
    const { nodeIds, selfId, self, directory } = this.services;
    return [...nodeIds()].sort().map((id) => (id === selfId ? self : directory().find(id)!.member));
  }

  private propose(): Proposal {
    const { services } = this;
    const members = this.membersNow();
    const clusterId = services.newClusterId();
    const first = { ...services.first(), epoch: 1, clusterId };
    const classes = services.classes();
    const lists = [...classes.flatMap((placement) => listsOfClass(first, placement)!), first.lists.at(-1)!];
    const cluster = {
      clusterId,
      members,
      lists: placesIn(members.map(nodeOf), lists),
      classes,
      isBorn: true,
    };
    return { cluster, first };
  }

  private finish(cluster: ClusterNote, first: ClusterConfiguration | undefined): void {
    this.note(cluster, first, () => {
      this.services.born(cluster, first);
      if (first) {
        for (const peer of this.services.directory().all) {
          this.services.post(peer.nodeId, messageOf('born', cluster, first));
        }
      }
    });
  }

  /** Until it is durable nothing else is noted; what could not be is tried again by the next tick. */
  private note(cluster: ClusterNote, first: ClusterConfiguration | undefined, then: () => void): void {
    if (this.isNoting) {
      return;
    }
    this.isNoting = true;
    this.services.note(cluster, first).then(
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
}

function messageOf(
  kind: BirthMessage['kind'],
  { clusterId, members, lists, classes }: ClusterNote,
  first: ClusterConfiguration,
): BirthMessage {
  return { kind, clusterId, members, lists, classes, configuration: textOf(first) };
}

/** Who voted first in the groups of a class; undefined where the cluster was born without them. */
export function firstOfClass(
  { members, lists, classes }: ClusterNote,
  placement: number,
): FirstMembers | undefined {
  const row = classes.indexOf(placement);
  const slices = (lists.length - 1) / classes.length;
  return row < 0 ? undefined : { members, lists: lists.slice(row * slices, (row + 1) * slices) };
}

function noteOf({ clusterId, members, lists, classes }: BirthMessage, isBorn: boolean): ClusterNote {
  return { clusterId, members, lists, classes, isBorn };
}
