/** Whether nodes see each other as they are: with every fault gone, each must have all the others as up. */
import { type TestCluster } from './sim-cluster.js';

/** The first that is seen otherwise, for people; undefined where there is none. */
export function wrongPeerView(cluster: TestCluster): string | undefined {
  for (const nodeId of cluster.memberIds) {
    const { view } = cluster.node(nodeId);
    const other = cluster.memberIds.find((peer) => peer !== nodeId && view.stateOf(peer) !== 'up');
    if (other !== undefined) {
      return `node ${nodeId} sees node ${other} as ${view.stateOf(other)}`;
    }
  }
  return undefined;
}
