/** Carries the configuration on, at the leader of the group that keeps it: who joins, what moves next, what has arrived. */
import { type ClusterView } from '../../cluster/cluster-view.js';
import { withChanges, withMoved, withMoves } from '../../cluster/configuration-changes.js';
import { type Namespaces } from '../../cluster/namespaces.js';
import {
  type ClusterConfiguration,
  CLUSTER_NAMESPACE,
  CONFIGURATION_GROUP,
  type MembershipChange,
} from '../../model/membership.js';
import { type ArrivedGroup } from '../../model/node-messages.js';
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
  /** The numbers of copies of which there are groups. */
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
  private told = '';
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

  /** Once a heartbeat interval. */
  tick(): void {
    this.ticks++;
    if (!this.services.groups.get(CONFIGURATION_GROUP)?.leads) {
      this.arrivals.clear();
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

  /** Why partitions cannot move in this cluster; undefined where they can. */
  get obstacle(): string | undefined {
    return this.services.namespaces.uses('eventual')
      ? 'it has eventual namespaces, whose copies cannot move to other nodes'
      : undefined;
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
    if (this.obstacle !== undefined) {
      this.tellObstacle();
      return moved;
    }
    const changed = withChanges(moved, this.changesFor(moved)) ?? moved;
    return withMoves(changed, this.services.limits.transfersMax) ?? changed;
  }

  private changesFor({ members, replicas }: ClusterConfiguration): readonly MembershipChange[] {
    const { newcomers, limits, clock } = this.services;
    const joins = limits.joinsByItself ? newcomers.candidates : [];
    const now = clock.monotonic();
    const isGone = (nodeId: string) =>
      limits.memberRemovalMs > 0 && now - (this.downSinceMs.get(nodeId) ?? now) >= limits.memberRemovalMs;
    const gone = members.filter(({ nodeId, isLeaving }) => !isLeaving && isGone(nodeId));
    // Where most are away it is this side that is cut off, or the cluster was stopped. And where as few would be left as a key
    // has copies, none could be had in place of those that are lost.
    const staying = members.filter(({ nodeId, isLeaving }) => !isLeaving && !isGone(nodeId));
    const leaves = gone.length < staying.length && staying.length > replicas ? gone : [];
    return [
      ...joins.map((node): MembershipChange => ({ kind: 'join', node })),
      ...leaves.map(({ nodeId }): MembershipChange => ({ kind: 'leave', nodeId })),
    ];
  }

  /** Places of which every group is where it is to be. */
  private arrivedPlaces({ moving, lists }: ClusterConfiguration): readonly number[] {
    const { view, classes } = this.services;
    const isThere = (group: number, since: number) => (this.arrivals.get(group) ?? 0) >= since;
    return moving
      .filter(({ place, since }) =>
        place === lists.length - 1
          ? isThere(CONFIGURATION_GROUP, since)
          : classes().every((copies) => isThere(place + view.firstOf(copies), since)),
      )
      .map(({ place }) => place);
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

  private tellObstacle(): void {
    const { newcomers, logger } = this.services;
    const [newcomer] = newcomers.candidates;
    if (newcomer && this.told !== newcomer.nodeId) {
      this.told = newcomer.nodeId;
      logger.warn(`Node ${newcomer.nodeId} is not taken into the cluster: ${this.obstacle}.`);
    }
  }

  /** The next look tries again: most often another leads by now. */
  private failed({ message }: Error): void {
    this.services.logger.warn(`The cluster's configuration was not changed: ${message}`);
  }
}
