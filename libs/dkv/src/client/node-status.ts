/** The cluster as this node sees it, for people. */
import { type ClusterView } from '../cluster/cluster-view.js';
import { type NodeState } from '../model/node.js';
import { type LocalKvMetrics } from '../ports/local-kv-repo.js';

export interface DkvNodeStatus {
  readonly nodeId: string;
  readonly host: string;
  readonly port: number;
  readonly weight: number;
  readonly zone: string;
  /** As seen from this node. */
  readonly state: NodeState;
  /** Partitions held, by role. */
  readonly partitions: { readonly holder: number; readonly replica: number };
}

export interface DkvMetrics extends LocalKvMetrics {
  readonly ready: boolean;
  readonly hintBytes: number;
  /** Own partitions of which a copy is on a node that is down. */
  readonly partitionsUnderReplicated: number;
}

export function nodeStatuses({ ring, members }: ClusterView): readonly DkvNodeStatus[] {
  const held = new Map(members.map(({ node }) => [node.nodeId, { holder: 0, replica: 0 }]));
  for (let partition = 0; partition < ring.partitions; partition++) {
    ring.preferenceList(partition).forEach((nodeId, rank) => {
      held.get(nodeId)![rank === 0 ? 'holder' : 'replica']++;
    });
  }
  return members.map(({ node, state }) => ({ ...node, state, partitions: held.get(node.nodeId)! }));
}
