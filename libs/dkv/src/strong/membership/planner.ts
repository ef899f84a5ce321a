/** Carries the configuration on, at the leader of the group that keeps it: who joins, what moves next, what has arrived. */
import { type ClusterView } from '../../cluster/cluster-view.js';
import {
  withChanges,
  withJoint,
  withMoved,
  withMoves,
  withoutLeft,
} from '../../cluster/configuration-changes.js';
import { classAt, partitionAt } from '../../cluster/partition-lists.js';
import { type Namespaces } from '../../cluster/namespaces.js';
import {
  type ClusterConfiguration,
  CLUSTER_NAMESPACE,
  CONFIGURATION_GROUP,
  type MembershipChange,
  type Move,
} from '../../model/membership.js';
import { type ArrivedGroup, type NodeMessage } from '../../model/node-messages.js';
import { formatStrongVersion } from '../../model/strong-version.js';
import { NO_VERSION } from '../../model/version.js';
import { type Clock } from '../../ports/clock.js';
import { type Logger } from '../../ports/logger.js';
import { type StrongStore } from '../../ports/strong-store.js';
import { type GroupList } from '../group-list.js';
import { type StrongCalls } from '../strong-calls.js';
import { CONFIGURATION_KEY, configurationOfRecord, putConfiguration } from './configuration-record.js';
import { type Newcomers } from './newcomers.js';

const LOOK_EVERY_TICKS = 3;
const WRITE_TIMEOUT_MS = 5_000;
/** A member that leaves and is down for so long has nothing to hand over that could be waited for. */
const ABSENT_MS = 10_000;

/** What a node has said of its copies of eventual partitions. */
type Copied = Omit<Extract<NodeMessage, { kind: 'copied' }>, 'kind'>;

export interface PlannerLimits {
  /** Partitions that move at a time. */
  readonly transfersMax: number;
  /** Whether nodes that ask for it are taken in without an operator. */
  readonly joinsByItself: boolean;
  /** A member that is down for so long gives its copies away; 0 for never. */
  readonly memberRemovalMs: number;
}

export interface PlannerServices {
  readonly view: ClusterView;
  readonly groups: GroupList;
  readonly store: Pick<StrongStore, 'read'>;
  readonly calls: Pick<StrongCalls, 'write'>;
  readonly newcomers: Newcomers;
  readonly namespaces: Namespaces;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: PlannerLimits;
  /** The classes of which there are groups. */
  readonly classes: () => readonly number[];
  readonly isUp: (nodeId: string) => boolean;
}

/**
 * All that a plan consists of is in the configuration, and each step of it is a compare-and-set write: a planner that dies is
 * gone on for by the next leader, and two at a time are no danger. What arrives is told again until the configuration says it.
 */
export class Planner {
  private ticks = 0;
  private isBusy = false;
  /** By group: the epoch of the configuration by which it is where it is to be. */
  private readonly arrivals = new Map<number, number>();
  /** Since when members are down, as this leader saw it; monotonic. */
  private readonly downSinceMs = new Map<string, number>();
  /** By node, what it said last. */
  private readonly copies = new Map<string, Copied>();
  /** The record as it was read last. */
  private parsed: { readonly version: string; readonly configuration: ClusterConfiguration } | undefined;

  constructor(private readonly services: PlannerServices) {}

  arrived(groups: readonly ArrivedGroup[]): void {
    for (const { group, epoch } of groups) {
      if (this.services.view.sinceOf(group) > 0) {
        this.arrivals.set(group, epoch);
      }
    }
  }

  copied(nodeId: string, { places, emptyAt }: Copied): void {
    if (this.services.view.isMember(nodeId)) {
      this.copies.set(nodeId, { places, emptyAt });
    }
  }

  /** Once a heartbeat interval. */
  tick(): void {
    this.ticks++;
    if (!this.services.groups.get(CONFIGURATION_GROUP)?.leads) {
      this.arrivals.clear();
      this.copies.clear();
      this.downSinceMs.clear();
      return;
    }
    this.watchAbsent();
    if (!this.isBusy && this.ticks % LOOK_EVERY_TICKS === 0) {
      this.isBusy = true;
      this.step()
        .catch((error: Error) => this.failed(error))
        .finally(() => (this.isBusy = false));
    }
  }

  private async step(): Promise<void> {
    const { store, view } = this.services;
    const record = await store.read(CONFIGURATION_GROUP, CLUSTER_NAMESPACE, CONFIGURATION_KEY);
    if (!record) {
      await this.write(view.agreed, NO_VERSION);
      return;
    }
    const version = formatStrongVersion(record.generation, record.index);
    if (this.parsed?.version !== version) {
      this.parsed = { version, configuration: configurationOfRecord(record) };
    }
    const current = this.parsed.configuration;
    const next = this.after(current);
    if (next !== current && (await this.write(next, version))) {
      this.tell(current, next);
    }
  }

  private after(current: ClusterConfiguration): ClusterConfiguration {
    const moved = withMoved(current, this.arrivedPlaces(current)) ?? current;
    const joint = withJoint(moved, this.copiedPlaces(moved)) ?? moved;
    const changed = withChanges(joint, this.changesFor(joint)) ?? joint;
    const left = withoutLeft(changed, (nodeId) => this.hasHandedOver(nodeId, current)) ?? changed;
    return withMoves(left, this.services.limits.transfersMax) ?? left;
  }

  private changesFor({ members, classes }: ClusterConfiguration): readonly MembershipChange[] {
    const { newcomers, limits, clock } = this.services;
    const joins = limits.joinsByItself ? newcomers.candidates : [];
    const now = clock.monotonic();
    const isGone = (nodeId: string) =>
      limits.memberRemovalMs > 0 && now - (this.downSinceMs.get(nodeId) ?? now) >= limits.memberRemovalMs;
    const gone = members.filter(({ nodeId, isLeaving }) => !isLeaving && isGone(nodeId));
    // Where most are away it is this side that is cut off, or the cluster was stopped. And where as few would be left as a key
    // has copies, none could be had in place of those that are lost.
    const staying = members.filter(({ nodeId, isLeaving }) => !isLeaving && !isGone(nodeId));
    const copiesMax = Math.max(...classes.map(({ replicas }) => replicas)) + 1;
    const leaves = gone.length < staying.length && staying.length >= copiesMax ? gone : [];
    return [
      ...joins.map((node): MembershipChange => ({ kind: 'join', node })),
      ...leaves.map(({ nodeId }): MembershipChange => ({ kind: 'leave', nodeId })),
    ];
  }

  /**
   * Places whose group is where it is to be, or of a class without groups, and all eventual records, with what was written until
   * both lists counted.
   */
  private arrivedPlaces(current: ClusterConfiguration): readonly number[] {
    const { view, classes } = this.services;
    const withGroups = classes();
    const isThere = (group: number, since: number) =>
      (this.arrivals.get(group) ?? 0) >= since ||
      (group !== CONFIGURATION_GROUP && !withGroups.includes(view.placementOf(group)));
    return current.moving
      .filter((move) => isThere(partitionAt(current, move.place), move.since))
      .filter(
        (move) =>
          !this.hasEventualRecords(current, move.place) ||
          (move.joint !== undefined && this.isCopied(current, move)),
      )
      .map(({ place }) => place);
  }

  /** Whether there are records that no group moves, so that nodes have to say what they have copied; at one place, or at all. */
  private hasEventualRecords(current: ClusterConfiguration, place?: number): boolean {
    return (
      current.namespaces.some(
        ({ mode, placement }) =>
          mode === 'eventual' && (place === undefined || placement === classAt(current, place)),
      ) ||
      // Declared here, and not agreed on yet.
      (place !== current.lists.length - 1 && this.services.namespaces.uses('eventual'))
    );
  }

  /** Places whose next stage is that both lists count. */
  private copiedPlaces(current: ClusterConfiguration): readonly number[] {
    return current.moving
      .filter(({ place, joint }) => joint === undefined && this.hasEventualRecords(current, place))
      .filter((move) => this.isCopied(current, move))
      .map(({ place }) => place);
  }

  /** Whether all nodes of the goal have said so of the stage that the move is in. */
  private isCopied({ target }: ClusterConfiguration, { place, since, joint = since }: Move): boolean {
    return target[place]!.every((nodeId) =>
      this.copies.get(nodeId)?.places.some((copied) => copied.place === place && copied.epoch === joint),
    );
  }

  /** Whether nothing of a member that leaves is lost with it, as far as that can be. */
  private hasHandedOver(nodeId: string, current: ClusterConfiguration): boolean {
    const downSinceMs = this.downSinceMs.get(nodeId);
    return (
      !this.hasEventualRecords(current) ||
      (this.copies.get(nodeId)?.emptyAt ?? 0) >= current.epoch ||
      (downSinceMs !== undefined && this.services.clock.monotonic() - downSinceMs >= ABSENT_MS)
    );
  }

  private watchAbsent(): void {
    const { view, isUp, clock } = this.services;
    for (const { nodeId } of view.peers) {
      if (isUp(nodeId)) {
        this.downSinceMs.delete(nodeId);
      } else if (!this.downSinceMs.has(nodeId)) {
        this.downSinceMs.set(nodeId, clock.monotonic());
      }
    }
    for (const nodeId of this.downSinceMs.keys()) {
      if (!view.isMember(nodeId)) {
        this.downSinceMs.delete(nodeId);
      }
    }
    for (const nodeId of this.copies.keys()) {
      if (!view.isMember(nodeId)) {
        this.copies.delete(nodeId);
      }
    }
    for (const group of this.arrivals.keys()) {
      if (view.sinceOf(group) === 0) {
        this.arrivals.delete(group);
      }
    }
  }

  private write(configuration: ClusterConfiguration, expected: string): Promise<boolean> {
    return putConfiguration(this.services.calls, configuration, expected, WRITE_TIMEOUT_MS);
  }

  private tell(before: ClusterConfiguration, after: ClusterConfiguration): void {
    const { logger } = this.services;
    const left = after.lists.filter((_, place) => after.lists[place] !== after.target[place]).length;
    for (const { nodeId, isLeaving } of after.members) {
      const was = before.members.find((member) => member.nodeId === nodeId);
      if (!was) {
        logger.log(`Node ${nodeId} joins the cluster: ${left} partitions move.`);
      } else if (isLeaving && !was.isLeaving) {
        logger.log(
          `Node ${nodeId} leaves the cluster, having been down for too long: ${left} partitions move.`,
        );
      }
    }
    if (before.moving.length > 0 && left === 0) {
      logger.log('All partitions are where they are to be.');
    }
  }

  /** The next look tries again: most often another leads by now. */
  private failed({ message }: Error): void {
    this.services.logger.warn(`The cluster's configuration was not changed: ${message}`);
  }
}
