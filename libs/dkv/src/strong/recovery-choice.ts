/** From which member a group goes on when a majority of its voters has forgotten: pure, from what all members say (rule 13). */
import { type GroupReport } from '../model/node-messages.js';
import { type MemberId, nodeOf } from '../model/raft-messages.js';
import { hasQuorum, isVoterOf, membersOf, votersOf } from '../raft/raft-configurations.js';
import { forcedConfiguration } from '../raft/raft-recovery.js';

export interface MemberReport extends GroupReport {
  readonly member: MemberId;
}

export interface RecoveryChoice {
  /** The member that has all that any of them has and that can have been acknowledged. */
  readonly base: MemberId;
  /** Above all that were reported. */
  readonly term: number;
  /** All of them. */
  readonly members: readonly MemberId[];
}

/**
 * Undefined where it must not go on by itself: a node of a configuration that is known is none of those, a voter has more
 * than can be taken over from any, or a majority of the voters left no folder, which an operator may still have.
 *
 * The base has the highest last term and, in it, the highest last index of the newest generation. An entry that was
 * committed in term t, and that any report still counts, is in it: by leader completeness (dissertation, 3.6.3) it is in
 * every log with entries of a later term, and a log whose last term is t has a prefix of that term's leader's. Who is still
 * fetching the group can give it to nobody.
 *
 * @param reports one of each node of the list, all as of the same promise, or of none
 */
export function chooseRecovery(reports: readonly MemberReport[]): RecoveryChoice | undefined {
  const newest = Math.max(...reports.map(({ generation }) => generation));
  const current = reports.filter(({ generation }) => generation === newest);
  const [base] = current.filter(({ isWhole }) => isWhole).sort(byProgress);
  if (base === undefined) {
    return undefined;
  }
  const { configuration } = base;
  const isAhead = (one: MemberReport) => byProgress(one, base) < 0 && isVoterOfItsOwn(one);
  const areHere = (members: readonly MemberId[]) =>
    members.every((member) => reports.some((report) => nodeOf(report.member) === nodeOf(member)));
  const mayGoOn =
    !current.some(isAhead) &&
    reports.every((report) => areHere(membersOf(report.configuration))) &&
    configuration.voters.length > 0 &&
    hasQuorum(configuration, (voter) => isKept(voter, reports));
  return mayGoOn
    ? {
        base: base.member,
        term: Math.max(...reports.map(({ term }) => term)) + 1,
        members: reports.map(({ member }) => member),
      }
    : undefined;
}

/**
 * Whether nothing else can mend the group: nobody leads it, and none of its voters finds a majority, or enough of those that
 * are left to hold all; or a recovery was promised, and nobody but a new one frees those who did.
 */
export function needsRecovery(reports: readonly MemberReport[]): boolean {
  const isStuck = reports.some(({ promised, generation }) => promised > generation);
  const isHere = (voter: MemberId) => reports.some(({ member }) => member === voter);
  const newest = Math.max(...reports.map(({ generation }) => generation));
  const isMended = ({ member, generation, configuration }: MemberReport) =>
    generation === newest &&
    isVoterOf(configuration, member) &&
    (hasQuorum(configuration, isHere) ||
      forcedConfiguration(configuration, (voter) => !isHere(voter)) !== undefined);
  return reports.every(({ isLed }) => !isLed) && (isStuck || !reports.some(isMended));
}

/** The one whose log goes further first. */
function byProgress(one: MemberReport, other: MemberReport): number {
  return other.lastTerm - one.lastTerm || other.lastIndex - one.lastIndex;
}

/** Whether it may have acknowledged what it has, as the member that it is or was. */
function isVoterOfItsOwn({ member, incarnations, configuration }: MemberReport): boolean {
  return votersOf(configuration).some(
    (voter) => nodeOf(voter) === nodeOf(member) && incarnations.includes(incarnationOf(voter)),
  );
}

/** Whether the voter's folder is there, or there never was one. */
function isKept(voter: MemberId, reports: readonly MemberReport[]): boolean {
  return reports.some(
    ({ member, incarnations, isVolatile }) =>
      nodeOf(member) === nodeOf(voter) && (isVolatile || incarnations.includes(incarnationOf(voter))),
  );
}

function incarnationOf(member: MemberId): string {
  return member.slice(nodeOf(member).length + 1);
}
