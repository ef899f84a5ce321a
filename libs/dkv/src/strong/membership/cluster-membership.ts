/** Everything by which this node has a part in who is a member: put together, and driven by ticks and messages. */
import { type ClusterView } from '../../cluster/cluster-view.js';
import { type EventualCopies, NO_EVENTUAL_COPIES } from '../../ports/eventual-copies.js';
import { type Namespaces } from '../../cluster/namespaces.js';
import { type DkvError } from '../../dkv.errors.js';
import { type PeerDirectory } from '../../cluster/peer-directory.js';
import { type Peer } from '../../cluster/peers.js';
import { CONFIGURATION_GROUP } from '../../model/membership.js';
import { type NodeMessage } from '../../model/node-messages.js';
import { type Clock } from '../../ports/clock.js';
import { type LocalKvRepo } from '../../ports/local-kv-repo.js';
import { type Logger } from '../../ports/logger.js';
import { type StrongStore } from '../../ports/strong-store.js';
import { type Leaders } from '../leaders.js';
import { type Snapshots } from '../snapshots.js';
import { type StrongCalls } from '../strong-calls.js';
import { Adoption } from './adoption.js';
import { MembershipChanges } from './membership-changes.js';
import { MoveProgress } from './move-progress.js';
import { NamespaceAgreement } from './namespace-agreement.js';
import { Moves, type MovingNode } from './moves.js';
import { Newcomers } from './newcomers.js';
import { Planner, type PlannerLimits } from './planner.js';

export type MembershipMessage = Extract<
  NodeMessage,
  {
    kind:
      | 'guest'
      | 'askConfiguration'
      | 'configuration'
      | 'arrived'
      | 'copied'
      | 'copying'
      | 'mayGiveUp'
      | 'giveUp';
  }
>;

export interface ClusterMembershipParts {
  readonly view: ClusterView;
  readonly directory: PeerDirectory;
  readonly node: MovingNode & { readonly leaders: Leaders; readonly snapshots: Snapshots };
  readonly calls: StrongCalls;
  readonly store: StrongStore;
  readonly meta: Pick<LocalKvRepo, 'getMeta' | 'putMeta'>;
  readonly namespaces: Namespaces;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: PlannerLimits;
  /** '' until this node belongs to one. */
  readonly clusterId: () => string;
  /** The classes of which there are groups. */
  readonly classes: () => readonly number[];
  /** Which groups this node has to have may have changed. */
  readonly follow: () => void;
  /** Why the group that keeps the configuration takes no writes; undefined where it does. */
  readonly refusal: () => DkvError | undefined;
}

export class ClusterMembership {
  private readonly adoption: Adoption;
  private readonly newcomers: Newcomers;
  private readonly planner: Planner;
  private readonly moves: Moves;
  private readonly agreement: NamespaceAgreement;
  private readonly progress: MoveProgress;
  readonly changes: MembershipChanges;
  private copies: EventualCopies = NO_EVENTUAL_COPIES;

  constructor(private readonly parts: ClusterMembershipParts) {
    const { node, directory, follow } = parts;
    const { groups, leaders } = node;
    const say = (nodeId: string, message: NodeMessage) => node.say(nodeId, message);
    this.adoption = new Adoption({ ...parts, groups, say });
    this.newcomers = new Newcomers({
      ...parts,
      groups,
      say,
      hasLeft: () => this.adoption.hasLeft,
      hasLeftOver: () => this.copies.hasLeftOver,
    });
    this.planner = new Planner({
      ...parts,
      groups,
      newcomers: this.newcomers,
      isUp: (nodeId) => directory.isUp(nodeId),
    });
    this.moves = new Moves({
      ...parts,
      leaders,
      copies: () => this.copies,
      copied: (copied) => this.planner.copied(parts.view.selfId, copied),
      arrived: (arrived) => this.planner.arrived(arrived),
      gaveUp: follow,
    });
    this.progress = new MoveProgress({
      ...parts,
      groups,
      say,
      snapshots: node.snapshots,
      isPlanner: () => groups.get(CONFIGURATION_GROUP)?.leads === true,
    });
    this.changes = new MembershipChanges({
      ...parts,
      progress: this.progress,
      newcomers: this.newcomers,
      agreed: (configuration) => this.adoption.offer(configuration),
    });
    this.agreement = new NamespaceAgreement({ ...parts, changes: this.changes });
    parts.view.onConfiguration(() => this.follow());
  }

  /** Before anything is heard. */
  open(): Promise<void> {
    return this.adoption.open();
  }

  /** The configuration is another, or all namespaces are declared. */
  follow(): void {
    this.agreement.follow();
    this.parts.follow();
  }

  /** What this node tells of its eventual partitions from now on. */
  start(copies: EventualCopies): void {
    this.copies = copies;
  }

  /** Once a heartbeat interval, before the heartbeats leave. */
  tick(): void {
    this.adoption.tick();
    this.newcomers.tick();
    this.planner.tick();
    this.agreement.tick();
    this.moves.tick();
    this.progress.tick();
  }

  /** A peer knows a configuration of that epoch. */
  heard({ nodeId }: Peer, epoch: number): void {
    this.adoption.heard(nodeId, epoch);
  }

  receive({ nodeId }: Pick<Peer, 'nodeId'>, message: MembershipMessage): void {
    switch (message.kind) {
      case 'guest':
        return this.newcomers.receive(message.node, message.wishes);
      case 'askConfiguration':
        return this.adoption.tell(nodeId);
      case 'configuration':
        return this.adoption.receive(nodeId, message.text);
      case 'arrived':
        return this.planner.arrived(message.groups);
      case 'copied':
        return this.planner.copied(nodeId, message);
      case 'copying':
        return this.progress.receive(nodeId, message);
      case 'mayGiveUp':
        return this.moves.asked(nodeId, message.group, message.generation);
      case 'giveUp':
        return this.moves.giveUp(message);
    }
  }

  /** Why this node has no part in the cluster; undefined for a member. */
  get reason(): string | undefined {
    const { view } = this.parts;
    if (this.adoption.hasLeft && this.copies.hasLeftOver) {
      return 'it is leaving the cluster, and hands over what it still has: it must not be stopped yet';
    }
    if (this.adoption.hasLeft) {
      return 'it has left the cluster, and may be stopped; to join again it needs an empty data folder';
    }
    return view.epoch > 0 && !view.isMember(view.selfId)
      ? 'it is no member of the cluster yet, and asks to be taken in'
      : undefined;
  }
}
