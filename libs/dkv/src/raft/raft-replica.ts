/** This member's copy of a group's log: what it holds, what of it is committed, and who votes by it. */
import { type Configuration, type LogEntry, type RaftMessage } from '../model/raft-messages.js';
import { decodeConfiguration } from './configuration-layout.js';
import { RaftConfigurations } from './raft-configurations.js';
import { RaftLog } from './raft-log.js';

/** What was on the disk of a member. */
export interface RaftReplicaState {
  readonly snapshotIndex: number;
  readonly snapshotTerm: number;
  readonly configuration: Configuration;
  readonly commit: number;
  readonly entries: readonly LogEntry[];
  /** Entries behind it are not on the disk, and are given out to be written. Default: all are. */
  readonly durableIndex?: number;
  /** The log on the disk begins anew at `snapshotIndex`, which is given out to be written. Default: it is as it was. */
  readonly isAnew?: boolean;
}

type Append = RaftMessage & { readonly type: 'append' };

/** Answers of {@link RaftReplica.receive}: the logs part before the message; the message is of no use. */
export const REJECTED = -1;
export const IGNORED = -2;

export class RaftReplica {
  readonly log: RaftLog;
  readonly configurations: RaftConfigurations;
  commit: number;
  /** What the state machine shows: nothing at or before it is needed for applying. */
  applied: number;
  /** Every member has the log up to here, as its leader said last. */
  matchedByAll = 0;
  /** The log begins anew here and that has not been given out to be written. */
  pendingReset: { readonly index: number; readonly term: number } | undefined;
  /** The last reset until something behind it is known to be durable: a failed append may have taken it along. */
  private unprovenReset: { readonly index: number; readonly term: number } | undefined;

  constructor(state: RaftReplicaState) {
    this.log = new RaftLog(state.snapshotIndex, state.snapshotTerm);
    this.configurations = new RaftConfigurations(state.snapshotIndex, state.configuration);
    for (const entry of state.entries) {
      this.append(entry);
    }
    this.log.durableIndex = state.durableIndex ?? this.log.lastIndex;
    this.log.handedOutIndex = this.log.durableIndex;
    if (state.commit < state.snapshotIndex || state.commit > this.log.lastIndex) {
      throw new RangeError(
        `A log from ${state.snapshotIndex} to ${this.log.lastIndex} cannot be committed up to ${state.commit}.`,
      );
    }
    this.commit = state.commit;
    this.applied = state.commit;
    if (state.isAnew) {
      this.beginAnew(state.snapshotIndex, state.snapshotTerm);
    }
  }

  /** Whether the log on the disk may still be the one before the last reset. */
  get isResetUnproven(): boolean {
    return this.pendingReset !== undefined || this.unprovenReset !== undefined;
  }

  append(entry: LogEntry): void {
    // Decoded first: what cannot be read must not be in the log.
    const configuration = entry.kind === 'configuration' ? decodeConfiguration(entry.data) : undefined;
    this.log.append(entry);
    if (configuration) {
      this.configurations.add(entry.index, configuration);
    }
  }

  /**
   * Takes what a leader sent (5.3). Gives the index up to which this log equals the leader's, {@link REJECTED} or
   * {@link IGNORED}. Only a conflict truncates: a late message with fewer entries takes away nothing.
   */
  receive({ prevIndex, prevTerm, commit, matchedByAll, entries }: Append): number {
    const { log } = this;
    const lastIndex = prevIndex + entries.length;
    // What is before the snapshot can no longer be compared; its last entry can, if the message reaches so far.
    const first = Math.max(0, log.snapshotIndex - prevIndex);
    if (first > 0) {
      if (lastIndex < log.snapshotIndex) {
        return REJECTED;
      }
      if (entries[first - 1]!.term !== log.snapshotTerm) {
        return IGNORED;
      }
    } else if (!this.isConsistent(prevIndex, prevTerm)) {
      return REJECTED;
    }
    for (let offset = first; offset < entries.length; offset++) {
      const entry = entries[offset]!;
      if (entry.index !== prevIndex + 1 + offset) {
        return IGNORED;
      }
      const term = log.termAt(entry.index);
      if (term === entry.term) {
        continue;
      }
      if (term !== undefined && !this.makeRoom(entry.index)) {
        return IGNORED;
      }
      this.append(entry);
    }
    this.commitTo(Math.min(commit, lastIndex));
    this.matchedByAll = matchedByAll;
    return lastIndex;
  }

  /** The consistency check of an append (5.3): by it, equal entries have equal logs before them. */
  protected isConsistent(prevIndex: number, prevTerm: number): boolean {
    return this.log.termAt(prevIndex) === prevTerm;
  }

  /** Drops the entries from `index` on, which another leader has others for; false when that must not be. */
  private makeRoom(index: number): boolean {
    if (!this.mayTruncate(index)) {
      return false;
    }
    this.truncate(index);
    return true;
  }

  /**
   * Never what is committed. Nor what is just being written: the leader asks again, and the end of that append can
   * then not be taken for the end of a later one ({@link RaftLog.isUnderWay}).
   */
  protected mayTruncate(index: number): boolean {
    return index > this.commit && !this.log.isUnderWay(index);
  }

  private truncate(index: number): void {
    this.log.truncate(index);
    this.configurations.truncate(index);
  }

  /** For a rejection: this log may equal the leader's at most up to here. */
  hintFor(prevIndex: number, prevTerm: number): number {
    const { log } = this;
    return prevIndex < log.snapshotIndex ? log.snapshotIndex : log.lastOfTerm(prevIndex, prevTerm);
  }

  /** The commit index never falls. */
  commitTo(index: number): void {
    this.commit = Math.max(this.commit, Math.min(index, this.log.lastIndex));
  }

  /** An append ended; true when that tells something new about the log. */
  appended(term: number, index: number): boolean {
    if (index === this.unprovenReset?.index) {
      this.unprovenReset = undefined;
    }
    if (!this.log.countsAsDurable(term, index)) {
      return false;
    }
    this.log.durableIndex = index;
    this.unprovenReset = undefined;
    return true;
  }

  /**
   * An append failed, and with it all that was given out and has not ended. What is committed stays, since others have
   * it, and is given out once more; the rest was never promised to anybody.
   */
  appendFailed(): void {
    const { log } = this;
    const kept = Math.max(log.durableIndex, this.commit);
    if (kept < log.lastIndex) {
      this.truncate(kept + 1);
    }
    log.handedOutIndex = log.durableIndex;
    this.pendingReset ??= this.unprovenReset;
  }

  /** Forgets entries up to `index`, at most those that are applied and durable, unless they are fewer than `least`. */
  compact(index: number, least = 1): void {
    const upTo = Math.min(index, this.applied, this.log.durableIndex);
    if (upTo >= this.log.snapshotIndex + least) {
      this.log.compact(upTo);
      this.configurations.compact(upTo);
    }
  }

  /** A snapshot is in place of what was before; false when this log was as far already. */
  restore(index: number, term: number, configuration: Configuration): boolean {
    if (index <= this.commit) {
      return false;
    }
    this.applied = index;
    this.commit = index;
    if (this.log.termAt(index) === term) {
      // The log leads up to the snapshot and beyond it: it stays (7).
      return true;
    }
    this.log.reset(index, term);
    this.configurations.reset(index, configuration);
    this.beginAnew(index, term);
    return true;
  }

  private beginAnew(index: number, term: number): void {
    this.pendingReset = { index, term };
    this.unprovenReset = this.pendingReset;
  }
}
