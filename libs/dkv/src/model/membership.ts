/** Who belongs to the cluster, which of them hold what, and what is on its way: the configuration as a value. */
import { type ClusterNode } from './node.js';

/** The group that keeps the configuration: above all partitions, whose numbers end below it. */
export const CONFIGURATION_GROUP = 65_534;

/** Whether it is the group that keeps the configuration, and no partition. */
export function keepsConfiguration(group: number): boolean {
  return group === CONFIGURATION_GROUP;
}

/** Of the cluster's own record. Those of users have names, so it is none of theirs. */
export const CLUSTER_NAMESPACE = '';

export interface Member extends ClusterNode {
  /** It gives all its copies away, and is no member then. */
  readonly isLeaving?: true;
}

export interface ClusterConfiguration {
  /** Rises with every change; 1 is the cluster as it was born, 0 one that is to be born. */
  readonly epoch: number;
  /** '' before it is born. */
  readonly clusterId: string;
  /** By its name. */
  readonly hashFunc: string;
  readonly replicas: number;
  /** Zones whose nodes come first in the lists, the best first, and so lead while they are fit. */
  readonly preferredZones: readonly string[];
  /** Sorted by id, where they listened last. */
  readonly members: readonly Member[];
  /**
   * For each partition the ids of the nodes that hold it, the holder first. The last list is that of the group that keeps the
   * configuration itself: its keepers.
   */
  readonly lists: readonly (readonly string[])[];
  /** Where they are to be: the very arrays of `lists` for those that are there. */
  readonly target: readonly (readonly string[])[];
  /** Those that move now, from the nodes in `lists` to those in `target`. */
  readonly moving: readonly Move[];
}

export interface Move {
  /** In `lists` and `target`. */
  readonly place: number;
  /** The epoch from which on it is to be where it is to be now. */
  readonly since: number;
  /** Nodes that it was to be on before its target changed while it moved: some may have it, and its group may need their votes. */
  readonly also: readonly string[];
}

/** What an operator, discovery or the absence of a node asks for. */
export type MembershipChange =
  | { readonly kind: 'join'; readonly node: ClusterNode }
  /** It gives all its copies away, and is no member then. */
  | { readonly kind: 'leave'; readonly nodeId: string }
  /** It stays after all. */
  | { readonly kind: 'stay'; readonly nodeId: string }
  | { readonly kind: 'weight'; readonly nodeId: string; readonly weight: number }
  | { readonly kind: 'zone'; readonly nodeId: string; readonly zone: string }
  /** See {@link ClusterConfiguration.preferredZones}. */
  | { readonly kind: 'preferredZones'; readonly zones: readonly string[] };
