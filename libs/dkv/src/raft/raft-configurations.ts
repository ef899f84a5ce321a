/** Who votes: the configurations in a group's log, majorities of them, and which may follow which. */
import { type Configuration, type MemberId } from '../model/raft-messages.js';

/** A majority of `members` fulfils `condition`. Of nobody there is no majority. */
function hasMajority(members: readonly MemberId[], condition: (member: MemberId) => boolean): boolean {
  let count = 0;
  for (const member of members) {
    if (condition(member)) {
      count++;
    }
  }
  return 2 * count > members.length;
}

/** A majority of the voters, and while joint of the outgoing ones as well (dissertation, 4.3). */
export function hasQuorum(configuration: Configuration, condition: (member: MemberId) => boolean): boolean {
  const { voters, outgoing } = configuration;
  return hasMajority(voters, condition) && (outgoing.length === 0 || hasMajority(outgoing, condition));
}

/** The index that more than half of `members` have: what is committed where they are the voters. */
export function majorityIndex(members: readonly { readonly match: number }[]): number {
  const needed = (members.length >>> 1) + 1;
  let best = 0;
  for (const { match } of members) {
    if (match > best) {
      let count = 0;
      for (const other of members) {
        if (other.match >= match) {
          count++;
        }
      }
      if (count >= needed) {
        best = match;
      }
    }
  }
  return best;
}

/** Whether these two are a quorum: without a closure, since every append asks. */
export function isMajority({ voters, outgoing }: Configuration, one: MemberId, other: MemberId): boolean {
  return ofTwo(voters, one, other) && (outgoing.length === 0 || ofTwo(outgoing, one, other));
}

function ofTwo(members: readonly MemberId[], one: MemberId, other: MemberId): boolean {
  const count = (members.includes(one) ? 1 : 0) + (members.includes(other) ? 1 : 0);
  return 2 * count > members.length;
}

/** Whether `member` votes: in what is entered, or in what is being left. */
export function isVoterOf({ voters, outgoing }: Configuration, member: MemberId): boolean {
  return voters.includes(member) || outgoing.includes(member);
}

/** All who vote, each once. */
export function votersOf({ voters, outgoing }: Configuration): readonly MemberId[] {
  return outgoing.length === 0 ? voters : [...new Set([...voters, ...outgoing])];
}

/** All who get the log, each once. */
export function membersOf({ voters, outgoing, learners }: Configuration): readonly MemberId[] {
  return [...new Set([...voters, ...outgoing, ...learners])];
}

/**
 * Whether one entry may lead from `current` to `next`. Voters change through a joint configuration only: into it with
 * all current voters outgoing, out of it with the voters that were entered. Voters that are new were learners before
 * (4.2.1), so that they do not hold up commits while they catch up. Learners may change at will outside of it.
 */
export function mayFollow(current: Configuration, next: Configuration): boolean {
  if (
    next.voters.length === 0 ||
    !areDistinct(next.voters) ||
    !areDistinct([...next.voters, ...next.learners])
  ) {
    return false;
  }
  if (current.outgoing.length > 0) {
    return next.outgoing.length === 0 && areSame(next.voters, current.voters);
  }
  if (next.outgoing.length === 0) {
    return areSame(next.voters, current.voters);
  }
  return (
    areSame(next.outgoing, current.voters) &&
    next.voters.every((member) => current.voters.includes(member) || current.learners.includes(member))
  );
}

function areDistinct(members: readonly MemberId[]): boolean {
  return new Set(members).size === members.length;
}

function areSame(some: readonly MemberId[], others: readonly MemberId[]): boolean {
  return (
    some.length === others.length && areDistinct(some) && some.every((member) => others.includes(member))
  );
}

/**
 * The configurations that the log names, by index, and the one before all of them. The newest counts as soon as it is in
 * the log, committed or not (4.1): a majority of the old one alone could otherwise decide beside one of the new.
 */
export class RaftConfigurations {
  private readonly indexes: number[];
  private readonly values: Configuration[];

  constructor(index: number, configuration: Configuration) {
    this.indexes = [index];
    this.values = [configuration];
  }

  get current(): Configuration {
    return this.values[this.values.length - 1]!;
  }

  get currentIndex(): number {
    return this.indexes[this.indexes.length - 1]!;
  }

  add(index: number, configuration: Configuration): void {
    this.indexes.push(index);
    this.values.push(configuration);
  }

  /** Goes back to what counted before the entries from `index` on. */
  truncate(index: number): void {
    while (this.indexes.length > 1 && this.currentIndex >= index) {
      this.indexes.pop();
      this.values.pop();
    }
  }

  /** Forgets those that a later one at or below `index` took the place of. */
  compact(index: number): void {
    while (this.indexes.length > 1 && this.indexes[1]! <= index) {
      this.indexes.shift();
      this.values.shift();
    }
  }

  reset(index: number, configuration: Configuration): void {
    this.indexes.length = 0;
    this.values.length = 0;
    this.add(index, configuration);
  }

  /** As of the log up to `index`. */
  at(index: number): Configuration {
    let place = this.indexes.length - 1;
    while (place > 0 && this.indexes[place]! > index) {
      place--;
    }
    return this.values[place]!;
  }
}
