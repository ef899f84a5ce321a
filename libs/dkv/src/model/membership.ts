/** Who belongs to the cluster, which of them hold what, and what is on its way: the configuration as a value. */
import { type ClusterNode } from './node.js';

/** The group that keeps the configuration: above all partitions, whose numbers end below it. */
export const CONFIGURATION_GROUP = 65_534;

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
  /**
   * The epoch from which on reads and writes of eventual namespaces count copies of both lists, the one that it moves from and
   * the one that it moves to. Absent while copies are made, and where no namespace is eventual.
   */
  readonly joint?: number;
}

/** A place whose eventual records a node has copied from the nodes of the list, by the epoch of the stage of its move. */
export interface CopiedPlace {
  readonly place: number;
  readonly epoch: number;
}

/** What an operator, discovery or the absence of a node asks for. */
export type MembershipChange =
  | { readonly kind: 'join'; readonly node: ClusterNode }
  /** It gives all its copies away, and is no member then. */
  | { readonly kind: 'leave'; readonly nodeId: string }
  /** It stays after all. */
  | { readonly kind: 'stay'; readonly nodeId: string }
  | { readonly kind: 'weight'; readonly nodeId: string; readonly weight: number }
  | { readonly kind: 'zone'; readonly nodeId: string; readonly zone: string };
