/** The groups of a node as an operator sees them, and moves their leaderships; `strong/` implements it. */
import { type GroupPosition, type RecordSummary } from '../model/cluster-report.js';
import { type GroupStatus, type TransferState } from '../model/peer-protocol.js';

/** What another node said of itself with its last heartbeat. */
export interface PeerStatus {
  /** Whether it is in service for its groups. */
  readonly isReady: boolean;
  readonly groupsLed: number;
  /** Its wall clock less this node's, milliseconds. */
  readonly clockOffsetMs: number;
}

export interface KeyInGroup {
  readonly group: GroupPosition;
  /** Undefined where the key has none. */
  readonly record: RecordSummary | undefined;
}

/** Methods may be called concurrently, and at any time. */
export interface StrongGroups {
  /** '' until the cluster is born. */
  readonly clusterId: string;
  /** Undefined for a node that is not up, and for this one. */
  statusOf(nodeId: string): PeerStatus | undefined;
  /** Node id of the leader, '' where none is known that is up. Also of groups that this node has no copy of. */
  leaderOf(group: number): string;
  /** Whether a leader is known, and enough voters for its writes. */
  takesWrites(group: number): boolean;
  /** Own copies with numbers from `first` on, in their order, up to `limit`. */
  list(first: number, limit: number): readonly GroupStatus[];
  /**
   * This node's copy of a key, and where in the log it is as of.
   * @throws DkvError `DKV_NOT_READY` where this node has no copy of the group, or has one whose records are still being
   *   fetched; `DKV_CORRUPT_RECORD`, `DKV_STORAGE_FAILED`
   */
  look(group: number, namespace: string, key: string): Promise<KeyInGroup>;
  /**
   * Hands the leadership of a group to the node, if this one has it. Asked of the node itself, it keeps the leadership there
   * for ten minutes, whoever the preferred leader is.
   * @throws DkvError `DKV_NOT_READY` where that node cannot lead the group now; the message says why
   */
  transfer(group: number, nodeId: string): TransferState;
}
