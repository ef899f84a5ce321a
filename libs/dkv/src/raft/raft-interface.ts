/** What a group is given and what it gives: options, the state from the disk, and what to write and send. */
import {
  type AddressedMessage,
  type Configuration,
  type LogEntry,
  type MemberId,
} from '../model/raft-messages.js';
import { type Random } from '../ports/random.js';
import { type LeadershipOptions } from './raft-leadership.js';
import { type RaftReplicaState } from './raft-replica.js';

export interface RaftGroupOptions extends LeadershipOptions {
  readonly self: MemberId;
  readonly random: Random;
  /** A follower without leader, or a candidate, waits from so many ticks to twice as many. */
  readonly electionTicks: number;
  /** A leader asks a member again that has acknowledged nothing of what is outstanding for so long. */
  readonly resendTicks: number;
  /** Of the entries in one message; one entry always fits. */
  readonly appendBytesMax: number;
  /** Of entries that a member has been sent and has not acknowledged. */
  readonly inflightBytesMax: number;
  /**
   * Whether the member's node has come back as another incarnation: it will never vote or acknowledge again. Default:
   * nobody's has.
   */
  readonly isGone?: (member: MemberId) => boolean;
  /**
   * Whether a lease that this member granted keeps it from helping `candidate` into office, itself included. `isTransfer`: at
   * the wish of the leader before it. Default: never.
   */
  readonly isHeldBack?: (candidate: MemberId, isTransfer: boolean) => boolean;
}

/** What was on the disk: the log begins behind `snapshotIndex`, at which `configuration` counted. */
export interface RaftState extends RaftReplicaState {
  readonly term: number;
  /** Empty where it has not voted in this term. */
  readonly vote: MemberId;
  readonly snapshotIndex: number;
  readonly snapshotTerm: number;
  readonly configuration: Configuration;
  /** Known as committed, at least: what the checkpoint has applied. Not below `snapshotIndex`. */
  readonly commit: number;
  readonly entries: readonly LogEntry[];
}

export interface RaftOutput {
  /** To be durable before `durableMessages` leave. */
  readonly hardState: { readonly term: number; readonly vote: MemberId } | undefined;
  /** To append, in order; the first may overwrite, and then voids all that follow it on the disk. */
  readonly entries: readonly LogEntry[];
  /** The log begins anew behind this; comes before `entries`. */
  readonly reset: { readonly index: number; readonly term: number } | undefined;
  /** May leave at once. */
  readonly messages: readonly AddressedMessage[];
  /** May leave once this output and all before it are durable; never, when one of them failed. */
  readonly durableMessages: readonly AddressedMessage[];
  /** This member must fetch a snapshot, at (index, term) or later; told again for as long as it is missing. */
  readonly snapshotFrom:
    { readonly member: MemberId; readonly index: number; readonly term: number } | undefined;
}

export const NO_MESSAGES: readonly AddressedMessage[] = [];
const NO_ENTRIES: readonly LogEntry[] = [];

export function emptyOutput(): RaftOutput {
  return {
    hardState: undefined,
    entries: NO_ENTRIES,
    reset: undefined,
    messages: NO_MESSAGES,
    durableMessages: NO_MESSAGES,
    snapshotFrom: undefined,
  };
}
