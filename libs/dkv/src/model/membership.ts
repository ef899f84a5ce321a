/** Who belongs to the cluster, which of them hold what, and what is on its way: the configuration as a value. */
import { type NamespaceMode } from './consistency.js';
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
  /** Slices of the hash space. */
  readonly partitions: number;
  /** The cluster's own first, the others in the order in which they were added. */
  readonly classes: readonly PlacementClass[];
  /** Those that any node declared, by name: they stay. */
  readonly namespaces: readonly AgreedNamespace[];
  /** Zones whose nodes come first in the lists, the best first, and so lead while they are fit. */
  readonly preferredZones: readonly string[];
  /** Sorted by id, where they listened last. */
  readonly members: readonly Member[];
  /**
   * For each slice of each class, in the order of `classes`, the ids of the nodes that hold it, the holder first. The last list is
   * that of the group that keeps the configuration itself: its keepers.
   */
  readonly lists: readonly (readonly string[])[];
  /** Where they are to be: the very arrays of `lists` for those that are there. */
  readonly target: readonly (readonly string[])[];
  /** Those that move now, from the nodes in `lists` to those in `target`. */
  readonly moving: readonly Move[];
}

/**
 * Partitions that have as many copies, for namespaces to lie in. A class never changes its number, nor a namespace its class: the
 * number of a partition is `number × partitions + slice`, whatever number of copies it has.
 */
export interface PlacementClass {
  /** 0 is the cluster's; others are made for namespaces that ask for a number of copies, and are numbered by that. */
  readonly number: number;
  /** Copies besides the holder's, where there are as many nodes. */
  readonly replicas: number;
}

/** What of a namespace is alike on all nodes, for as long as it is there. */
export interface AgreedNamespace {
  readonly name: string;
  readonly mode: NamespaceMode;
  /** The number of its class. */
  readonly placement: number;
  /** By its name. */
  readonly codec: string;
  /** By its name; '' for one that has none. */
  readonly merger: string;
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
  | { readonly kind: 'zone'; readonly nodeId: string; readonly zone: string }
  /** A class has so many copies besides the holder's from now on. */
  | { readonly kind: 'replicas'; readonly placement: number; readonly replicas: number }
  /** A node declares it; one of that name stays as it is. */
  | { readonly kind: 'namespace'; readonly namespace: AgreedNamespace }
  /** See {@link ClusterConfiguration.preferredZones}. */
  | { readonly kind: 'preferredZones'; readonly zones: readonly string[] };

/** A change of one member. */
export type MemberChange = Exclude<MembershipChange, { kind: 'replicas' | 'namespace' | 'preferredZones' }>;

/** The cluster's class, and one for each number of copies that namespaces may ask for: 1 to 16. */
export const PLACEMENTS_MAX = 17;

/** Of namespaces that ask for a number of copies. @param replicas copies besides the holder's; undefined for as many as the cluster has */
export function placementFor(replicas: number | undefined): number {
  return replicas === undefined ? 0 : replicas + 1;
}
