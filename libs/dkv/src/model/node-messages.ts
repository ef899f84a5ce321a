/** The one-way messages between nodes that the strong mode and the failure detector are made of, as plain data. */
import { type DkvErrorCode } from '../dkv.errors.js';
import { type CopiedPlace } from './membership.js';
import { type ClusterNode } from './node.js';
import { type Configuration, type MemberId, type RaftMessage } from './raft-messages.js';
import { type KeyedRecord, type PageMark, type StrongRecord } from './strong-record.js';
import { type Request } from './request.js';
import { type StrongWrite } from './strong-operations.js';

/** A group, and the term in which its sender leads it. */
export interface LedGroup {
  readonly group: number;
  readonly term: number;
}

/** The groups that a request to confirm a leadership names. */
export interface ConfirmedGroup extends LedGroup {
  readonly generation: number;
}

/** Who votes in groups that have no entry yet. */
export interface FirstMembers {
  /** One of each node; empty where that is not known. */
  readonly members: readonly MemberId[];
  /** For each partition, class by class, and for a cluster last for the group that keeps the configuration: the places of its nodes in `members`. */
  readonly lists: readonly (readonly number[])[];
}

/** What a cluster is made of. */
export interface FirstCluster extends FirstMembers {
  /** The first that is agreed on, as it is kept. */
  readonly configuration: string;
}

export interface ArrivedGroup {
  readonly group: number;
  readonly epoch: number;
}

export interface GroupBytes {
  readonly group: number;
  readonly bytes: number;
}

/** What a node counts of its part in moves. */
export interface CopyingMessage {
  readonly kind: 'copying';
  /** Of records, since its process began. */
  readonly receivedBytes: number;
  /** Of the groups that it leads and that wait for their turn: to be copied. */
  readonly waitingBytes: number;
  /** Of the groups that it leads and that move: of one copy. */
  readonly sizes: readonly GroupBytes[];
  /** Of the groups that move to it. */
  readonly copied: readonly GroupBytes[];
}

/** A place in the history of a group's log. Generation 0 is before all of it. */
export interface LogPosition {
  readonly generation: number;
  readonly index: number;
}

/** What a caller's node asks the leader of a group, or for a read at level `one` any node that holds a copy. */
export type Ask =
  | {
      readonly type: 'write';
      readonly request: Request;
      readonly write: Omit<StrongWrite, 'timeoutMs' | 'signal'>;
    }
  /** Sees to it that a request takes no effect any more, unless it has; answered with what became of it. */
  | { readonly type: 'cancel'; readonly request: Request; readonly namespace: string; readonly key: string }
  | {
      readonly type: 'read';
      readonly namespace: string;
      readonly key: string;
      readonly linearizable: boolean;
      /** The copy must show this of the group's log at least: what the asking node was told of before. */
      readonly floor: LogPosition;
    };

export type Answer =
  /** Of a read or a write. `generation` and `index` are of the log which the answer rests on: the asking node's floor from now on. */
  | {
      readonly type: 'done';
      readonly outcome: 'done' | 'conflict';
      readonly record: StrongRecord | undefined;
      readonly existed: boolean;
      readonly repeated: boolean;
      readonly generation: number;
      readonly index: number;
      /** An entry of the log says so: no other copy of the question can come to another end. */
      readonly isLogged: boolean;
      /** The value of the record is the one that the caller gave: it is not sent back. */
      readonly isOwnValue: boolean;
    }
  /** The request was cancelled: it never takes effect. What it did in an older generation, if anything, is lost. */
  | { readonly type: 'cancelled'; readonly generation: number; readonly index: number }
  /**
   * What became of the request is not known here: ask again under its name, the node `leader` if one is known ('' if
   * not). `session` is told, 0 else, where a later process run of the asking node is known to the group.
   */
  | { readonly type: 'retry'; readonly leader: string; readonly session: number }
  /** Nothing was done and nothing will be. */
  | { readonly type: 'refused'; readonly code: DkvErrorCode; readonly message: string };

/** What a member has of a group that nobody may lead, for who looks whether it can go on (rule 13). */
export interface GroupReport {
  readonly generation: number;
  /** Whether it knows a leader. */
  readonly isLed: boolean;
  readonly term: number;
  readonly lastTerm: number;
  readonly lastIndex: number;
  /** Whether others may take the group from it: its records and its log are all there. */
  readonly isWhole: boolean;
  /** The newest that it knows. */
  readonly configuration: Configuration;
  /** Of the folder: the one that it has, and those before. */
  readonly incarnations: readonly string[];
  /** Its node keeps nothing on a disk: a restart is no loss that an operator could undo. */
  readonly isVolatile: boolean;
  /** The highest generation that its node ever promised; 0 for none. */
  readonly promised: number;
  /** Whether the generation that was asked for is promised, durably, and holds. */
  readonly holds: boolean;
}

export type NodeMessage =
  | {
      readonly kind: 'heartbeat';
      /** The sender's wall clock, milliseconds since 1970. */
      readonly sentAtMs: number;
      /** The sender's monotonic clock, whole milliseconds, from 1; the newest of the receiver's that came, 0 for none, and how long ago. */
      readonly stampMs: number;
      readonly echoMs: number;
      readonly echoAgeMs: number;
      /** '' as long as the sender belongs to no cluster: its folder is new. */
      readonly clusterId: string;
      /** Of the newest configuration that the sender knows, durably; 0 as long as it is not agreed on. */
      readonly epoch: number;
      /** Over all that a configuration which is not agreed on would place keys by; '' for one that is. */
      readonly fingerprint: string;
      /** Up to which the sender's log is durable. */
      readonly durablePosition: number;
      /**
       * The highest durable position that the sender was told of the receiver's incarnation by process runs before
       * `lastSession`, and by that one; 0 for none.
       */
      readonly rememberedPosition: number;
      readonly lastPosition: number;
      readonly lastSession: number;
      /** Of which that is. */
      readonly rememberedIncarnation: string;
      /** Whether the sender can lead: writable, disk answering, clock right, not stopping. */
      readonly isFit: boolean;
      /** Whether reads at level `one` may be asked of it. */
      readonly isReady: boolean;
      /** Whether the sender's log takes entries: without, it acknowledges nothing. */
      readonly isWritable: boolean;
      /** Changes with the lists of groups that the sender leads and finds without a quorum. */
      readonly ledNumber: number;
      /** Frames of the receiver's process run that never came, as the numbers of those that did tell. */
      readonly missedFrames: number;
    }
  /** The last that a process run says: it stops in order. */
  | { readonly kind: 'goodbye' }
  | { readonly kind: 'askLed' }
  | {
      readonly kind: 'led';
      readonly number: number;
      readonly groups: readonly LedGroup[];
      /** Groups of the sender that take no writes, since too few of their voters are there. */
      readonly withoutQuorum: readonly number[];
    }
  | {
      readonly kind: 'raft';
      readonly group: number;
      readonly generation: number;
      readonly message: RaftMessage;
    }
  | { readonly kind: 'ask'; readonly slot: number; readonly group: number; readonly ask: Ask }
  | { readonly kind: 'answer'; readonly slot: number; readonly answer: Answer }
  | { readonly kind: 'confirm'; readonly round: number; readonly groups: readonly ConfirmedGroup[] }
  /** The receiver of the question follows it in all groups named but these. */
  | { readonly kind: 'confirmed'; readonly round: number; readonly exceptions: readonly number[] }
  | {
      readonly kind: 'fetch';
      readonly slot: number;
      readonly group: number;
      readonly generation: number;
      /** Behind which the sender's log begins, all of it committed: where nobody leads, the receiver may not know that. */
      readonly logStart: { readonly index: number; readonly term: number };
      readonly after: PageMark | undefined;
    }
  | {
      readonly kind: 'page';
      readonly slot: number;
      /** Undefined: the sender cannot serve it now. */
      readonly page:
        | {
            /** As of which the first page's scan began; the group's state at that index, on the first page alone. */
            readonly index: number;
            readonly state: Uint8Array;
            /** The sender had applied so much when it read this page. */
            readonly readAtIndex: number;
            readonly records: readonly KeyedRecord[];
            readonly done: boolean;
          }
        /** It waits for its turn there, and is to be asked for again: the sender's rate is bounded. */
        | 'later'
        | undefined;
    }
  /** Makes of new folders a cluster: the first incarnation of every node. */
  | (FirstCluster & {
      readonly kind: 'birth';
      readonly clusterId: string;
      /** The classes of which there are groups from the beginning. */
      readonly classes: readonly number[];
    })
  /** Of a proposal: accepted; to be given up, since a lower node wants one of its nodes; given up by the node that made it; born. */
  | {
      readonly kind: 'birthAccepted' | 'birthContested' | 'birthWithdrawn' | 'born';
      readonly clusterId: string;
    }
  /**
   * Makes the groups of a class that the cluster had not when it was born. `members`, `lists`, `isBorn`: what the sender
   * has noted of them, or proposes.
   */
  | (FirstMembers & {
      readonly kind: 'class';
      readonly placement: number;
      readonly intent: 'ask' | 'propose' | 'tell';
      readonly isBorn: boolean;
    })
  /** The sender listens there, in case the receiver does not know it as a member. */
  | {
      readonly kind: 'guest';
      readonly node: ClusterNode;
      /** The epoch of the configuration in which it would like to be a member, and is none; 0 where it does not wish so. */
      readonly wishes: number;
    }
  | { readonly kind: 'askConfiguration' }
  | CopyingMessage
  /** The newest that the sender knows, as it is kept. */
  | { readonly kind: 'configuration'; readonly text: string }
  /** Groups that the sender leads, and that are where they were to be; by a configuration of that epoch, which is committed. */
  | { readonly kind: 'arrived'; readonly groups: readonly ArrivedGroup[] }
  /**
   * Places whose eventual records the sender has copied, by the epochs of the stages of their moves; and the epoch by which it has
   * nothing left of partitions that are on other nodes, and none of its own, 0 where that is not so.
   */
  | { readonly kind: 'copied'; readonly places: readonly CopiedPlace[]; readonly emptyAt: number }
  /** The sender has a copy of the group, and is not on its list: whether its leader can do without. */
  | { readonly kind: 'mayGiveUp'; readonly group: number; readonly generation: number }
  /** It can: this is committed, and the receiver is no part of it. */
  | {
      readonly kind: 'giveUp';
      readonly group: number;
      readonly generation: number;
      readonly index: number;
      readonly term: number;
      readonly configuration: Configuration;
    }
  /**
   * Asks what the receiver has of a group; and, where `generation` is not 0, for its promise to take part in nothing of an
   * older generation.
   */
  | { readonly kind: 'recoverAsk'; readonly group: number; readonly generation: number }
  | {
      readonly kind: 'recoverReport';
      readonly group: number;
      /** That was asked for. */
      readonly generation: number;
      readonly report: GroupReport;
    }
  /** All have promised the generation: it begins with what the receiver has. */
  | {
      readonly kind: 'recoverBegin';
      readonly group: number;
      readonly generation: number;
      /** Above all that were reported. */
      readonly term: number;
      /** Those that have promised. */
      readonly members: readonly MemberId[];
    };

type MessageOfGroup = Extract<NodeMessage, { kind: 'raft' }>;

/** For messages of groups, which are most: filled in for each of them in turn, and kept by nobody. */
export function lentMessage(): { -readonly [K in keyof MessageOfGroup]: MessageOfGroup[K] } {
  return { kind: 'raft', group: 0, generation: 0, message: { type: 'timeoutNow', term: 0 } };
}

/**
 * What every frame begins with. A frame counts for one pair of process runs, once and in order: whatever a transport
 * repeats, or brings late to a node that has started again, is dropped.
 */
export interface FrameHead {
  readonly from: MemberId;
  /** The process run of the sender. */
  readonly session: number;
  /** The incarnation that the frame is for; '' where the sender does not know it. */
  readonly toIncarnation: string;
  /** The process run that it is for; 0 where the sender does not know it. */
  readonly toSession: number;
  readonly isBulk: boolean;
  /** Counts the sender's frames for the receiver on this lane, from 1: who misses one can tell. */
  readonly sequence: number;
  /** Fingerprint of the sender's members, partitions and replicas. */
  readonly configuration: string;
}
