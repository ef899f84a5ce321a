/** What nodes tell an operator, asked for by a command. */
import {
  type ClusterReport,
  type Explanation,
  type NodeDiagnosis,
  type PartitionReport,
} from '../../model/cluster-report.js';
import { type MovesReport } from '../../model/moves-report.js';
import { type ClusterClient } from './cluster-client.js';

/** @throws CommandFailure, as the others here */
export function clusterReport(client: ClusterClient): Promise<ClusterReport> {
  return client.read<ClusterReport>('/admin/cluster', 'members');
}

export function partitionReports(client: ClusterClient): Promise<readonly PartitionReport[]> {
  return client.read<readonly PartitionReport[]>('/admin/partitions', 'length');
}

export function explanationOf(client: ClusterClient, namespace: string, key: string): Promise<Explanation> {
  const query = new URLSearchParams({ namespace, key });
  return client.read<Explanation>(`/admin/explain?${query.toString()}`, 'copies');
}

/** Of the first node that answers. */
export function diagnosisOfFirst(client: ClusterClient): Promise<NodeDiagnosis> {
  return client.read<NodeDiagnosis>('/admin/diagnosis', 'peers');
}

/** Of the node at that address, whichever it is. */
export function diagnosisAt(
  client: ClusterClient,
  address: { readonly host: string; readonly port: number },
): Promise<NodeDiagnosis> {
  return client.readAt<NodeDiagnosis>(address, '/admin/diagnosis', 'peers');
}

export function transferLeadership(client: ClusterClient, group: number, nodeId: string): Promise<void> {
  return client.write({ method: 'POST', path: '/admin/transfer-leadership', body: { group, nodeId } });
}

export function movesReport(client: ClusterClient): Promise<MovesReport> {
  return client.read<MovesReport>('/admin/moves', 'isSettled');
}

/** What a change of the members is asked for by, below `/admin`. */
export type ChangeRoute =
  'admit' | 'decommission' | 'remove' | 'replace' | 'keep' | 'weight' | 'zone' | 'zones' | 'replicas';

/** Gives the epoch of a configuration that has the change. */
export async function changeMembers(
  client: ClusterClient,
  route: ChangeRoute,
  body: object,
): Promise<number> {
  const request = { method: 'POST', path: `/admin/${route}`, body } as const;
  return (await client.write<{ readonly epoch: number }>(request, 'epoch')).epoch;
}
