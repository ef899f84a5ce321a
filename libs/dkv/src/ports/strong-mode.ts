/** What serves strong namespaces, as the Processor sees it; `strong/` implements it on a Raft log per partition. */
import { type EventualCopies } from './eventual-copies.js';
import { type ShownRecord } from '../model/shown-record.js';
import { type StrongReadOptions, type StrongWrite, type StrongWritten } from '../model/strong-operations.js';
import { type Membership } from './membership.js';
import { type StrongGroups } from './strong-groups.js';

/** Of one node's votes in the groups of another. */
export interface VoterMissing {
  /** For people. */
  readonly why: string;
  readonly groups: number;
}

/** Whether groups have the votes that writes need, as one node sees it. */
export interface QuorumStatus {
  /** Own groups whose keys take no writes: too few of their voters are there. */
  readonly groupsWithoutQuorum: number;
  /** These, and the groups which the node has no member in that are known to be the same: what it refuses at once. */
  readonly groupsRefused: number;
  /** The nodes, this one included, whose votes are missing in own groups. */
  readonly votersMissing: ReadonlyMap<string, VoterMissing>;
  /** The own groups in which a vote is missing. */
  readonly lacking: ReadonlySet<number>;
}

/** Of the groups that this node is a member of, or is to be. */
export interface StrongFigures {
  /** Terms that began since this process did. */
  readonly termChanges: number;
  /** Entries that are committed, and not applied yet. */
  readonly applyLag: number;
  /** Of records, in snapshots, since this process began. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

export const NO_STRONG_FIGURES: StrongFigures = Object.freeze({
  termChanges: 0,
  applyLag: 0,
  sentBytes: 0,
  receivedBytes: 0,
});

/**
 * Methods may be called concurrently. Errors of writes: `DKV_NOT_READY`, `DKV_QUORUM_NOT_REACHED`, `DKV_READ_ONLY`,
 * `DKV_OVERLOADED`, `DKV_NOT_APPLIED` (nothing was written); `DKV_INDETERMINATE` (it may still take effect);
 * `DKV_INVALID_ARGUMENT` of an increment whose value is no whole number or would pass 2^53 - 1. Of reads:
 * `DKV_NOT_READY`, `DKV_QUORUM_NOT_REACHED`, `DKV_TIMEOUT`, `DKV_ABORTED`, `DKV_CORRUPT_RECORD`.
 */
export interface StrongMode {
  /** Begins heartbeats, elections and background work. @param copies what others are told of this node's eventual partitions */
  start(copies: EventualCopies): void;
  /** Hands leadership away and ends the background work; resolves when what is under way is answered. */
  stop(): Promise<void>;
  /**
   * The record that a reader sees at level `one`, null for none, where this node can say so without waiting; else
   * undefined. An expired value is none.
   */
  peek(namespace: string, key: string): ShownRecord | null | undefined;
  read(namespace: string, key: string, options: StrongReadOptions): Promise<ShownRecord | undefined>;
  write(operation: StrongWrite): Promise<StrongWritten>;
  /** Takes a one-way frame of another node. A view that is good during the call alone. Must not throw. */
  receive(from: string, frame: Uint8Array): void;
  /** The live connection with a node has ended. Must not throw. */
  disconnected(nodeId: string): void;
  /** Why this node cannot serve all its groups now, for people; undefined when it can. */
  readonly unreadyReason: string | undefined;
  /** What is amiss though this node does its part, for people; undefined when all is well. */
  readonly degradedReason: string | undefined;
  /** As of the last heartbeat. */
  readonly quorums: QuorumStatus;
  /** Groups that this node leads, as it told the others last. */
  readonly groupsLed: number;
  /** Put together when it is asked for. */
  readonly figures: StrongFigures;
  /** For an operator. */
  readonly groups: StrongGroups;
  /** Who belongs to the cluster, and what moves for it: of all namespaces, the eventual ones too. */
  readonly membership: Membership;
}
