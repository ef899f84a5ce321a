/** What is measured of the groups of a node, when somebody asks. */
import { type PeerDirectory } from '../cluster/peer-directory.js';
import { type StrongFigures } from '../ports/strong-mode.js';
import { type StrongNode } from './strong-node.js';

export function figuresOf(node: StrongNode, directory: PeerDirectory): StrongFigures {
  const votersMissing: Record<string, number> = {};
  let applyLag = 0;
  for (const { raft, applied, list } of node.groups.values()) {
    applyLag += Math.max(0, raft.commit - applied);
    for (const nodeId of list) {
      const peer = directory.find(nodeId);
      const votes =
        peer === undefined || (directory.isUp(nodeId) && raft.configuration.voters.includes(peer.member));
      if (!votes) {
        votersMissing[nodeId] = (votersMissing[nodeId] ?? 0) + 1;
      }
    }
  }
  return { termChanges: node.leadership.termChanges, applyLag, votersMissing };
}
