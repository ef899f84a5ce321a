/** Nodes for tests: named, alike unless told otherwise, at addresses that nobody listens on. */
import { type ClusterNode } from '../src/model/node.js';

export function testNode(nodeId: string, differing: Partial<ClusterNode> = {}): ClusterNode {
  return { nodeId, host: `${nodeId}.test`, port: 7000, weight: 1, zone: '', ...differing };
}

export function testNodes(...nodeIds: string[]): readonly ClusterNode[] {
  return nodeIds.map((nodeId) => testNode(nodeId));
}
