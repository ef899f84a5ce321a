/** How new folders become a cluster, once: rule 0 of the strong mode. */
import { type MemberId } from '../model/raft-messages.js';
import { type FirstMembers, type NodeMessage } from '../model/node-messages.js';
import { type LocalKvRepo } from '../ports/local-kv-repo.js';
import { type Logger } from '../ports/logger.js';
import { type PeerDirectory } from './peer-directory.js';
import { type Peer } from './peers.js';

/** What is noted durably of the cluster that a folder belongs to. */
export interface ClusterNote extends FirstMembers {
  /** '' for none yet. */
  readonly clusterId: string;
  /** The numbers of copies of the groups that are born with the cluster; for others see `class-birth.ts`. */
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
  /** Where partitions are to be, as {@link FirstMembers} has it. */
  readonly listsOf: (members: readonly MemberId[]) => FirstMembers['lists'];
  /** Of the cluster whose configuration is known here; '' as long as there is only the one that this node would make. */
  readonly agreedCluster: () => string;
  /** The numbers of copies that namespaces of this node have. */
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
 * The node with the lowest id asks every other, and only when each has said that its folder is new: it proposes the first
 * incarnation of each, every node accepts durably, then all are told. Nobody votes or acknowledges before it knows that
 * all have accepted, so two sets of first voters can never both be at work; a proposal that was not accepted by all may
 * be replaced by another of the same node. An empty folder that meets a cluster joins it as a new incarnation instead.
 */
export class Birth {
  private accepted = new Set<string>();
  private proposed: ClusterNote | undefined;
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

  /** The numbers of copies that the cluster was born with groups of. */
  get classes(): readonly number[] {
    return this.cluster.isBorn ? this.cluster.classes : [];
  }

  /** Who voted first in the groups that the cluster was born with; of nobody as long as it is not, or where that is not known. */
  get firstMembers(): FirstMembers {
    return this.cluster.isBorn ? this.cluster : NO_CLUSTER;
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
      this.finish({ ...known, clusterId, isBorn: true });
      return;
    }
    const nodeIds = this.services.nodeIds();
    if (nodeIds.length === 1) {
      this.proposed ??= this.propose();
      this.finish(this.proposed);
      return;
    }
    if ([...nodeIds].sort()[0] === selfId && this.missing.length === 0) {
      const members = this.membersNow();
      if (this.proposed?.members.join() !== members.join()) {
        this.proposed = this.propose();
        this.accepted = new Set();
        const { proposed } = this;
        this.note({ ...proposed, isBorn: false }, () => this.accept(selfId, proposed.clusterId));
      }
      for (const peer of directory().all) {
        if (!this.accepted.has(peer.nodeId)) {
          this.services.post(peer.nodeId, messageOf('birth', this.proposed));
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
    this.note(noteOf(proposed, false), () =>
      this.services.post(peer.nodeId, { kind: 'birthAccepted', clusterId: proposed.clusterId }),
    );
  }

  receiveAccepted(peer: Peer, clusterId: string): void {
    if (this.proposed?.members.includes(peer.member)) {
      this.accept(peer.nodeId, clusterId);
    }
  }

  receiveBorn(born: BirthMessage): void {
    if (!this.cluster.isBorn && this.cluster.clusterId === born.clusterId) {
      this.finish(noteOf(born, true));
    }
  }

  private accept(nodeId: string, clusterId: string): void {
    const { proposed } = this;
    if (proposed?.clusterId !== clusterId || this.cluster.isBorn) {
      return;
    }
    this.accepted.add(nodeId);
    if (this.services.nodeIds().every((id) => this.accepted.has(id))) {
      this.finish(proposed);
    }
  }

  private membersNow(): readonly MemberId[] {
    const { nodeIds, selfId, self, directory } = this.services;
    return [...nodeIds()].sort().map((id) => (id === selfId ? self : directory().find(id)!.member));
  }

  private propose(): ClusterNote {
    const { services } = this;
    const members = this.membersNow();
    return {
      clusterId: services.newClusterId(),
      members,
      lists: services.listsOf(members),
      classes: services.classes(),
      isBorn: true,
    };
  }

  private finish(cluster: ClusterNote): void {
    this.note(cluster, () => {
      this.services.born(cluster);
      for (const peer of this.services.directory().all) {
        this.services.post(peer.nodeId, messageOf('born', cluster));
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
}

function messageOf(
  kind: BirthMessage['kind'],
  { clusterId, members, lists, classes }: ClusterNote,
): BirthMessage {
  return { kind, clusterId, members, lists, classes };
}

function noteOf({ clusterId, members, lists, classes }: BirthMessage, isBorn: boolean): ClusterNote {
  return { clusterId, members, lists, classes, isBorn };
}
