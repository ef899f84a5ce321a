/** What the peer port serves to operators: what a node tells of the cluster, of a key and of itself, and what it has changed. */
import {
  type ClusterReport,
  type Explanation,
  type NodeDiagnosis,
  type PartitionReport,
} from '../../model/cluster-report.js';
import { type MovesReport } from '../../model/moves-report.js';

/** Every method may be called concurrently and throws DkvErrors, whose codes travel back. */
export interface AdminService {
  cluster(): Promise<ClusterReport>;
  partitions(): Promise<readonly PartitionReport[]>;
  explain(namespace: string, key: string): Promise<Explanation>;
  diagnose(): Promise<NodeDiagnosis>;
  /** Resolves when the node leads the group. */
  transferLeadership(group: number, nodeId: string): Promise<void>;
  moves(): Promise<MovesReport>;
  /** Each change of the members resolves with the epoch of a configuration that has it. */
  admit(nodeId: string): Promise<number>;
  /** Without a node id, of the node that is asked. */
  decommission(nodeId?: string): Promise<number>;
  remove(nodeId: string): Promise<number>;
  replace(nodeId: string, byNodeId: string): Promise<number>;
  keep(nodeId: string): Promise<number>;
  setWeight(nodeId: string, weight: number): Promise<number>;
  setZone(nodeId: string, zone: string): Promise<number>;
  /** Of the cluster, or of a namespace that asked for a number. */
  setReplicas(replicas: number, namespace?: string): Promise<number>;
  setPreferredZones(zones: readonly string[]): Promise<number>;
}

export const AdminService = Symbol('DkvAdminService');
