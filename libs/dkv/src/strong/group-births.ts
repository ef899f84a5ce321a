/** Which groups there are on this node and since when: with the cluster, or later, for namespaces that were added (rule 0). */
import { Birth, CLUSTER_META, type ClusterNote } from '../cluster/birth.js';
import { ClassBirth, CLASSES_META } from '../cluster/class-birth.js';
import { type PeerDirectory } from '../cluster/peer-directory.js';
import { hex12 } from '../model/hex.js';
import { type MemberId } from '../model/raft-messages.js';
import { type GroupServices } from './group-parts.js';
import { type Identity } from './node-identity.js';
import { copiesOfNamespaces, firstConfiguration, NOTHING_STORED, ownGroups } from './own-groups.js';
import { StrongGroup } from './strong-group.js';
import { type StrongModeParts } from './strong-mode-parts.js';
import { type StrongNode } from './strong-node.js';

interface GroupBirthServices {
  readonly node: StrongNode;
  /** Of the groups. */
  readonly services: GroupServices;
  readonly directory: () => PeerDirectory;
  /** This node, as the groups know it now. */
  readonly member: () => MemberId;
  /** The generation that this member has promised for the group; 0 for none. */
  readonly promisedIn: (group: number) => number;
}

export class GroupBirths {
  readonly birth: Birth;
  readonly classBirth: ClassBirth;

  constructor(
    private readonly parts: StrongModeParts,
    identity: Identity,
    private readonly around: GroupBirthServices,
  ) {
    const { view, logger, meta, namespaces, random } = parts;
    const { node, directory, member } = around;
    const { selfId } = view;
    const nodeIds = view.members.map((known) => known.node.nodeId);
    this.birth = new Birth(
      {
        self: member(),
        selfId,
        nodeIds,
        classes: () => copiesOfNamespaces(namespaces),
        directory,
        logger,
        newClusterId: () => hex12(Math.floor(random.next() * 2 ** 48)),
        post: (nodeId, message) => node.say(nodeId, message),
        // On the medium: a cluster whose nodes all lost power right after its birth would be born again, and count anew.
        note: async (cluster) => {
          await meta.putMeta(CLUSTER_META, JSON.stringify(cluster));
          await parts.makeDurable();
        },
        born: (cluster) => this.clusterBorn(cluster),
      },
      identity.cluster,
    );
    this.classBirth = new ClassBirth(
      {
        selfId,
        self: member,
        nodeIds,
        copiesMax: view.copiesMax,
        directory,
        logger,
        isClusterBorn: () => this.birth.isBorn,
        bornWithCluster: (copies) => this.birth.bornWith(copies),
        classesOfCluster: () => this.birth.classes,
        hasGroups: (copies) => this.hasGroups(copies),
        post: (nodeId, message) => node.say(nodeId, message),
        note: (notes) => meta.putMeta(CLASSES_META, JSON.stringify(notes)),
        born: (copies, members) => this.classBorn(copies, members),
      },
      identity.classes,
    );
  }

  /** When all namespaces are known. */
  start(): void {
    copiesOfNamespaces(this.parts.namespaces).forEach((copies) => this.classBirth.want(copies));
    this.classesInUse().forEach((copies) => this.addGroups(copies));
  }

  /** Once a heartbeat interval. */
  tick(): void {
    this.birth.tick();
    this.classBirth.tick();
  }

  /** Of namespaces that are declared here, and of others: their groups need this node's votes all the same. */
  private classesInUse(): ReadonlySet<number> {
    return new Set([...copiesOfNamespaces(this.parts.namespaces), ...this.classBirth.known]);
  }

  /** Those with so many copies that are not there yet. */
  private addGroups(copies: number): void {
    const { node, services, promisedIn } = this.around;
    const born = this.classBirth.noteOf(copies);
    for (const { number, list } of ownGroups(this.parts.view, copies)) {
      if (!node.groups.get(number)) {
        const found = this.parts.stored.get(number) ?? NOTHING_STORED;
        const group = new StrongGroup(
          number,
          list,
          services,
          found,
          firstConfiguration(list, born),
          promisedIn(number),
        );
        group.isBorn = this.birth.isBorn && born.isBorn;
        node.groups.add(group);
      }
    }
  }

  /** Whether there is anything here of a group of so many copies, also of a namespace that is not declared any more. */
  private hasGroups(copies: number): boolean {
    const { stored, view } = this.parts;
    for (const number of stored.keys()) {
      if (view.copiesAskedOf(number) === copies) {
        return true;
      }
    }
    for (const { number, raft } of this.around.node.groups.values()) {
      if (view.copiesAskedOf(number) === copies && (raft.term > 0 || raft.lastIndex > 0)) {
        return true;
      }
    }
    return false;
  }

  private clusterBorn({ clusterId, members }: ClusterNote): void {
    const { logger, view } = this.parts;
    const isFirst = members.includes(this.around.member());
    logger.log(
      isFirst
        ? `Cluster ${clusterId} is born: ${view.members.length} nodes.`
        : `Node ${view.selfId} joins cluster ${clusterId}, which exists, with an empty folder.`,
    );
    for (const copies of this.classesInUse()) {
      const note = this.classBirth.noteOf(copies);
      if (note.isBorn) {
        this.groupsBorn(copies, note.members);
      }
    }
  }

  private classBorn(copies: number, members: readonly MemberId[]): void {
    if (members.includes(this.around.member())) {
      this.parts.logger.log(`Partitions with ${copies} copies are born, for namespaces that were added.`);
    }
    this.groupsBorn(copies, members);
  }

  private groupsBorn(copies: number, members: readonly MemberId[]): void {
    const { node } = this.around;
    const { view } = this.parts;
    this.addGroups(copies);
    for (const group of node.groups.values()) {
      if (view.copiesAskedOf(group.number) === copies) {
        group.beBorn(firstConfiguration(group.list, { members, isBorn: true }));
        node.leadership.campaignIfFirst(group);
        node.wake(group);
      }
    }
  }
}
