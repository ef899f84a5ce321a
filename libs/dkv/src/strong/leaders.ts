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
    let best = '';
    let bestTerm = 0;
    for (const nodeId of this.view.listOf(group)) {
      const peer = this.directory().find(nodeId);
      const term = peer?.led.get(group);
      if (term !== undefined && term > bestTerm && this.directory().isUp(nodeId)) {
        best = nodeId;
        bestTerm = term;
      }
    }
    return best;
  }
}
