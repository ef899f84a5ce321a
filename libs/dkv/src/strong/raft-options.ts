/** How the groups of a node do Raft: bounds, randomness, and what the node knows beyond its groups. */
import { type PeerDirectory } from '../cluster/peer-directory.js';
import { type MemberId } from '../model/raft-messages.js';
import { type RaftGroupOptions } from '../raft/raft-group.js';
import { type GroupServices } from './group-parts.js';
import { type LeaseGrants } from './lease-grants.js';
import { isGoneMember } from './replacement.js';
import { type StrongModeParts } from './strong-mode-parts.js';

export function raftOptionsOf(
  { random, limits }: Pick<StrongModeParts, 'random' | 'limits'>,
  /** This node, as the groups know it now. */
  member: () => MemberId,
  directory: PeerDirectory,
  /** Undefined where there are no leases. */
  grants: LeaseGrants | undefined,
): GroupServices['raftOptions'] {
  const shared: Omit<RaftGroupOptions, 'self'> = {
    random,
    // A lost node is found out by silence; what is left is for a vote to fail once and be held again, within 1.5 s in all.
    electionTicks: Math.max(2, Math.floor(limits.electionTimeoutMs / limits.heartbeatIntervalMs / 3)),
    resendTicks: 3,
    appendBytesMax: 1024 * 1024,
    inflightBytesMax: 4 * 1024 * 1024,
    isGone: (other) => isGoneMember(other, directory),
  };
  return (group) => ({
    self: member(),
    ...shared,
    ...(grants && {
      isHeldBack: (candidate, isTransfer) => grants.isHeldBack(group, candidate, isTransfer),
    }),
  });
}
