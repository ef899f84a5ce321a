/** Raft's five properties (Ongaro's dissertation, figure 3.2), checked from outside of the groups. */
import { type LogEntry, type MemberId } from '../../src/model/raft-messages.js';
import { hasQuorum } from '../../src/raft/raft-configurations.js';
import { type RaftGroup } from '../../src/raft/raft-group.js';

export type RaftRule =
  /** Two leaders in one term. */
  | 'election-safety'
  /** Two logs hold the same (index, term) with other entries at or before it. */
  | 'log-matching'
  /** A leader lacks an entry that was committed before its term. */
  | 'leader-completeness'
  /** Two members have other entries committed at one index. */
  | 'state-machine-safety'
  /** A leader's log lost an entry, or a member's term, commit index or vote went back. */
  | 'append-only'
  /** A leader counted an entry as committed that no majority has on its disks. */
  | 'commit-without-majority'
  /** A message says what a crash would make untrue: it left before its term was on the disk. */
  | 'early-message'
  /** Something threw. */
  | 'crash'
  /** With every fault gone, the group still does not serve, or never rests. */
  | 'liveness';

/** Shaped like the findings of the other scenarios, so that one command prints them all. */
export interface RaftFinding {
  readonly rule: RaftRule;
  /** Where: a term, an index or a member. */
  readonly key: string;
  readonly message: string;
  readonly operations: readonly [];
}

export function raftFinding(rule: RaftRule, key: string | number, message: string): RaftFinding {
  return { rule, key: String(key), message, operations: [] };
}

export interface ObservedGroup {
  readonly member: MemberId;
  readonly group: RaftGroup;
}

/** What can be seen of the properties in one look at the members of a group; a few thousand comparisons. */
export function checkGroupInvariants(groups: readonly ObservedGroup[]): RaftFinding[] {
  const findings: RaftFinding[] = [];
  for (const [place, one] of groups.entries()) {
    for (const other of groups.slice(place + 1)) {
      const { term } = one.group;
      if (one.group.role === 'leader' && other.group.role === 'leader' && term === other.group.term) {
        findings.push(
          raftFinding('election-safety', term, `${one.member} and ${other.member} both lead term ${term}`),
        );
      }
      const finding = compareLogs(one, other);
      if (finding) {
        findings.push(finding);
      }
    }
    findings.push(...missingOf(one, groups));
  }
  return findings;
}

/** Log Matching and State Machine Safety, on what both hold in memory. */
function compareLogs(one: ObservedGroup, other: ObservedGroup): RaftFinding | undefined {
  const first = Math.max(one.group.firstIndex, other.group.firstIndex) - 1;
  const last = Math.min(one.group.lastIndex, other.group.lastIndex);
  const committed = Math.min(one.group.commit, other.group.commit);
  let mustEqual = false;
  for (let index = last; index >= first; index--) {
    const isEqual = one.group.termAt(index) === other.group.termAt(index);
    const message = `${one.member} has term ${one.group.termAt(index)}, ${other.member} ${other.group.termAt(index)}`;
    if (!isEqual && index <= committed) {
      return raftFinding('state-machine-safety', index, message);
    }
    if (!isEqual && mustEqual) {
      return raftFinding('log-matching', index, message);
    }
    mustEqual ||= isEqual;
  }
  return undefined;
}

/** What a leader lacks of what members with no later term have as committed. */
function missingOf({ member, group }: ObservedGroup, groups: readonly ObservedGroup[]): RaftFinding[] {
  if (group.role !== 'leader') {
    return [];
  }
  return groups
    .filter((other) => other.group.term <= group.term && other.group.commit > group.lastIndex)
    .map((other) =>
      raftFinding(
        'leader-completeness',
        group.term,
        `${member} leads with a log up to ${group.lastIndex}, ${other.member} has ${other.group.commit} committed`,
      ),
    );
}

interface Seen {
  term: number;
  commit: number;
  /** Of the term that it leads. */
  leads: number;
  lastIndex: number;
}

/** Sees a run from its beginning, so it can hold the present against the past; cheap enough after every step. */
export class RaftWitness {
  readonly findings: RaftFinding[] = [];
  private readonly leaders: MemberId[] = [];
  /** The term of the committed entry, by index. */
  private readonly committed: number[] = [0];
  private readonly entries = new Map<number, { readonly previous: number; readonly entry: LogEntry }>();
  private readonly seen = new Map<MemberId, Seen>();

  get committedIndex(): number {
    return this.committed.length - 1;
  }

  report(rule: RaftRule, key: string | number, message: string): void {
    this.findings.push(raftFinding(rule, key, message));
  }

  /** A member came up with what its disk held. */
  restarted(member: MemberId, group: RaftGroup): void {
    this.seen.set(member, { term: group.term, commit: group.firstIndex - 1, leads: -1, lastIndex: 0 });
  }

  /** Entries went into a log behind an entry of the term `previous`: equal ones have equal predecessors, by induction. */
  appended(member: MemberId, previous: number, entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      const key = entry.index * 0x10000 + entry.term;
      const known = this.entries.get(key);
      if (!known) {
        this.entries.set(key, { previous, entry });
      } else if (known.previous !== previous || known.entry.data !== entry.data) {
        const what = `(${entry.index}, term ${entry.term}) behind term ${previous}, elsewhere another`;
        this.report('log-matching', entry.index, `${member} has ${what}`);
      }
      previous = entry.term;
    }
  }

  /**
   * After every step of a member. A leader whose term is not on its disk has said nothing yet: it may be forgotten, and
   * the term have another. `isOnDisk` tells whether a member's disk holds an entry.
   */
  observe(
    member: MemberId,
    group: RaftGroup,
    durableTerm: number,
    isOnDisk: (member: MemberId, index: number, term: number) => boolean,
  ): void {
    const seen = this.seen.get(member)!;
    if (group.term < seen.term || group.commit < seen.commit) {
      this.report(
        'append-only',
        member,
        `term ${group.term} after ${seen.term}, commit after ${seen.commit}`,
      );
    }
    seen.term = group.term;
    const hasMore = group.commit > seen.commit;
    if (hasMore) {
      this.checkCommitted(member, group, seen.commit);
      seen.commit = group.commit;
    }
    if (group.role !== 'leader') {
      seen.leads = -1;
      return;
    }
    if (hasMore) {
      const { commit } = group;
      const term = group.termAt(commit)!;
      if (!hasQuorum(group.configuration, (voter) => isOnDisk(voter, commit, term))) {
        this.report('commit-without-majority', commit, `${member} committed (${commit}, term ${term})`);
      }
    }
    if (durableTerm < group.term) {
      return;
    }
    if (seen.leads !== group.term) {
      this.checkLeader(member, group);
    } else if (group.lastIndex < seen.lastIndex) {
      this.report(
        'append-only',
        member,
        `leads a log that ended at ${seen.lastIndex}, now ${group.lastIndex}`,
      );
    }
    seen.leads = group.term;
    seen.lastIndex = group.lastIndex;
  }

  private checkCommitted(member: MemberId, group: RaftGroup, from: number): void {
    for (let index = Math.max(from + 1, group.firstIndex - 1); index <= group.commit; index++) {
      const term = group.termAt(index)!;
      const known = this.committed[index];
      if (known === undefined) {
        this.committed[index] = term;
      } else if (known !== term) {
        this.report('state-machine-safety', index, `${member} committed term ${term}, others ${known}`);
        return;
      }
    }
  }

  private checkLeader(member: MemberId, group: RaftGroup): void {
    const { term } = group;
    const other = this.leaders[term];
    if (other !== undefined && other !== member) {
      this.report('election-safety', term, `${other} and ${member} both lead term ${term}`);
    }
    this.leaders[term] = member;
    for (let index = group.firstIndex - 1; index <= this.committedIndex; index++) {
      // A leader of the past may yet see itself elected after a later one committed: only earlier terms bind it.
      const committed = this.committed[index];
      if (
        committed !== undefined &&
        committed < term &&
        group.termAt(index) !== committed &&
        !this.isLate(term)
      ) {
        this.report('leader-completeness', term, `${member} lacks (${index}, term ${committed})`);
        return;
      }
    }
  }

  private isLate(term: number): boolean {
    return this.leaders.length - 1 > term;
  }
}
