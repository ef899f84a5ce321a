/** With what a group's Raft member begins: with what was found, as another member, in another generation. */
import { type Configuration, type LogEntry, NO_CONFIGURATION } from '../model/raft-messages.js';
import { type RaftGroup, type RaftState } from '../raft/raft-group.js';
import { type StoredPosition } from './stored-group.js';

/** Up to which entry the records show the group. */
export interface AppliedUpTo {
  readonly applied: number;
  readonly appliedTerm: number;
  readonly configuration: Configuration;
}

/** What is committed of a group that this node is no part of any more. */
export interface LeftBehind {
  readonly index: number;
  readonly term: number;
  readonly configuration: Configuration;
}

/** Of a member that has nothing. */
export const NO_STATE: RaftState = Object.freeze({
  term: 0,
  vote: '',
  snapshotIndex: 0,
  snapshotTerm: 0,
  configuration: NO_CONFIGURATION,
  commit: 0,
  entries: [],
});

/** Of what a start found. */
export function stateFound(
  { applied, appliedTerm, hardState, log, isAnew }: StoredPosition,
  configuration: Configuration,
): RaftState {
  return {
    term: Math.max(hardState?.term ?? 0, appliedTerm),
    vote: hardState?.vote ?? '',
    snapshotIndex: log.index,
    snapshotTerm: log.term,
    configuration,
    commit: applied,
    entries: log.entries,
    durableIndex: isAnew ? applied : undefined,
    isAnew,
  };
}

/**
 * Log and records as they are, without the vote: it was another member's. Also what is not known to be committed, since
 * others may have counted it, and forget it, too.
 */
export function stateAgain(raft: RaftGroup, { applied, appliedTerm, configuration }: AppliedUpTo): RaftState {
  // Not where a snapshot was taken over and the log has not begun anew behind it yet.
  const leadsUp = raft.termAt(applied) === appliedTerm;
  const before = leadsUp ? raft.firstIndex - 1 : applied;
  return {
    term: raft.term,
    vote: '',
    snapshotIndex: before,
    snapshotTerm: leadsUp ? (raft.termAt(before) ?? 0) : appliedTerm,
    configuration,
    commit: applied,
    entries: leadsUp ? raft.tailFrom(raft.firstIndex) : [],
    durableIndex: leadsUp ? raft.durableIndex : applied,
    // Else what was there before the snapshot would be taken for what leads up to the entries behind it.
    isAnew: !leadsUp || raft.isResetUnproven,
  };
}

/** A log that begins anew behind the records, with all of the tail and `last`, to be written again (rule 13). */
export function stateAnew(
  raft: RaftGroup,
  { applied, appliedTerm, configuration }: AppliedUpTo,
  last: LogEntry,
): RaftState {
  return {
    term: last.term,
    vote: '',
    snapshotIndex: applied,
    snapshotTerm: appliedTerm,
    configuration,
    // It is the only voter: all of it counts, and an append that fails must take nothing of it away.
    commit: last.index,
    entries: [...raft.tailFrom(applied + 1), last],
    durableIndex: applied,
    isAnew: true,
  };
}
