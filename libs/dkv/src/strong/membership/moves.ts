/** The way of a partition to other nodes, as its leader and the nodes that it leaves see it: arrived, and given up. */
import { type ClusterView } from '../../cluster/cluster-view.js';
import { type EventualCopies } from '../../ports/eventual-copies.js';
import { CONFIGURATION_GROUP } from '../../model/membership.js';
import { type ArrivedGroup, type NodeMessage } from '../../model/node-messages.js';
import { nodeOf } from '../../model/raft-messages.js';
import { type Logger } from '../../ports/logger.js';
import { membersOf } from '../../raft/raft-configurations.js';
import { type GroupList } from '../group-list.js';
import { type Leaders } from '../leaders.js';
import { type LeftBehind } from '../raft-states.js';
import { type StrongGroup } from '../strong-group.js';

type CopiedMessage = Extract<NodeMessage, { kind: 'copied' }>;

const REPORT_EVERY_TICKS = 3;
const ASK_EVERY_TICKS = 5;

/** The groups of this node, as far as they come and go. */
export interface MovingNode {
  readonly groups: GroupList;
  say(nodeId: string, message: NodeMessage): void;
  /** @throws DkvError as the store and the log: the group takes part in nothing all the same, and it may be tried again */
  giveUp(group: number, left: LeftBehind): Promise<void>;
}

export interface MoveServices {
  readonly view: ClusterView;
  readonly node: MovingNode;
  readonly leaders: Leaders;
  readonly logger: Logger;
  readonly copies: () => EventualCopies;
  /** This node leads the group that keeps the configuration. */
  copied(copied: Omit<CopiedMessage, 'kind'>): void;
  arrived(groups: readonly ArrivedGroup[]): void;
  /** A copy is gone: meanwhile it may have become this node's again. */
  gaveUp(): void;
}

export class Moves {
  private ticks = 0;
  /** Groups that are being given up. */
  private readonly begun = new Map<number, LeftBehind>();
  private readonly underWay = new Set<number>();
  /** Those of which it was said already that they could not be yet. */
  private readonly failed = new Set<number>();

  constructor(private readonly services: MoveServices) {}

  /** Once a heartbeat interval. */
  tick(): void {
    this.ticks++;
    if (this.ticks % REPORT_EVERY_TICKS === 0) {
      this.report();
    }
    if (this.ticks % ASK_EVERY_TICKS === 0) {
      this.askToGiveUp();
      [...this.begun.keys()].forEach((number) => this.goOn(number));
    }
  }

  /** A node that is not on the list asks whether the group can do without its copy. */
  asked(nodeId: string, number: number, generation: number): void {
    const { node } = this.services;
    const group = node.groups.get(number);
    if (group?.leads && group.generation === generation && this.doesWithout(group, nodeId)) {
      const { applied: index, appliedTerm: term, configuration } = group.appliedUpTo;
      node.say(nodeId, { kind: 'giveUp', group: number, generation, index, term, configuration });
    }
  }

  /** The group can do without this node's copy. */
  giveUp({ group: number, generation, ...left }: Extract<NodeMessage, { kind: 'giveUp' }>): void {
    const { node, view } = this.services;
    const group = node.groups.get(number);
    // It may be on its way here again: then this node is about to be taken in as a learner, and what it has is of use.
    const isWanted = view.nodesOf(number).includes(view.selfId);
    if (group && group.generation === generation && !isWanted) {
      this.begun.set(number, left);
      this.goOn(number);
    }
  }

  /** What was begun has to be ended, also where the group is on its way here again: till then it takes part in nothing. */
  private goOn(number: number): void {
    const { node, logger } = this.services;
    if (this.underWay.has(number)) {
      return;
    }
    this.underWay.add(number);
    node
      .giveUp(number, this.begun.get(number)!)
      .then(
        () => {
          this.begun.delete(number);
          this.failed.delete(number);
        },
        (error: Error) => {
          if (!this.failed.has(number)) {
            logger.error(`Partition ${number} is not given up yet, which is tried again: ${error.message}`);
          }
          this.failed.add(number);
        },
      )
      .finally(() => {
        this.underWay.delete(number);
        this.services.gaveUp();
      });
  }

  private report(): void {
    const { node, view, leaders } = this.services;
    const groups = node.groups
      .values()
      .filter((group) => view.sinceOf(group.number) > 0 && this.isThere(group))
      .map((group) => ({ group: group.number, epoch: group.raft.configuration.epoch! }));
    const planner = leaders.leaderOf(CONFIGURATION_GROUP);
    const { copied: places } = this.services.copies();
    const copied = { places, emptyAt: this.emptyAt() };
    const hasCopied = places.length > 0 || copied.emptyAt > 0;
    const isHere = planner === view.selfId;
    if (groups.length > 0 && isHere) {
      this.services.arrived(groups);
    } else if (groups.length > 0 && planner !== '') {
      node.say(planner, { kind: 'arrived', groups });
    }
    if (hasCopied && isHere) {
      this.services.copied(copied);
    } else if (hasCopied && planner !== '') {
      node.say(planner, { kind: 'copied', ...copied });
    }
  }

  /** The epoch by which this node leaves, and nothing is left here of what it had. */
  private emptyAt(): number {
    const { view, copies } = this.services;
    const { members, lists, target, moving, epoch } = view.agreed;
    const isLeaving = members.some((member) => member.nodeId === view.selfId && member.isLeaving);
    const isInUse = () =>
      [lists, target, moving.map(({ also }) => also)].some((all) =>
        all.some((list) => list.includes(view.selfId)),
      );
    return isLeaving && !isInUse() && !copies().hasLeftOver ? epoch : 0;
  }

  /** Whether all nodes of its goal vote in it, and no others, by a configuration of this move that is committed. */
  private isThere(group: StrongGroup): boolean {
    const { view } = this.services;
    const { configuration } = group.raft;
    const goal = view.goalOf(group.number);
    return (
      group.leads &&
      group.raft.configurationIndex <= group.applied &&
      (configuration.epoch ?? 0) >= view.sinceOf(group.number) &&
      configuration.outgoing.length + configuration.learners.length === 0 &&
      configuration.voters.length === goal.length &&
      configuration.voters.every((voter) => goal.includes(nodeOf(voter)))
    );
  }

  private doesWithout(group: StrongGroup, nodeId: string): boolean {
    const { view } = this.services;
    const { configuration } = group.raft;
    return (
      !view.nodesOf(group.number).includes(nodeId) &&
      group.raft.configurationIndex <= group.applied &&
      configuration.outgoing.length === 0 &&
      membersOf(configuration).every((member) => nodeOf(member) !== nodeId)
    );
  }

  private askToGiveUp(): void {
    const { node, view, leaders } = this.services;
    for (const { number, generation } of node.groups.values()) {
      if (!view.nodesOf(number).includes(view.selfId)) {
        const leader = leaders.leaderElsewhere(number);
        if (leader !== '') {
          node.say(leader, { kind: 'mayGiveUp', group: number, generation });
        }
      }
    }
  }
}
