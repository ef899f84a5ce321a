/** The cluster as this node sees it, for people. */
import { type ClusterView } from '../cluster/cluster-view.js';
import { type PeerTransitions } from '../cluster/peer-transitions.js';
import { type NodeState, type PeerTrouble } from '../model/node.js';
import { type StorageMetrics } from '../ports/storage-metrics.js';
import { type QuorumStatus } from '../ports/strong-mode.js';
import { type Processor } from '../processor/processor.js';

export interface DkvNodeStatus {
  readonly nodeId: string;
  readonly host: string;
  readonly port: number;
  readonly weight: number;
  readonly zone: string;
  /** As seen from this node. */
  readonly state: NodeState;
  /** Partitions of strong namespaces in which its vote is missing, of those that the answering node holds. */
  readonly votersMissing: number;
  /** Why; '' where none is. */
  readonly reason: string;
  /** When it came or went last, milliseconds since 1970; of other nodes alone. */
  readonly since?: number;
  /** Why it is not up, or that its clock differs; absent where nothing is wrong. */
  readonly trouble?: PeerTrouble;
  /** Partitions held, by role. */
  readonly partitions: { readonly holder: number; readonly replica: number };
}

/** What a probe asks: told without a look at what is stored. */
export interface NodeStanding {
  readonly ready: boolean;
  /** Own partitions of which a copy is on a node that is down, or that is not yet, or not now, one of its voters. */
  readonly partitionsUnderReplicated: number;
  /** Own partitions of strong namespaces in which too few voters take part: their keys take no writes. */
  readonly groupsWithoutQuorum: number;
}

export interface DkvMetrics extends StorageMetrics, NodeStanding {
  /** Of all namespaces. */
  readonly keys: number;
  readonly hintBytes: number;
  /** Partitions of strong namespaces that this node leads: their writes and linearizable reads are decided here. */
  readonly groupsLed: number;
  /** Terms that began in partitions of this node since it started. */
  readonly termChanges: number;
  /** Of records, in snapshots of strong partitions, since this process began. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** Committed entries that this node has not applied yet, of all its partitions. */
  readonly applyLag: number;
}

export function standingOf(
  view: ClusterView,
  { ready, quorums }: Pick<Processor, 'ready' | 'quorums'>,
): NodeStanding {
  const { lacking, groupsWithoutQuorum } = quorums;
  return { ready, partitionsUnderReplicated: view.underReplicated(lacking), groupsWithoutQuorum };
}

export function nodeStatuses(
  view: ClusterView,
  { votersMissing }: QuorumStatus,
  transitions: PeerTransitions,
): readonly DkvNodeStatus[] {
  const { members } = view;
  const held = new Map(members.map(({ node }) => [node.nodeId, { holder: 0, replica: 0 }]));
  for (let slice = 0; slice < view.slices; slice++) {
    view.listOf(slice).forEach((nodeId, rank) => {
      held.get(nodeId)![rank === 0 ? 'holder' : 'replica']++;
    });
  }
  return members.map(({ node, state }) => {
    const { nodeId, host, port, weight, zone } = node;
    const { groups = 0, why = '' } = votersMissing.get(nodeId) ?? {};
    const { since, trouble } = transitions.conditionOf(nodeId) ?? {};
    return {
      nodeId,
      host,
      port,
      weight,
      zone,
      state,
      ...(since !== undefined && { since }),
      ...(trouble && { trouble }),
      votersMissing: groups,
      reason: why,
      partitions: held.get(nodeId)!,
    };
  });
}
