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

/** Without what a member has beside: a guest that is taken in again must not be one that leaves. */
export function bareNode({ nodeId, weight, zone, host, port }: ClusterNode): ClusterNode {
  return { nodeId, weight, zone, host, port };
}

/** What a node believes of another, from heartbeats. Used to choose whom to ask, never for safety. */
export type NodeState = 'up' | 'suspect' | 'down';

/** Why nodes do not listen to each other. `identity`: two processes run under one node id. */
export const REFUSAL_REASONS = [
  'key',
  'certificate',
  'cluster',
  'configuration',
  'version',
  'clock',
  'identity',
] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

/**
 * What is wrong with a peer: a refusal, `unseen` since this node started, `stopped` in order, or `unreachable`. Beside a peer
 * that is up, its clock alone.
 */
export type PeerTrouble = RefusalReason | 'unseen' | 'stopped' | 'unreachable';
