/** What peers say to each other, as plain data; transports only carry it. */
import { type RecordId } from './key.js';
import { type KvRecord, type RecordHeader } from './record.js';
import { type WriteLevel } from './consistency.js';
import { type RequestId } from './request-window.js';
import { type Version } from './version.js';

export const WRITE_KINDS = ['addOrUpdate', 'remove', 'touch', 'read'] as const;

/** A write as the caller asked for it, forwarded to the node that coordinates it. */
export interface WriteOperation {
  /**
   * `touch` gives a value another lifetime and `read` changes nothing: it has the order of the writes. Both, and
   * `expected`, are of strong namespaces alone.
   */
  readonly kind: (typeof WRITE_KINDS)[number];
  readonly id: RecordId;
  /** Encoded value; empty for all but `addOrUpdate`. */
  readonly value: Uint8Array;
  /** Lifetime in milliseconds from the moment of writing; 0 is for ever. */
  readonly ttlMs: number;
  readonly level: WriteLevel;
  /** The version that the key must have, '' for no value; undefined where any will do. */
  readonly expected?: Version;
  /** Of a `remove`: only a value whose expiry is at this moment or before; milliseconds since 1970. */
  readonly expiredByMs?: number;
  /** The same for every attempt at one write. */
  readonly requestId: RequestId;
}

export interface WriteResult {
  /** `conflict`: the key has not the version expected, nothing was written, and `record` is what it has. */
  readonly outcome: 'done' | 'conflict';
  /** The record as it was committed; undefined where there is none and none was made. */
  readonly record: KvRecord | undefined;
  /** Whether a reader saw a value just before. */
  readonly existed: boolean;
  /** The version that the request made, when it had taken effect before; `record` may be a later one. */
  readonly applied?: Version;
}

/** What a node accepted last in the rounds of a key. */
export interface Accepted {
  readonly ballot: Version;
  /** Its version is the ballot under which it was first proposed; proposed again, it keeps it. */
  readonly record: KvRecord;
}

/** Tells a node that the version which it accepted is committed. */
export interface Notice extends RecordId {
  readonly version: Version;
}

/** Each kind of request: what is asked and what is answered. */
export interface PeerProtocol {
  /** This node's copy. */
  get: { ask: { id: RecordId }; answer: { record: KvRecord | undefined } };
  /** This node's copy without the value. */
  getNoValue: { ask: { id: RecordId }; answer: { header: RecordHeader | undefined } };
  /**
   * Replica side of a write, of a hint, of a repair: compare and keep. The answer is what the node then holds:
   * the record itself, or a newer or merged one.
   */
  addOrUpdate: {
    ask: { partition: number; record: KvRecord };
    answer: { version: Version; newer: KvRecord | undefined };
  };
  /**
   * Coordinate this write. `visited` are the nodes it has been to, in order; `timeoutMs` is what was left when it
   * was sent; a request that arrives twice under one `requestId` is carried out once. `resolve`: another node was
   * asked before and fell silent; only find out whether it took effect.
   */
  forward: {
    ask: { operation: WriteOperation; visited: readonly string[]; timeoutMs: number; resolve: boolean };
    answer: WriteResult;
  };
  /**
   * First half of a round: take part in no lower ballot from now on, and tell what was accepted last. Refused, `seen`
   * is the highest ballot in the way.
   */
  prepare: {
    ask: { id: RecordId; ballot: Version };
    answer: { granted: boolean; seen: Version; accepted: Accepted | undefined };
  };
  /**
   * Second half: accept the record under this ballot, and promise `next`, the sender's next ballot for the key.
   * `settled` are notices of earlier rounds that ride along.
   */
  accept: {
    ask: { partition: number; ballot: Version; record: KvRecord; next: Version; settled: readonly Notice[] };
    answer: { accepted: boolean; seen: Version };
  };
  /** What was accepted last, without taking part in a round: '' for nothing. */
  inspect: {
    ask: { id: RecordId; noValue: boolean };
    answer: { ballot: Version; version: Version; record: KvRecord | undefined };
  };
  /** At most NOTICES_MAX. */
  settle: { ask: { notices: readonly Notice[] }; answer: Record<never, never> };
  /** The roots of the hash trees of some partitions, at most ROOTS_MAX: equal roots, equal content. */
  getRoots: { ask: { partitions: readonly number[] }; answer: { roots: readonly string[] } };
  /** The bucket digests of a partition's hash tree, and its floor: '' for none. */
  getTree: { ask: { partition: number }; answer: { digests: readonly string[]; floor: Version } };
  /**
   * Asks whether tombstones up to `floor` may be forgotten: from now on this node takes part in no ballot and stamps no
   * version up to it; the answer is the root of what it holds up to it, '' for "not now". With `agreed`, all nodes have
   * given this root, and a node that did so in this life raises its floor.
   */
  confirmFloor: { ask: { partition: number; floor: Version; agreed?: string }; answer: { root: string } };
  /** All headers of one bucket, in pages: `after` is the last key of the page before. */
  getHeaders: {
    ask: { partition: number; bucket: number; after?: { namespace: string; key: string } };
    answer: { headers: readonly RecordHeader[]; done: boolean };
  };
  /** Heartbeat. */
  ping: { ask: Record<never, never>; answer: { ready: boolean; caughtUp: boolean } };
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
export const NOTICES_MAX = 100;

export const PEER_REQUEST_KINDS = [
  'get',
  'getNoValue',
  'addOrUpdate',
  'forward',
  'prepare',
  'accept',
  'inspect',
  'settle',
  'getRoots',
  'getTree',
  'confirmFloor',
  'getHeaders',
  'ping',
] as const satisfies readonly PeerRequestKind[];
