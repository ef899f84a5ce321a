/** What nodes tell an operator of the cluster and of themselves: plain data, as JSON on the peer port and in the API. */
import { type NamespaceMode } from './consistency.js';
import { type MemberCopies } from './moves-report.js';
import { type ClusterNode, type NodeState, type PeerTrouble } from './node.js';

/** One member, as the answering node sees it. */
export interface MemberReport extends MemberCopies {
  readonly nodeId: string;
  readonly host: string;
  readonly port: number;
  /** '' where none was given. */
  readonly zone: string;
  readonly weight: number;
  readonly state: NodeState;
  /** Why it is not up, or that its clock differs; absent where nothing is wrong. */
  readonly trouble?: PeerTrouble;
  /** When it came or went last, milliseconds since 1970; absent for the answering node. */
  readonly since?: number;
  /** Whether it says that it is in service; absent where it was not heard. */
  readonly ready?: boolean;
  /** Partitions of strong namespaces that it leads. */
  readonly leads: number;
  /** Partitions held, by role. */
  readonly partitions: { readonly holder: number; readonly replica: number };
  /** Partitions in which its vote is missing, of those that the answering node holds; `reason` says why, '' for none. */
  readonly votersMissing: number;
  readonly reason: string;
  /** How far its clock is ahead of the answering node's, in milliseconds; absent for that node, and where it was not heard. */
  readonly clockOffsetMs?: number;
}

/** A node that waits to be taken in, at the address under which it listens. */
export interface CandidateReport extends ClusterNode {
  readonly membership: 'candidate';
}

export interface ClusterReport {
  /** The node id of who answers. */
  readonly answeredBy: string;
  /** Of nestjs-dkv there. */
  readonly version: string;
  /** '' until the cluster is born. */
  readonly clusterId: string;
  /** Of the configuration that the answering node knows; it rises with each change of the members, and each step of a move. */
  readonly epoch: number;
  readonly partitions: number;
  /** Copies of a key beside the holder's, as many as are asked for. */
  readonly replicas: number;
  /** Copies that each partition has at least, the holder's included; of namespaces that ask for no number. */
  readonly copiesHeld: number;
  readonly hashFunc: string;
  /** Whose nodes lead while they are fit, the best first. */
  readonly preferredZones: readonly string[];
  /** `unready`: the answering node is not in service. `degraded`: it is, and something is amiss, here or elsewhere. */
  readonly health: 'ok' | 'degraded' | 'unready';
  /** Why; '' for `ok`. */
  readonly reason: string;
  readonly members: readonly MemberReport[];
  readonly candidates: readonly CandidateReport[];
  /** Own partitions that take no writes. */
  readonly partitionsWithoutQuorum: number;
  /** Own partitions of which a copy is missing. */
  readonly partitionsUnderReplicated: number;
  /** `copies`: that they ask for; there are fewer where there are fewer nodes. */
  readonly namespaces: readonly {
    readonly name: string;
    readonly mode: NamespaceMode;
    readonly copies: number;
  }[];
}

/** A learner gets the log and does not vote. */
export const GROUP_ROLES = ['leader', 'follower', 'candidate', 'learner'] as const;

/** Where one copy of a partition is in its log. */
export interface GroupPosition {
  readonly role: (typeof GROUP_ROLES)[number];
  readonly term: number;
  /** Of the last entry in its log. */
  readonly lastIndex: number;
  readonly commit: number;
  readonly applied: number;
  /** How often the group went on after it had lost the end of its log, from 1. */
  readonly generation: number;
}

/** The Raft state of one copy of a partition. */
export interface CopyOfGroup extends GroupPosition {
  readonly nodeId: string;
}

/** One group of strong namespaces. */
export interface PartitionReport {
  /** The slice of the ring. */
  readonly partition: number;
  /** The group's number, by which its leadership is handed on; the slice itself where `copies` is what the ring gives. */
  readonly group: number;
  /** Copies that its namespaces ask for: groups of fewer copies than the cluster gives are numbered apart. */
  readonly copies: number;
  /** The holder first. */
  readonly list: readonly string[];
  /** '' where none is known. */
  readonly leader: string;
  readonly takesWrites: boolean;
  /** Of the newest configuration known, by node id; `outgoing` is not empty while members change. Absent where nobody that holds it answered. */
  readonly voters?: readonly string[];
  readonly outgoing?: readonly string[];
  readonly learners?: readonly string[];
  /** One for each node that holds it and answered. */
  readonly members: readonly CopyOfGroup[];
}

/** A record as a node stores it, without its value. */
export interface RecordSummary {
  /** As callers see it. */
  readonly version: string;
  /** 8 hex digits over namespace, key, value and expiry: equal at nodes that have the same. */
  readonly digest: string;
  readonly valueBytes: number;
  /** Milliseconds since 1970; 0 for no expiry. */
  readonly expiresAtMs: number;
  readonly isTombstone: boolean;
}

/** What one node has of a key. */
export interface CopyOfKey {
  readonly nodeId: string;
  /** Why nothing is known; absent where the node answered. */
  readonly error?: string;
  /** Absent for eventual namespaces. */
  readonly group?: CopyOfGroup;
  /** Absent where there is no record. */
  readonly record?: RecordSummary;
  /** Bytes of hints that this node keeps for others; absent for strong namespaces. */
  readonly hintBytes?: number;
}

export interface Explanation {
  readonly namespace: string;
  readonly key: string;
  readonly mode: NamespaceMode;
  /** 8 hex digits, by `hashFunc`. */
  readonly hash: string;
  /** The slice of the ring. */
  readonly partition: number;
  /** The group's number; the slice itself where the namespace has as many copies as the ring gives. */
  readonly group: number;
  readonly list: readonly string[];
  /** '' where none is known, and in eventual namespaces. */
  readonly leader: string;
  readonly copies: readonly CopyOfKey[];
  /** What differs between copies that were applied equally far, for people; empty where all is well. */
  readonly findings: readonly string[];
}

/** What one node finds of itself and of its way to the others. */
export interface NodeDiagnosis {
  readonly nodeId: string;
  readonly version: string;
  /** Of Node.js. */
  readonly runtime: string;
  readonly startedAt: number;
  /** This node's wall clock when it answered, milliseconds since 1970. */
  readonly now: number;
  readonly storage: {
    /** `memory`, `rocksdb`, `rocksdb-native`, `classic-level`. */
    readonly engine: string;
    /** '' for memory. */
    readonly folder: string;
    readonly durability: string;
    /** Of the folder's disk; absent for memory and where it is not known. */
    readonly freeBytes?: number;
    readonly totalBytes?: number;
    /** Why it takes nothing; '' where it does. */
    readonly failure: string;
    readonly isDiskFull: boolean;
  };
  readonly peers: readonly {
    readonly nodeId: string;
    readonly state: NodeState;
    readonly trouble?: PeerTrouble;
    /** A question and its answer, just made, in milliseconds; absent where none came. */
    readonly roundTripMs?: number;
    readonly error?: string;
    readonly clockOffsetMs?: number;
  }[];
  /** Absent without TLS. */
  readonly certificate?: {
    readonly subject: string;
    /** Milliseconds since 1970. */
    readonly validTo: number;
  };
}
