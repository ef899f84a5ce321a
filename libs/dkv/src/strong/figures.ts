/** What is measured of the groups of a node, when somebody asks. */
import { type StrongFigures } from '../ports/strong-mode.js';
import { type StrongNode } from './strong-node.js';

export function figuresOf({ groups, leadership, snapshots }: StrongNode): StrongFigures {
  let applyLag = 0;
  for (const { raft, applied } of groups.values()) {
    applyLag += Math.max(0, raft.commit - applied);
  }
  const { sentBytes, receivedBytes } = snapshots;
  return { termChanges: leadership.termChanges, applyLag, sentBytes, receivedBytes };
}
