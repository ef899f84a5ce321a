/** Puts the new incarnation of a node that may have forgotten in the place of the old one: rule 12 of the strong mode. */
import { type PeerDirectory } from '../cluster/peer-directory.js';
import { type Configuration, type MemberId, nodeOf } from '../model/raft-messages.js';
import { type StrongGroup } from './strong-group.js';

/** A learner that lacks no more entries than this will catch up while it becomes a voter. */
const BEHIND_MAX = 64;

/**
 * Looks at one group that this node leads, and proposes the next step of a change, if there is one to make: a node that
 * came back under another incarnation is taken in as a learner (dissertation, 4.2.1), and once it has caught up it takes
 * the place of the incarnation that is gone, by joint consensus (4.3). The old one is never the voter again: it may have
 * forgotten votes that others counted. A node of the list that has no place at all, since its incarnation was dropped when
 * a majority was gone (rule 13), is given one in the same way.
 */
export function stepReplacement(group: StrongGroup, directory: PeerDirectory): boolean {
  const { raft } = group;
  if (!raft.isReady || group.isSuspended || group.isSilent || raft.configuration.outgoing.length > 0) {
    return false;
  }
  const { voters, learners } = raft.configuration;
  if (
    !voters.some((voter) => replacementOf(voter, directory)) &&
    learners.length === 0 &&
    voters.length >= group.list.length
  ) {
    return false;
  }
  const next = nextConfiguration(group, directory);
  return next !== undefined && raft.proposeConfiguration(next) !== undefined;
}

function nextConfiguration({ raft, list }: StrongGroup, directory: PeerDirectory): Configuration | undefined {
  const { voters, learners } = raft.configuration;
  const isGone = (member: MemberId) => replacementOf(member, directory) !== undefined;
  const useless = learners.filter(isGone);
  if (useless.length > 0) {
    return { voters, outgoing: [], learners: learners.filter((learner) => !useless.includes(learner)) };
  }
  const places: (MemberId | undefined)[] = [...voters];
  const wanted = voters.map((voter) => replacementOf(voter, directory));
  for (const nodeId of list) {
    if (!voters.some((voter) => nodeOf(voter) === nodeId)) {
      places.push(undefined);
      wanted.push(memberNow(nodeId, directory));
    }
  }
  const missing = wanted.filter((member) => member !== undefined && !learners.includes(member)) as MemberId[];
  if (missing.length > 0) {
    return { voters, outgoing: [], learners: [...learners, ...missing] };
  }
  // Who needs a snapshot has nothing yet, however short the log is.
  const isReady = (member: MemberId | undefined) => {
    const match = member === undefined ? undefined : raft.matchOf(member);
    return match !== undefined && match >= raft.firstIndex - 1 && match + BEHIND_MAX >= raft.commit;
  };
  const changed = places
    .map((member, place) => (isReady(wanted[place]) ? wanted[place] : member))
    .filter((member) => member !== undefined);
  if (changed.length === voters.length && changed.every((member, place) => member === voters[place])) {
    return undefined;
  }
  return {
    voters: changed,
    outgoing: voters,
    learners: learners.filter((learner) => !changed.includes(learner)),
  };
}

/** Whether the member's node has come back as another: this one will never vote or acknowledge again (rule 12). */
export function isGoneMember(member: MemberId, directory: PeerDirectory): boolean {
  const peer = directory.find(nodeOf(member));
  return peer !== undefined && peer.hasIntroducedItself && peer.clusterId !== '' && peer.member !== member;
}

/** The member that a node is now, where it is not the given one any more. */
function replacementOf(member: MemberId, directory: PeerDirectory): MemberId | undefined {
  return isGoneMember(member, directory) ? memberNow(nodeOf(member), directory) : undefined;
}

/** The member that a node is, as long as it is heard. */
export function memberNow(nodeId: string, directory: PeerDirectory): MemberId | undefined {
  const peer = directory.find(nodeId);
  const isHere = peer?.hasIntroducedItself && peer.clusterId !== '' && directory.isAlive(peer.member);
  return isHere ? peer.member : undefined;
}
