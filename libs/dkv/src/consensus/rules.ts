/** The acceptor's rules of one key's rounds, as pure functions: what to store and what to answer. */
import { type Accepted } from '../model/peer-protocol.js';
import { type KvRecord } from '../model/record.js';
import { NO_VERSION, type Version } from '../model/version.js';
import { type KeyRound, type RoundChange } from '../ports/local-kv-repo.js';

/** Ballots are versions: one order for both, and none is ever used twice. */
export type Ballot = Version;

export interface Step<A> {
  /** To be durable before the answer leaves; undefined where nothing changes. */
  readonly change: RoundChange | undefined;
  readonly answer: A;
}

export interface Promised {
  readonly granted: boolean;
  /** Refused: the highest ballot in the way. */
  readonly seen: Ballot;
  readonly accepted: Accepted | undefined;
}

export interface Vote {
  readonly accepted: boolean;
  /** Refused: the highest ballot in the way. */
  readonly seen: Ballot;
}

/**
 * CASPaxos (Rystsov, CASPaxos: Replicated State Machines without logs, 2018, section 2.2): a register per key, single
 * decree Paxos with a value that changes from ballot to ballot. A promise is granted only above every ballot promised
 * or accepted before, and above the floor of the partition.
 */
export function prepare(round: KeyRound, ballot: Ballot): Step<Promised> {
  const seen = highest(round.promised, round.accepted?.ballot, round.floor);
  return ballot > seen
    ? { change: { promised: ballot }, answer: { granted: true, seen, accepted: round.accepted } }
    : { change: undefined, answer: { granted: false, seen, accepted: undefined } };
}

/**
 * Accepts under a ballot not lower than any promise, and above every ballot accepted. `next` is promised with it, so
 * that the same proposer needs no prepare for its next write of the key (section 2.2.1 of the paper). What was accepted
 * under this very ballot is acknowledged again: one ballot carries one record.
 */
export function accept(round: KeyRound, ballot: Ballot, record: KvRecord, next: Ballot): Step<Vote> {
  const { promised, floor } = round;
  const before = round.accepted?.ballot ?? NO_VERSION;
  if (ballot === before && record.checksum === round.accepted?.record.checksum) {
    return {
      change: next > promised ? { promised: next } : undefined,
      answer: { accepted: true, seen: promised },
    };
  }
  // A record older than the committed one was passed over by it: nothing is ever decided upon it again.
  const outdated = record.version < (round.committed?.version ?? NO_VERSION);
  if (ballot < promised || ballot <= before || ballot <= floor || outdated) {
    return { change: undefined, answer: { accepted: false, seen: highest(promised, before, floor) } };
  }
  return {
    change: { promised: highest(promised, ballot, next), accepted: { ballot, record } },
    answer: { accepted: true, seen: promised },
  };
}

/**
 * Takes over a record that is known to be committed; `ballot` is one that it was decided under, as far as known. Where
 * this node accepted nothing as high, it stands as accepted under that ballot: it adds nothing to what rounds find,
 * since every majority has the record, or one made of it, under a ballot at least as high.
 */
export function learn(
  round: KeyRound,
  record: KvRecord,
  ballot: Ballot = record.version,
): RoundChange | undefined {
  if (!round.committed && record.version <= round.floor) {
    // Every node has held and forgotten what this key had up to the floor.
    return undefined;
  }
  const { accepted, promised } = round;
  const newer = record.version > (round.committed?.version ?? NO_VERSION);
  const higher = ballot > (accepted?.ballot ?? NO_VERSION);
  if (accepted && !higher && accepted.record.version < record.version) {
    // Proposed again by one who had not seen what passed it over, it can never have been decided under that ballot, and
    // must not be found once its tombstone is forgotten. The ballot itself stays promised.
    return {
      ...(newer && { committed: record }),
      promised: highest(promised, accepted.ballot),
      accepted: { ballot, record },
    };
  }
  return newer || higher
    ? { ...(newer && { committed: record }), ...(higher && { accepted: { ballot, record } }) }
    : undefined;
}

export function highest(...ballots: readonly (Ballot | undefined)[]): Ballot {
  let high = NO_VERSION;
  for (const ballot of ballots) {
    if (ballot !== undefined && ballot > high) {
      high = ballot;
    }
  }
  return high;
}
