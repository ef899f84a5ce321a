/** What peers say to each other, as plain data; transports only carry it. */
import { type GroupPosition, type RecordSummary } from './cluster-report.js';
import { type RecordId } from './key.js';
import { type KvRecord, type RecordHeader } from './record.js';
import { type WriteLevel } from './consistency.js';
import { type RequestId } from './request-id.js';
import { type Version } from './version.js';

export const WRITE_KINDS = ['addOrUpdate', 'remove'] as const;

/** A write of an eventual namespace as the caller asked for it, forwarded to the node that coordinates it. */
export interface WriteOperation {
  readonly kind: (typeof WRITE_KINDS)[number];
  readonly id: RecordId;
  /** Encoded value; empty for a `remove`. */
  readonly value: Uint8Array;
  /** Lifetime in milliseconds from the moment of writing; 0 is for ever. */
  readonly ttlMs: number;
  readonly level: WriteLevel;
  /** Of a `remove`: only a value whose expiry is at this moment or before; milliseconds since 1970. */
  readonly expiredByMs?: number;
  /** The same for every attempt at one write. */
  readonly requestId: RequestId;
}

export interface WriteResult {
  /** The record as it was committed; undefined where there is none and none was made. */
  readonly record: KvRecord | undefined;
  /** Whether a reader saw a value just before. */
  readonly existed: boolean;
}

/** A copy of a group of strong namespaces, as its own node sees it, for an operator. */
export interface GroupStatus extends GroupPosition {
  readonly group: number;
  /** Node id; '' where it knows none. */
  readonly leader: string;
  /** Node ids, of the newest configuration that it knows. */
  readonly voters: readonly string[];
  readonly outgoing: readonly string[];
  readonly learners: readonly string[];
}

/** What a node has of a key, for an operator. */
export interface KeyStatus {
  /** Absent for eventual namespaces. */
  readonly group?: GroupPosition;
  /** Absent where there is none. */
  readonly record?: RecordSummary;
  /** Of all hints that it keeps for others; absent for strong namespaces. */
  readonly hintBytes?: number;
}

/**
 * How far handing on a leadership has come. `leads`: the node that was asked is the one that is to lead, and does. `begun`: it
 * leads, and has asked that node to take over. `elsewhere`: it does not lead.
 */
export const TRANSFER_STATES = ['leads', 'begun', 'elsewhere'] as const;
export type TransferState = (typeof TRANSFER_STATES)[number];

/** Each kind of request: what is asked and what is answered. */
export interface PeerProtocol {
  /**
   * This node's copy. `epoch`: of the configuration by which the asker counts copies. Without it the copy is not counted, only
   * repaired from, and is told whoever's partition it is.
   */
  get: { ask: { id: RecordId; epoch?: number }; answer: { record: KvRecord | undefined } };
  /** This node's copy without the value. */
  getNoValue: { ask: { id: RecordId; epoch?: number }; answer: { header: RecordHeader | undefined } };
  /**
   * Replica side of a write, of a hint, of a repair: compare and keep. The answer is what the node then holds:
   * the record itself, or a newer or merged one. `epoch`: as of `get`.
   */
  addOrUpdate: {
    ask: { partition: number; record: KvRecord; epoch?: number };
    answer: { version: Version; newer: KvRecord | undefined };
  };
  /**
   * Coordinate this write. `visited` are the nodes it has been to, in order; `timeoutMs` is what was left when it
   * was sent; a request that arrives twice under one `requestId` is carried out once. `epoch`: by which the sender takes the node
   * for one that has a copy.
   */
  forward: {
    ask: { operation: WriteOperation; visited: readonly string[]; timeoutMs: number; epoch?: number };
    answer: WriteResult;
  };
  /** The roots of the hash trees of some partitions, at most ROOTS_MAX: equal roots, equal content. */
  getRoots: { ask: { partitions: readonly number[] }; answer: { roots: readonly string[] } };
  /** The bucket digests of a partition's hash tree, its floor ('' for none), and the epoch that the node goes by meanwhile. */
  getTree: {
    ask: { partition: number };
    answer: { digests: readonly string[]; floor: Version; epoch: number };
  };
  /**
   * Asks whether tombstones up to `floor` may be forgotten: from now on this node stamps no version up
   * to it; the answer is the root of what it holds up to it, '' for "not now". With `agreed`, all nodes have
   * given this root, and a node that did so since it started raises its floor.
   */
  confirmFloor: { ask: { partition: number; floor: Version; agreed?: string }; answer: { root: string } };
  /** All headers of one bucket, in pages: `after` is the last key of the page before. */
  getHeaders: {
    ask: { partition: number; bucket: number; after?: { namespace: string; key: string } };
    answer: { headers: readonly RecordHeader[]; done: boolean };
  };
  /**
   * The sender has records of a partition that is on other nodes, this one among them: what this one lacks of them it is to fetch
   * now. Whether it lacks nothing any more.
   */
  handOver: { ask: { partition: number; epoch: number }; answer: { isWhole: boolean } };
  /** The copies of groups that this node has, with numbers from `first` on and in their order, GROUPS_PER_ANSWER_MAX at most. */
  getGroups: { ask: { first: number }; answer: { groups: readonly GroupStatus[]; done: boolean } };
  /** What this node has of a key, in either mode, without its value. */
  getStatus: { ask: { id: RecordId }; answer: KeyStatus };
  /** Hands the leadership of a group to a node that votes in it, if this node has it; see {@link TransferState}. */
  transferLeadership: { ask: { group: number; nodeId: string }; answer: { state: TransferState } };
}

export type PeerRequestKind = keyof PeerProtocol;

/** Carried by every message between peers. */
export interface PeerEnvelope {
  /** The sender. */
  readonly from: string;
  /** Fingerprint of the sender's members, partitions and replicas. */
  readonly configuration: string;
  /** The sender's wall clock, milliseconds. */
  readonly sentAtMs: number;
}

export interface PeerRequest<K extends PeerRequestKind = PeerRequestKind> extends PeerEnvelope {
  readonly kind: K;
  readonly ask: PeerProtocol[K]['ask'];
}

export interface PeerReply<K extends PeerRequestKind = PeerRequestKind> extends PeerEnvelope {
  readonly kind: K;
  readonly answer: PeerProtocol[K]['answer'];
}

export const ROOTS_MAX = 64;
export const GROUPS_PER_ANSWER_MAX = 256;

export const PEER_REQUEST_KINDS = [
  'get',
  'getNoValue',
  'addOrUpdate',
  'forward',
  'getRoots',
  'getTree',
  'confirmFloor',
  'getHeaders',
  'handOver',
  'getGroups',
  'getStatus',
  'transferLeadership',
] as const satisfies readonly PeerRequestKind[];
