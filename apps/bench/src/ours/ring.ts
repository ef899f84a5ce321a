/** Where keys go on our side: the same for the nodes and for whoever fills their folders before they start. */
import { join } from 'node:path';

export const NODE_IDS = ['node1', 'node2', 'node3'] as const;
/** Of three nodes each holds every key of the default namespace. */
export const RING = { replicas: 2, partitions: 1024 } as const;

export function folderOf(folder: string, nodeId: string): string {
  return join(folder, nodeId);
}
