/** Leads a group to the voters that it should have: other incarnations of its nodes (rule 12), and other nodes where it moves. */
import { type ClusterView } from '../cluster/cluster-view.js';
import { type PeerDirectory } from '../cluster/peer-directory.js';
import { type Configuration, type MemberId, nodeOf } from '../model/raft-messages.js';
import { hasQuorum } from '../raft/raft-configurations.js';
import { type StrongGroup } from './strong-group.js';

/** A learner that lacks no more entries than this will catch up while it becomes a voter. */
const BEHIND_MAX = 64;

/**
 * Looks at one group that this node leads, and proposes the next step of a change, if there is one to make. Whoever is to be a
 * voter is taken in as a learner (dissertation, 4.2.1), and becomes one by joint consensus (4.3) once it has caught up. A node
 * that came back under another incarnation takes the place of the one that is gone: that is never the voter again, since it may
 * have forgotten votes that others counted. A partition that moves takes the step to the nodes of its goal when all of them have
 * caught up, so that there are never fewer copies than before.
 */
export function stepReplacement(group: StrongGroup, directory: PeerDirectory, view: ClusterView): boolean {
  const { raft } = group;
  const { configuration } = raft;
  if (!raft.isReady || group.isSuspended || group.isSilent || configuration.outgoing.length > 0) {
    return false;
  }
  if (isSettled(group, directory, view)) {
    return false;
  }
  // Whoever proposed the newest entry knew of a later goal: to work for an older one would take back what others may give up.
  if (view.isBehind(configuration.epoch ?? 0)) {
    return false;
  }
  const next = nextConfiguration(group, directory, view);
  return next !== undefined && raft.proposeConfiguration({ ...next, epoch: view.epoch }) !== undefined;
}

/** As nearly all groups are nearly always: its voters are the nodes that it is to be on, as they are now, and nobody else has a part. */
function isSettled({ raft, number }: StrongGroup, directory: PeerDirectory, view: ClusterView): boolean {
  const { voters, learners } = raft.configuration;
  const goal = view.goalOf(number);
  if (learners.length > 0 || voters.length !== goal.length || view.sinceOf(number) > 0) {
    return false;
  }
  for (const voter of voters) {
    if (!goal.includes(nodeOf(voter)) || isGoneMember(voter, directory)) {
      return false;
    }
  }
  return true;
}

function nextConfiguration(
  { raft, number }: StrongGroup,
  directory: PeerDirectory,
  view: ClusterView,
): Configuration | undefined {
  const { configuration } = raft;
  const { voters, learners } = configuration;
  const goal = view.goalOf(number);
  const since = view.sinceOf(number);
  const wanted = new Map<string, MemberId | undefined>();
  for (const voter of voters) {
    wanted.set(nodeOf(voter), isGoneMember(voter, directory) ? memberNow(nodeOf(voter), directory) : voter);
  }
  for (const nodeId of goal) {
    // Before it knows that it is to have a copy, it may be about to give up the one that it has.
    if (!wanted.has(nodeId) && directory.knows(nodeId, since === 0 ? view.epoch : since)) {
      wanted.set(nodeId, memberNow(nodeId, directory));
    }
  }
  const members = [...wanted.values()];
  const useful = learners.filter((learner) => members.includes(learner));
  const missing = members.filter(
    (member) => member !== undefined && !voters.includes(member) && !learners.includes(member),
  ) as MemberId[];
  if (missing.length > 0 || useful.length < learners.length) {
    return { voters, outgoing: [], learners: [...useful, ...missing] };
  }
  const changed = votersAfter(raft, goal, wanted);
  if (!areSame(changed, voters)) {
    return {
      voters: changed,
      outgoing: voters,
      learners: learners.filter((learner) => !changed.includes(learner)),
    };
  }
  // All are there already: that is said under the epoch of the goal, so that it can be told from an earlier one.
  const isThere = since > 0 && areSame(voters.map(nodeOf), goal) && learners.length === 0;
  return isThere && (configuration.epoch ?? 0) < since ? configuration : undefined;
}

/**
 * The nodes of the goal alone, where all that are new are ready, and a majority of them with those that voted before; until then
 * each voter, or the one that takes its place where that is ready.
 */
function votersAfter(
  raft: StrongGroup['raft'],
  goal: readonly string[],
  wanted: ReadonlyMap<string, MemberId | undefined>,
): readonly MemberId[] {
  const { voters } = raft.configuration;
  // Who needs a snapshot has nothing yet, however short the log is.
  const isReady = (member: MemberId | undefined) => {
    const match = member === undefined ? undefined : raft.matchOf(member);
    return match !== undefined && match >= raft.firstIndex - 1 && match + BEHIND_MAX >= raft.commit;
  };
  const readyOf = (nodeId: string) => {
    const member = wanted.get(nodeId);
    return isReady(member) ? member : undefined;
  };
  const replaced = voters.map((voter) => readyOf(nodeOf(voter)) ?? voter);
  const arrived = goal
    .map((nodeId) => readyOf(nodeId) ?? replaced.find((voter) => nodeOf(voter) === nodeId))
    .filter((member) => member !== undefined);
  if (goal.length > 0 && arrived.length === goal.length && hasQuorum(configurationOf(arrived), isReady)) {
    return arrived;
  }
  // A node of the goal that has no vote, since it was dropped when a majority was gone (rule 13), gets one where one is vacant.
  const vacant = goal.filter((nodeId) => !voters.some((voter) => nodeOf(voter) === nodeId));
  const added = vacant.map(readyOf).filter((member) => member !== undefined);
  return [...replaced, ...added.slice(0, Math.max(0, goal.length - voters.length))];
}

function configurationOf(voters: readonly MemberId[]): Configuration {
  return { voters, outgoing: [], learners: [] };
}

function areSame(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((one) => others.includes(one));
}

/** Whether the member's node has come back as another: this one will never vote or acknowledge again (rule 12). */
export function isGoneMember(member: MemberId, directory: PeerDirectory): boolean {
  const peer = directory.find(nodeOf(member));
  return peer !== undefined && peer.hasIntroducedItself && peer.clusterId !== '' && peer.member !== member;
}

/** The member that a node is, as long as it is heard. */
export function memberNow(nodeId: string, directory: PeerDirectory): MemberId | undefined {
  const peer = directory.find(nodeId);
  const isHere = peer?.hasIntroducedItself && peer.clusterId !== '' && directory.isAlive(peer.member);
  return isHere ? peer.member : undefined;
}
