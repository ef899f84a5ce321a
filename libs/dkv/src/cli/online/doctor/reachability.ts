/** Which node reaches which, from the question that each asked each other one. */
import { type NodeDiagnosis } from '../../../model/cluster-report.js';
import { type PeerTrouble } from '../../../model/node.js';
import { type Cell, type Column } from '../../text/page.js';
import { type Diagnosed } from '../diagnoses.js';

export interface UnreachedNode {
  readonly nodeId: string;
  /** Those that asked it and had no answer. */
  readonly by: readonly string[];
  /** What the first of them tells. */
  readonly error: string;
  readonly remedy: string;
}

const REMEDIES: Readonly<Record<PeerTrouble, string>> = {
  stopped: 'Start it.',
  unseen: 'Start it, or correct its address in the discovery.',
  unreachable: 'See whether it runs, and whether the network lets its peer port through.',
  key: 'Give every node the same apiKey.',
  certificate: 'Give every node the option tls, with certificates of one CA that are not over.',
  cluster:
    'Its folder is of another cluster: give each node its own folder, and each cluster its own addresses.',
  configuration: 'Give every node the same members, partitions, replicas, hash function and leaseReads.',
  version: 'Run versions of nestjs-dkv that share a format.',
  clock: 'Synchronise the clocks.',
  identity: 'Two processes run under its node id: give each its own.',
};
const UNKNOWN_PEER = 'it is no member there';

type Peer = NodeDiagnosis['peers'][number];

export function unreachedNodes(diagnosed: readonly Diagnosed[]): readonly UnreachedNode[] {
  return diagnosed.flatMap(({ member: { nodeId } }) => {
    const failed = diagnosed.flatMap(({ diagnosis }) => {
      const peer = diagnosis && peerOf(diagnosis, nodeId);
      const isReached = diagnosis?.nodeId === nodeId || peer?.roundTripMs !== undefined;
      return diagnosis && !isReached ? [{ by: diagnosis.nodeId, peer }] : [];
    });
    const [first] = failed;
    if (!first) {
      return [];
    }
    const { error = UNKNOWN_PEER, trouble = first.peer ? 'unreachable' : 'configuration' } = first.peer ?? {};
    return [{ nodeId, by: failed.map(({ by }) => by), error, remedy: REMEDIES[trouble] }];
  });
}

/** Who asks stands on the left, who is asked at the top; cells are milliseconds, `x` for no answer, `?` for not known. */
export function reachabilityTable(diagnosed: readonly Diagnosed[]): {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
} {
  const nodeIds = diagnosed.map(({ member }) => member.nodeId);
  return {
    columns: [{ title: '' }, ...nodeIds.map((title): Column => ({ title, align: 'right' }))],
    rows: diagnosed.map(({ diagnosis }, at) => [
      nodeIds[at]!,
      ...nodeIds.map((asked): Cell => {
        if (asked === nodeIds[at]) {
          return '-';
        }
        const roundTripMs = diagnosis && peerOf(diagnosis, asked)?.roundTripMs;
        return roundTripMs?.toFixed(1) ?? (diagnosis ? { text: 'x', tone: 'bad' } : '?');
      }),
    ]),
  };
}

function peerOf({ peers }: NodeDiagnosis, nodeId: string): Peer | undefined {
  return peers.find((peer) => peer.nodeId === nodeId);
}
