/** When those that are left of a group hold all that was committed, though they are no majority: rule 13, its safe half. */
import { type Configuration, type MemberId } from '../model/raft-messages.js';

/**
 * The configuration that the members which are left go on with: `configuration` without the incarnations that are gone.
 * Undefined while the configuration still has its majorities, and where those that are left may lack something.
 *
 * A majority of N voters and a majority of the n that are left of them always have a member in common where
 * ⌊N/2⌋ + 1 + ⌊n/2⌋ + 1 > N: one of two, two of four. So an election among those that are left is one by quorums that meet
 * all quorums there ever were, and the rules of elections (dissertation, 3.6) carry over as they stand: a vote is a durable
 * promise to acknowledge nothing below its term, nobody votes for a shorter log, and a term has one leader. While joint,
 * every decision needed both majorities, so both must be met; a configuration that is newer than all that are left know
 * cannot have counted, since the joint one before it had a majority of this one.
 *
 * Where one incarnation that is taken for gone comes back after all (its old folder was put back), its majority still meets
 * a member which has the entry with this configuration; that is why three of six are not enough here.
 */
export function forcedConfiguration(
  configuration: Configuration,
  isGone: (member: MemberId) => boolean,
): Configuration | undefined {
  const lists = [configuration.voters, configuration.outgoing].filter((list) => list.length > 0);
  const left = (list: readonly MemberId[]) => list.filter((member) => !isGone(member));
  const isMajorityGone = lists.some((list) => 2 * left(list).length <= list.length);
  if (!isMajorityGone || !lists.every((list) => meetsAllMajorities(left(list).length, list.length))) {
    return undefined;
  }
  return {
    ...configuration,
    voters: left(configuration.voters),
    outgoing: left(configuration.outgoing),
    learners: left(configuration.learners),
  };
}

function meetsAllMajorities(left: number, all: number): boolean {
  return left > 0 && (left >>> 1) + 1 + (all >>> 1) + 1 > all;
}
