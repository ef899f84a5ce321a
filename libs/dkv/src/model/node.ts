/** Nodes as the ring and the transport see them. */

/** A node's place on the ring. */
export interface RingNode {
  /** Stable name, 1 to 100 characters of `A-Z a-z 0-9 . _ -`. */
  readonly nodeId: string;
  /** Share of the data relative to the others; above 0. */
  readonly weight: number;
  /** Failure domain: copies go to distinct zones first. Empty: unknown. */
  readonly zone: string;
}

/** A node and where its peer port listens. */
export interface ClusterNode extends RingNode {
  readonly host: string;
  readonly port: number;
}

/** What a node believes of another, from heartbeats. Used to choose whom to ask, never for safety. */
export type NodeState = 'up' | 'suspect' | 'down';
