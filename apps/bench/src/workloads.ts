/** The workloads, as a table: what is asked for, of which keys, and whom it is compared with. */
import { type KeyDistribution } from './load/key-chooser.js';

export const PEERS = ['redis', 'redis-autopipelining', 'redis-wait-1', 'redis-appendfsync-always'] as const;
export type Peer = (typeof PEERS)[number];

/** Shares of all operations; they add up to 1. */
export interface OperationMix {
  readonly read?: number;
  readonly update?: number;
  readonly insert?: number;
  readonly readModifyWrite?: number;
}

/** Which of our keys: those that the loaded node holds (with two replicas on three nodes: all), or none of them. */
export const KEY_PLACES = ['held', 'elsewhere'] as const;
export type KeyPlace = (typeof KEY_PLACES)[number];

export interface Workload {
  readonly does: string;
  readonly mix: OperationMix;
  readonly keys: KeyDistribution;
  /** How our side does it. */
  readonly place: KeyPlace;
  readonly readLevel: 'one' | 'linearizable';
  readonly durability: 'wal' | 'fsync';
  readonly peers: readonly Peer[];
}

const ONE_REDIS = ['redis', 'redis-autopipelining'] as const satisfies readonly Peer[];
const USUAL = {
  keys: 'uniform',
  place: 'held',
  readLevel: 'one',
  durability: 'wal',
  peers: ONE_REDIS,
} as const satisfies Partial<Workload>;

/** The letters are those of YCSB (Cooper et al., "Benchmarking Cloud Serving Systems with YCSB", SoCC 2010). */
export const WORKLOADS = {
  'read-held': { ...USUAL, does: 'reads of keys that the node holds', mix: { read: 1 } },
  'read-elsewhere': {
    ...USUAL,
    does: 'reads of keys that only other nodes hold',
    mix: { read: 1 },
    place: 'elsewhere',
  },
  'read-linearizable': {
    ...USUAL,
    does: 'reads that see every acknowledged write',
    mix: { read: 1 },
    readLevel: 'linearizable',
  },
  write: {
    ...USUAL,
    does: 'writes, on a majority of three nodes',
    mix: { update: 1 },
    peers: [...ONE_REDIS, 'redis-wait-1'],
  },
  'write-fsync': {
    ...USUAL,
    does: 'writes, on the disks of a majority of three nodes',
    mix: { update: 1 },
    durability: 'fsync',
    peers: ['redis-appendfsync-always'],
  },
  'ycsb-a': { ...USUAL, does: '50 % reads, 50 % updates', mix: { read: 0.5, update: 0.5 }, keys: 'zipfian' },
  'ycsb-b': { ...USUAL, does: '95 % reads, 5 % updates', mix: { read: 0.95, update: 0.05 }, keys: 'zipfian' },
  'ycsb-c': { ...USUAL, does: 'reads', mix: { read: 1 }, keys: 'zipfian' },
  'ycsb-d': {
    ...USUAL,
    does: '95 % reads of the latest keys, 5 % inserts',
    mix: { read: 0.95, insert: 0.05 },
    keys: 'latest',
  },
  // Ours loses no concurrent change; theirs is a GET and a SET, between which others can write.
  'ycsb-f': {
    ...USUAL,
    does: '50 % reads, 50 % read-modify-writes',
    mix: { read: 0.5, readModifyWrite: 0.5 },
    keys: 'zipfian',
  },
} as const satisfies Record<string, Workload>;

export type WorkloadName = keyof typeof WORKLOADS;
export const WORKLOAD_NAMES = Object.keys(WORKLOADS) as readonly WorkloadName[];

export function workloadOf(name: WorkloadName): Workload {
  return WORKLOADS[name];
}
