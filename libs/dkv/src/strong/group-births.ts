/** Which groups there are on this node and since when: with the cluster, later for namespaces that were added (rule 0), or moved here. */
import { agreedOf } from '../cluster/agreed-namespaces.js';
import { Birth } from '../cluster/birth.js';
import { CLUSTER_META, type ClusterNote } from '../cluster/cluster-note.js';
import { ClassBirth, type ClassNote, CLASSES_META } from '../cluster/class-birth.js';
import { withNamespaces } from '../cluster/configuration-changes.js';
import {
  configurationFrom,
  configurationOf,
  noteConfiguration,
  ownClass,
  placesIn,
  relocated,
  textOf,
} from '../cluster/cluster-configuration.js';
import { type ClusterView } from '../cluster/cluster-view.js';
import { listsOfClass } from '../cluster/partition-lists.js';
import { type PeerDirectory } from '../cluster/peer-directory.js';
import { Hashring } from '../hashring/hashring.js';
import { hex12 } from '../model/hex.js';
import { type ClusterConfiguration, CONFIGURATION_GROUP, keepsConfiguration } from '../model/membership.js';
import { type FirstCluster, type FirstMembers } from '../model/node-messages.js';
import { type MemberId, nodeOf } from '../model/raft-messages.js';
import { type GroupServices } from './group-parts.js';
import { type Identity } from './node-identity.js';
import { firstConfiguration, NOTHING_STORED, ownGroups, strongClasses } from './own-groups.js';
import { hasCopy } from './stored-group.js';
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
  private isStarted = false;

  constructor(
    private readonly parts: StrongModeParts,
    identity: Identity,
    private readonly around: GroupBirthServices,
  ) {
    const { view, logger, meta, namespaces, random } = parts;
    const { node, directory, member } = around;
    const { selfId } = view;
    const nodeIds = () => view.members.map((known) => known.node.nodeId);
    const shared = { selfId, directory, logger };
    this.birth = new Birth(
      {
        ...shared,
        self: member(),
        shownIds: nodeIds,
        clusterSize: parts.limits.clusterSize,
        hasFixedNodes: parts.limits.hasFixedNodes,
        plan: (...cluster) => planOf(view, ...cluster),
        agreedCluster: () => view.agreed.clusterId,
        classes: () => strongClasses(namespaces),
        newClusterId: () => hex12(Math.floor(random.next() * 2 ** 48)),
        post: (nodeId, message) => node.say(nodeId, message),
        note: (cluster) => this.note(cluster),
        born: (cluster) => this.clusterBorn(cluster),
      },
      identity.cluster,
    );
    this.classBirth = new ClassBirth(
      {
        ...shared,
        self: member,
        nodeIds,
        listsOf: (placement, members) => {
          const lists = listsOfClass(view.agreed, placement);
          return lists && placesIn(members.map(nodeOf), lists);
        },
        isClusterBorn: () => this.birth.isBorn,
        bornWithCluster: (placement) => this.birth.firstOf(placement),
        classesOfCluster: () => this.birth.classes,
        hasGroups: (placement) => this.hasGroups(placement),
        post: (nodeId, message) => node.say(nodeId, message),
        note: (notes) => meta.putMeta(CLASSES_META, JSON.stringify(notes)),
        born: (placement, first) => this.classBorn(placement, first),
      },
      identity.classes,
    );
  }

  /** When all namespaces are declared. */
  start(): void {
    const { view, namespaces } = this.parts;
    view.propose(withNamespaces(view.agreed, [...namespaces].map(agreedOf)));
    this.isStarted = true;
  }

  /** Once a heartbeat interval. */
  tick(): void {
    this.birth.tick();
    this.classBirth.tick();
  }

  /** Begins what this node has to hold, by the newest configuration, and has not begun. */
  follow(): void {
    if (this.isStarted) {
      strongClasses(this.parts.namespaces).forEach((placement) => this.classBirth.want(placement));
      this.removeUnborn();
      this.addConfigurationGroup();
      this.classesInUse().forEach((placement) => this.addGroups(placement));
      this.addLeftBehind();
    }
  }

  /** The classes of which there are groups in this cluster. */
  get classes(): readonly number[] {
    return this.classBirth.known;
  }

  /** Of namespaces that are declared here, and of others: their groups need this node's votes all the same. */
  private classesInUse(): ReadonlySet<number> {
    return new Set([...strongClasses(this.parts.namespaces), ...this.classBirth.known]);
  }

  /**
   * What this node would have held had it made a cluster with those that discovery shows. Of what it has a vote or entries of, it
   * may have had a part: that goes as all that others have taken over does.
   */
  private removeUnborn(): void {
    const { groups } = this.around.node;
    groups
      .values()
      .filter((group) => !group.isBorn && !this.holds(group.number) && this.isUntouched(group))
      .forEach(({ number }) => {
        groups.withdraw(number);
        groups.remove(number);
      });
  }

  private isUntouched({ number, raft, isPromised }: StrongGroup): boolean {
    return !this.parts.stored.has(number) && raft.term === 0 && raft.lastIndex === 0 && !isPromised;
  }

  /**
   * A process that ended after it went by a configuration without this node's copy, and before it gave that up, left it behind. It
   * is a member again that asks whether it may go: else its entries would hold the log for ever.
   */
  private addLeftBehind(): void {
    const { node } = this.around;
    for (const [number, found] of this.parts.stored) {
      if (!this.holds(number) && hasCopy(node.givenUp(number) ?? found)) {
        this.addGroup(number, this.noteOf(number));
      }
    }
  }

  /** Whether this node is to have a copy, or has one that is about to move away. */
  private holds(number: number): boolean {
    const { view } = this.parts;
    return view.nodesOf(number).includes(view.selfId);
  }

  private noteOf(number: number): ClassNote {
    return keepsConfiguration(number)
      ? { ...this.birth.firstMembers, isBorn: this.birth.isBorn }
      : this.classBirth.noteOf(this.parts.view.placementOf(number));
  }

  private addConfigurationGroup(): void {
    if (this.holds(CONFIGURATION_GROUP)) {
      this.addGroup(CONFIGURATION_GROUP, this.noteOf(CONFIGURATION_GROUP));
    }
  }

  /** Those of a class that are not there yet. */
  private addGroups(placement: number): void {
    const born = this.classBirth.noteOf(placement);
    for (const number of [...ownGroups(this.parts.view, placement), ...this.firstGroups(placement, born)]) {
      this.addGroup(number, born);
    }
  }

  /**
   * Those in which this node voted first, though they were moved away before it heard of their birth: the others may be too few to
   * elect a leader, who moves them. Of one that was given up there is a state.
   */
  private firstGroups(placement: number, { members, lists, isBorn }: ClassNote): readonly number[] {
    const { view, stored } = this.parts;
    const place = members.indexOf(this.around.member());
    const isMissed = (number: number) =>
      !this.holds(number) && !stored.has(number) && this.around.node.givenUp(number) === undefined;
    return isBorn && place >= 0
      ? lists
          .slice(0, view.slices)
          .flatMap((list, slice) => (list.includes(place) ? [view.firstOf(placement) + slice] : []))
          .filter(isMissed)
      : [];
  }

  private addGroup(number: number, born: ClassNote): void {
    const { node, services, promisedIn } = this.around;
    const { view, stored } = this.parts;
    if (node.groups.find(number)) {
      return;
    }
    const found = node.givenUp(number) ?? stored.get(number) ?? NOTHING_STORED;
    const first = firstConfiguration(view.selfId, number, born);
    const group = new StrongGroup(number, services, found, first, promisedIn(number));
    group.isBorn = this.birth.isBorn && born.isBorn;
    node.groups.add(group);
  }

  /** Whether there is anything here of a group of the class, also of a namespace that is not declared any more. */
  private hasGroups(placement: number): boolean {
    const { stored, view } = this.parts;
    for (const number of stored.keys()) {
      if (!keepsConfiguration(number) && view.placementOf(number) === placement) {
        return true;
      }
    }
    for (const { number, raft } of this.around.node.groups.values()) {
      const isOfClass = !keepsConfiguration(number) && view.placementOf(number) === placement;
      if (isOfClass && (raft.term > 0 || raft.lastIndex > 0)) {
        return true;
      }
    }
    return false;
  }

  /**
   * Durable when it resolves, and on the medium: a cluster whose nodes all lost power right after its birth would be born again,
   * and count anew. Whoever knows that it is born knows its first configuration as agreed on.
   */
  private async note(cluster: ClusterNote): Promise<void> {
    const { view, meta, makeDurable } = this.parts;
    if (cluster.isBorn && view.epoch === 0) {
      await noteConfiguration(meta, agreedOn(cluster, view));
    }
    await meta.putMeta(CLUSTER_META, JSON.stringify(cluster));
    await makeDurable();
  }

  private clusterBorn(cluster: ClusterNote): void {
    const { logger, view } = this.parts;
    const { clusterId, members } = cluster;
    const isFirst = members.includes(this.around.member());
    if (view.epoch === 0) {
      view.adopt(agreedOn(cluster, view));
    }
    logger.log(
      isFirst
        ? `Cluster ${clusterId} is born: ${view.members.length} ${view.members.length === 1 ? 'node' : 'nodes'}.`
        : `Node ${view.selfId} joins cluster ${clusterId}, which exists, with an empty folder.`,
    );
    this.addConfigurationGroup();
    this.beginGroup(CONFIGURATION_GROUP, { ...this.birth.firstMembers, isBorn: true });
    for (const placement of this.classesInUse()) {
      const note = this.classBirth.noteOf(placement);
      if (note.isBorn) {
        this.groupsBorn(placement, note);
      }
    }
  }

  private classBorn(placement: number, first: FirstMembers): void {
    if (first.members.includes(this.around.member())) {
      this.parts.logger.log(
        `Partitions with ${this.parts.view.replicasOf(placement) + 1} copies are born, for namespaces that were added.`,
      );
    }
    this.groupsBorn(placement, first);
  }

  private groupsBorn(placement: number, first: FirstMembers): void {
    this.addGroups(placement);
    const note = { ...first, isBorn: true };
    for (const number of [...ownGroups(this.parts.view, placement), ...this.firstGroups(placement, note)]) {
      this.beginGroup(number, note);
    }
  }

  private beginGroup(number: number, note: ClassNote): void {
    const { node } = this.around;
    const { view } = this.parts;
    const group = node.groups.get(number);
    if (group) {
      group.beBorn(firstConfiguration(view.selfId, number, note));
      node.leadership.campaignIfFirst(group);
      node.wake(group);
    }
  }
}

/** The cluster that these make, as this node has them. */
function planOf(
  view: ClusterView,
  clusterId: string,
  members: readonly MemberId[],
  classes: readonly number[],
): FirstCluster {
  const { hashFunc, slices: partitions, agreed } = view;
  const nodeIds = members.map(nodeOf);
  const nodes = nodeIds.map((nodeId) => view.address(nodeId));
  const ring = Hashring.of(nodes, { partitions, replicas: ownClass(agreed).replicas, hashFunc });
  const made = withNamespaces(configurationOf(ring, nodes, agreed.preferredZones), agreed.namespaces);
  const first = { ...made, epoch: 1, clusterId };
  const lists = [...classes.flatMap((placement) => listsOfClass(first, placement)!), first.lists.at(-1)!];
  return { members, lists: placesIn(nodeIds, lists), configuration: textOf(first) };
}

/** The first configuration that is agreed on; a node keeps the addresses that it was told itself. */
function agreedOn({ configuration }: ClusterNote, view: ClusterView): ClusterConfiguration {
  return relocated(configurationFrom(configuration), view.agreed.members);
}
