/** The cluster as one node sees it, for an operator: put together from what it knows, without asking anybody. */
import { type ClusterView } from '../cluster/cluster-view.js';
import { copiesHeldIn, memberCopiesOf } from '../cluster/configuration-report.js';
import { type Namespaces } from '../cluster/namespaces.js';
import { type PeerTransitions } from '../cluster/peer-transitions.js';
import { type ClusterReport, type MemberReport } from '../model/cluster-report.js';
import { type Membership } from '../ports/membership.js';
import { type StrongGroups } from '../ports/strong-groups.js';
import { type Processor } from '../processor/processor.js';
import { nodeStatuses, standingOf } from './node-status.js';

export interface ReportParts {
  readonly processor: Pick<Processor, 'ready' | 'quorums' | 'groupsLed' | 'unreadyReason' | 'degradedReason'>;
  readonly view: ClusterView;
  readonly transitions: PeerTransitions;
  readonly namespaces: Namespaces;
  readonly groups: StrongGroups;
  readonly membership: Pick<Membership, 'candidates'>;
}

/** @param version of the library */
export function clusterReportOf(parts: ReportParts, version: string): ClusterReport {
  const { processor, view, transitions, namespaces, groups, membership } = parts;
  const { selfId } = view;
  const { partitionsUnderReplicated, groupsWithoutQuorum } = standingOf(view, processor);
  const statuses = nodeStatuses(view, processor.quorums, transitions);
  const copies = memberCopiesOf(view.agreed);
  return {
    answeredBy: selfId,
    version,
    clusterId: groups.clusterId,
    epoch: view.agreed.epoch,
    partitions: view.slices,
    replicas: view.replicasOf(),
    copiesHeld: copiesHeldIn(view.agreed),
    hashFunc: view.hashFunc.name,
    preferredZones: view.agreed.preferredZones,
    ...healthOf(processor),
    members: statuses.map((status) => ({
      ...status,
      ...copies.get(status.nodeId)!,
      ...toldBy(status.nodeId, parts),
    })),
    candidates: membership.candidates.map((node) => ({ ...node, membership: 'candidate' })),
    partitionsWithoutQuorum: groupsWithoutQuorum,
    partitionsUnderReplicated,
    namespaces: [...namespaces]
      .filter(({ isReserved }) => !isReserved)
      .map(({ name, mode, placement }) => ({ name, mode, copies: view.replicasOf(placement) + 1 }))
      .sort((one, other) => (one.name < other.name ? -1 : 1)),
  };
}

function healthOf({
  ready,
  unreadyReason,
  degradedReason,
}: ReportParts['processor']): Pick<ClusterReport, 'health' | 'reason'> {
  if (!ready) {
    return { health: 'unready', reason: unreadyReason ?? 'starting or closing' };
  }
  return degradedReason === undefined
    ? { health: 'ok', reason: '' }
    : { health: 'degraded', reason: degradedReason };
}

/** What the node says of itself. */
function toldBy(
  nodeId: string,
  { processor, view, groups }: ReportParts,
): Pick<MemberReport, 'ready' | 'leads' | 'clockOffsetMs'> {
  if (nodeId === view.selfId) {
    return { ready: processor.ready, leads: processor.groupsLed };
  }
  const told = groups.statusOf(nodeId);
  return told
    ? { ready: told.isReady, leads: told.groupsLed, clockOffsetMs: told.clockOffsetMs }
    : { leads: 0 };
}
