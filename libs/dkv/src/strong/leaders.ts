/** Who leads which group, as far as this node knows: by its own members, by what others say they lead, by guess. */
import { type PeerDirectory } from '../cluster/peer-directory.js';
import { type ClusterView } from '../cluster/cluster-view.js';
import { nodeOf } from '../model/raft-messages.js';
import { type GroupList } from './group-list.js';

export class Leaders {
  constructor(
    private readonly view: ClusterView,
    private readonly directory: () => PeerDirectory,
    private readonly groups: GroupList,
  ) {}

  /** '' where none is known that is up. Where nothing was heard of the group yet, the preferred leader. */
  leaderOf(group: number): string {
    const own = this.groups.get(group);
    if (own) {
      const { leader } = own.raft;
      const nodeId = leader === undefined ? '' : nodeOf(leader);
      return nodeId !== '' && this.directory().isUp(nodeId) ? nodeId : '';
    }
    return this.toldLeader(group, this.view.listOf(group)) || this.leaderElsewhere(group);
  }

  /** The other node that says it leads the group, on its list or not: a partition that has just moved is led by others. */
  leaderElsewhere(group: number): string {
    const nodeIds: string[] = [];
    for (const { nodeId, led } of this.directory().all) {
      if (led.has(group)) {
        nodeIds.push(nodeId);
      }
    }
    return this.toldLeader(group, nodeIds);
  }

  /** Of these the one that leads it by the latest term, as they say. */
  private toldLeader(group: number, nodeIds: readonly string[]): string {
    let best = '';
    let bestTerm = 0;
    for (const nodeId of nodeIds) {
      const term = this.directory().find(nodeId)?.led.get(group);
      if (term !== undefined && term > bestTerm && this.directory().isUp(nodeId)) {
        best = nodeId;
        bestTerm = term;
      }
    }
    return best;
  }
}
