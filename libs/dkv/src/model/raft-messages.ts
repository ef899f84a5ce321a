/** What the members of one group say to each other, as plain data: Raft's messages, without group or generation. */

/**
 * A voter or learner: a node id and the incarnation of its data folder, `nodeId@incarnation`. A node that may have
 * forgotten what it acknowledged comes back under a new incarnation, so it is another member.
 */
export type MemberId = string;

/** The node of a member. */
export function nodeOf(member: MemberId): string {
  return member.slice(0, member.lastIndexOf('@'));
}

/** Who votes and who only listens. Joint while `outgoing` is not empty (Ongaro's dissertation, 4.3). */
export interface Configuration {
  readonly voters: readonly MemberId[];
  /** The voters of the configuration that is being left; decisions need a majority of both. */
  readonly outgoing: readonly MemberId[];
  /** Receive the log and count for nothing. Disjoint from the voters. */
  readonly learners: readonly MemberId[];
  /** Of the cluster's configuration that it follows; absent for none. Raft itself does not look at it. */
  readonly epoch?: number;
}

/** `empty`: of a new leader (dissertation, 6.4); `operations`: the state machine's; `configuration`: read by Raft too. */
export const ENTRY_KINDS = ['empty', 'operations', 'configuration'] as const;
export type EntryKind = (typeof ENTRY_KINDS)[number];

/** Shared by the log, the messages and the state machine: nobody may change its bytes. */
export interface LogEntry {
  readonly term: number;
  readonly index: number;
  readonly kind: EntryKind;
  /** Encoded once, by the leader that made the entry. */
  readonly data: Uint8Array;
}

export type RaftMessage =
  /**
   * Entries that follow (prevIndex, prevTerm); none is a probe. `commit` is the leader's commit index; `durable` is up to where
   * the leader's own log is; `matchedByAll` is up to where every member has the log durably: who comes later gets a snapshot.
   */
  | {
      readonly type: 'append';
      readonly term: number;
      readonly prevIndex: number;
      readonly prevTerm: number;
      readonly commit: number;
      readonly durable: number;
      readonly matchedByAll: number;
      readonly entries: readonly LogEntry[];
    }
  /** The sender's log equals the leader's up to `index`, durably. */
  | { readonly type: 'appended'; readonly term: number; readonly index: number }
  /**
   * The sender has no entry (prevIndex, prevTerm). Its log may equal the leader's at most up to `hintIndex`, where its
   * own entry has the term `hintTerm` (dissertation, 5.3, the fast back-up).
   */
  | {
      readonly type: 'appendRejected';
      readonly term: number;
      readonly prevIndex: number;
      readonly hintIndex: number;
      readonly hintTerm: number;
    }
  /** Tells of the leader and how far its receiver may commit: never above what that receiver is known to have. */
  | { readonly type: 'heartbeat'; readonly term: number; readonly commit: number }
  /**
   * The log before `index` is gone: the receiver must fetch the state as of (index, snapshotTerm) by other means. It
   * answers `appended` once it has.
   */
  | {
      readonly type: 'snapshot';
      readonly term: number;
      readonly index: number;
      readonly snapshotTerm: number;
    }
  /** `term` is the one that an election would have (dissertation, 9.6). */
  | {
      readonly type: 'preVote';
      readonly term: number;
      readonly lastIndex: number;
      readonly lastTerm: number;
      /** See `vote`. */
      readonly survivors?: readonly MemberId[] | undefined;
    }
  | { readonly type: 'preVoteReply'; readonly term: number; readonly granted: boolean }
  /** `transfer`: asked for by the leader itself, so having heard of it lately is no reason to refuse (3.10). */
  | {
      readonly type: 'vote';
      readonly term: number;
      readonly lastIndex: number;
      readonly lastTerm: number;
      readonly transfer: boolean;
      /**
       * A majority of the group is gone, and these voters are left: whoever of them agrees that the others are gone votes as
       * in any election. Undefined, or nobody, in others.
       */
      readonly survivors?: readonly MemberId[] | undefined;
    }
  | { readonly type: 'voteReply'; readonly term: number; readonly granted: boolean }
  /** The leader asks its receiver to campaign at once. */
  | { readonly type: 'timeoutNow'; readonly term: number };

export interface AddressedMessage {
  readonly to: MemberId;
  readonly message: RaftMessage;
}

export const NO_CONFIGURATION: Configuration = Object.freeze({ voters: [], outgoing: [], learners: [] });
