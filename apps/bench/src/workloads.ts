/** The comparison as a table: what is asked for, how many at once, and of whom. */

/** Each store in one way of running it; `ours` are three nodes, two replicas, as processes on RocksDB. */
export const SUBJECTS = {
  ours: 'three nodes, wal, keys hashed by MD5 (the default)',
  'ours-xxhash': 'as ours, keys hashed by xxhash',
  'ours-fsync': 'as ours, each write synced on the disks of a majority',
  'ours-tls': 'as ours, TLS between the nodes',
  'ours-one-process':
    'as ours, but all three nodes in one process: nobody else takes its core and its caches in between',
  redis: 'one redis-server in memory, ioredis',
  'redis-autopipelining': 'the same, ioredis with enableAutoPipelining',
  'redis-wait-1': 'a primary and two replicas in memory, each write followed by WAIT 1',
  'redis-fsync': 'one redis-server, appendfsync always, ioredis with enableAutoPipelining',
  etcd: 'three members, each write synced; JSON gateway over 64 kept HTTP connections to each member',
  nats: 'JetStream KV, three servers, R3 in files, synced every two minutes; @nats-io/kv, one connection',
} as const;
export type SubjectName = keyof typeof SUBJECTS;
export type OurName = Extract<SubjectName, `ours${string}`>;
export type PeerName = Exclude<SubjectName, OurName>;

/** Which of our keys: those that the loaded node holds (with two replicas on three nodes: all), or none of them. */
export const KEY_PLACES = ['held', 'elsewhere'] as const;
export type KeyPlace = (typeof KEY_PLACES)[number];

export interface Workload {
  readonly does: string;
  readonly operation: 'read' | 'write' | 'increment';
  readonly place: KeyPlace;
  readonly readLevel: 'one' | 'linearizable';
  readonly inFlight: readonly number[];
  /** The first one is ours, which the others are compared with. */
  readonly subjects: readonly [OurName, ...SubjectName[]];
}

const HELD = { place: 'held', readLevel: 'one' } as const;
const REDIS = ['redis', 'redis-autopipelining'] as const;

export const WORKLOADS = {
  write: {
    ...HELD,
    does: 'writes, acknowledged by a majority of three',
    operation: 'write',
    inFlight: [1, 16, 256],
    subjects: ['ours', 'ours-xxhash', ...REDIS, 'redis-wait-1', 'etcd', 'nats'],
  },
  'write-fsync': {
    ...HELD,
    does: 'writes, synced before they are acknowledged',
    operation: 'write',
    inFlight: [1, 256],
    subjects: ['ours-fsync', 'redis-fsync', 'etcd'],
  },
  'read-held': {
    ...HELD,
    does: 'reads of keys that the asking node holds',
    operation: 'read',
    inFlight: [1, 256],
    subjects: ['ours', ...REDIS],
  },
  'read-elsewhere': {
    ...HELD,
    does: 'reads of keys that only other nodes hold',
    operation: 'read',
    place: 'elsewhere',
    inFlight: [1, 256],
    subjects: ['ours', ...REDIS, 'nats'],
  },
  'read-linearizable': {
    ...HELD,
    does: 'reads that see every acknowledged write',
    operation: 'read',
    readLevel: 'linearizable',
    inFlight: [1, 256],
    subjects: ['ours', 'redis-autopipelining', 'etcd'],
  },
  increment: {
    ...HELD,
    does: 'increments of one hot key (etcd by compare-and-set until it succeeds; that of NATS 2.9 loses updates in a cluster)',
    operation: 'increment',
    inFlight: [64],
    subjects: ['ours', 'redis-autopipelining', 'redis-wait-1', 'etcd'],
  },
  'write-tls': {
    ...HELD,
    does: 'writes, TLS between the nodes',
    operation: 'write',
    inFlight: [1, 256],
    subjects: ['ours-tls', 'ours'],
  },
  'read-elsewhere-tls': {
    ...HELD,
    does: 'reads of keys that only other nodes hold, over TLS',
    operation: 'read',
    place: 'elsewhere',
    inFlight: [256],
    subjects: ['ours-tls', 'ours'],
  },
  'write-warm': {
    ...HELD,
    does: 'writes of three nodes in one process, over the same sockets, but never cold',
    operation: 'write',
    inFlight: [1],
    subjects: ['ours-one-process', 'redis-wait-1'],
  },
  'read-elsewhere-warm': {
    ...HELD,
    does: 'reads there of keys that only other nodes hold',
    operation: 'read',
    place: 'elsewhere',
    inFlight: [1],
    subjects: ['ours-one-process', 'redis-autopipelining'],
  },
} as const satisfies Record<string, Workload>;

export type WorkloadName = keyof typeof WORKLOADS;
export const WORKLOAD_NAMES = Object.keys(WORKLOADS) as readonly WorkloadName[];

export function workloadOf(name: WorkloadName): Workload {
  return WORKLOADS[name];
}

export function isOurs(name: SubjectName): name is OurName {
  return name.startsWith('ours');
}
