/** What the peer port serves to operators: what a node tells of the cluster, of a key and of itself. */
import {
  type ClusterReport,
  type Explanation,
  type NodeDiagnosis,
  type PartitionReport,
} from '../../model/cluster-report.js';

/** Every method may be called concurrently and throws DkvErrors, whose codes travel back. */
export interface AdminService {
  cluster(): Promise<ClusterReport>;
  partitions(): Promise<readonly PartitionReport[]>;
  explain(namespace: string, key: string): Promise<Explanation>;
  diagnose(): Promise<NodeDiagnosis>;
  /** Resolves when the node leads the group. */
  transferLeadership(group: number, nodeId: string): Promise<void>;
}

export const AdminService = Symbol('DkvAdminService');
