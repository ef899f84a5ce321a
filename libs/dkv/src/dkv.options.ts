/** The module's options: what each is, its default, what is allowed; resolved once at boot, frozen after. */
import {
  IsBoolean,
  IsIn,
  IsNotEmpty,
  IsNumber,
  IsOptional,
  IsPositive,
  IsString,
  Matches,
  MaxLength,
} from 'class-validator';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { DkvError } from './dkv.errors.js';
import { ACCESS_DEFAULTS, DkvAccessOptions } from './dkv.access-options.js';
import { MEMBERSHIP_DEFAULTS } from './dkv.membership-options.js';
import { HEARTBEATS_MIN, wrongTogether } from './dkv.option-conflicts.js';
import { Accepts, faultsOf, isHashFunc, Offers, says, Whole } from './dkv.option-decorators.js';
import {
  NAMESPACE_MODES,
  type NamespaceMode,
  READ_LEVELS,
  type ReadLevel,
  WRITE_LEVELS,
  type WriteLevel,
} from './model/consistency.js';
import { CONFIGURATION_GROUP } from './model/membership.js';
import { NODE_ID_PATTERN } from './model/version.js';
import { type Clock } from './ports/clock.js';
import { type Codec } from './ports/codec.js';
import { type Controller } from './ports/controller.js';
import { type Discovery } from './ports/discovery.js';
import { type HashFunc } from './ports/hash-func.js';
import { type Logger } from './ports/logger.js';
import { type Merger } from './ports/merger.js';
import { type RemoteKvRepo } from './ports/remote-kv-repo.js';

export const STORAGES = ['auto', 'rocksdb', 'rocksdb-native', 'classic-level', 'memory'] as const;
export type Storage = (typeof STORAGES)[number];
export const TRANSPORTS = ['stream', 'http'] as const;
export type PeerTransport = (typeof TRANSPORTS)[number];
export const DURABILITIES = ['wal', 'fsync'] as const;
export type Durability = (typeof DURABILITIES)[number];

const DAY_MS = 86_400_000;
const MIB = 1024 * 1024;

/** Everything is optional; with none at all the store is one embedded node. */
export class DkvModuleOptions extends DkvAccessOptions {
  /**
   * Stable name of this node, unique in the cluster; needed as soon as there is a discovery. Default: the one that the data
   * folder was made under; a new folder gets a name of its own, so that a renamed machine or container goes on with it.
   */
  @IsOptional()
  @Matches(NODE_ID_PATTERN, says('give 1 to 100 characters of A-Z a-z 0-9 . _ -'))
  nodeId?: string;

  /** Address at which peers reach this node. Default: as discovery says, else the hostname. */
  @IsOptional()
  @IsString(says('give a host name or an address'))
  @IsNotEmpty(says('give a host name or an address'))
  hostname?: string;

  /** Folder of this node's data; one process at a time. Default: `./dkv-data`. */
  @IsOptional()
  @IsString(says('give a path'))
  @IsNotEmpty(says('give a path'))
  dataDir?: string;

  /**
   * Storage engine. `auto`: the folder's; for a new one RocksDB where it runs (`rocksdb` on Node 20, `rocksdb-native` on newer ones
   * where it is installed), else LevelDB. `memory` forgets all at the end. Default: `auto`.
   */
  @IsOptional()
  @IsIn(STORAGES, says(`give one of ${STORAGES.join(', ')}`))
  storage?: Storage;

  /**
   * When a write counts as durable: `wal`, in the operating system's hands, survives kill -9; `fsync`, on the disk,
   * survives power loss, and costs a flush of the disk for all writes of a turn of the event loop. Under `wal` a node whose
   * machine went down goes on as a new voter, since it may have forgotten what it acknowledged. Default: `wal`.
   */
  @IsOptional()
  @IsIn(DURABILITIES, says(`give one of ${DURABILITIES.join(', ')}`))
  durability?: Durability;

  /** Finds the other nodes. Without it the store is one embedded node that listens nowhere, unless it has an `adminKey`. */
  @Offers('Discovery', 'register', 'deregister', 'getNodes')
  discovery?: Discovery;

  /** Port for peers, on all interfaces unless `peerBind` says otherwise; 0 is any free one. Default: 7000. */
  @Whole(0, 65_535, 'a TCP port')
  peerPort?: number;

  /**
   * How peers are reached: `stream`, binary frames on raw sockets that an HTTP upgrade hands over; `http`, the same bytes in
   * the bodies of HTTP requests, slower, for networks that let no upgrade through. Both are listened to on
   * the peer port, so nodes may differ. Default: `stream`.
   */
  @IsOptional()
  @IsIn(TRANSPORTS, says(`give one of ${TRANSPORTS.join(', ')}`))
  transport?: PeerTransport;

  /** Address that the peer port is bound to. Default: `0.0.0.0`. */
  @IsOptional()
  @IsString(says('give an address of this machine'))
  peerBind?: string;

  /** This node's share of the data, relative to the others. Default: 1. */
  @IsOptional()
  @IsNumber({ allowNaN: false, allowInfinity: false }, says('give a number above 0'))
  @IsPositive(says('give a number above 0'))
  weight?: number;

  /** Failure domain; copies go to distinct zones first. Default: none. */
  @IsOptional()
  @IsString(says('give a text'))
  @MaxLength(100, says('give at most 100 characters'))
  zone?: string;

  /**
   * Copies besides the holder's; fixed with the first start. 2 survive the loss of one node, 4 of two; every copy costs its
   * disk, and the CPU of its node for every write. 1 is less available for writes than 0: both nodes must be up. Default: 2.
   */
  @Whole(0, 15, 'copies')
  replicas?: number;

  /**
   * Slices of the key space, each a Raft group where it has strong namespaces; fixed once a cluster has data. Nodes lead a
   * whole number of them: with five or more for each node that there will ever be, none has a fifth more than its share.
   * More cost memory and speed: with 256, a busy node does some two thirds of the writes that it does with 64. Default: 64.
   */
  @Whole(1, CONFIGURATION_GROUP, 'partitions')
  partitions?: number;

  /** `md5`, `xxhash` (a tenth of the CPU), or one of your own; fixed once a cluster has data. Default: `md5`. */
  @Accepts(
    'hashFunc',
    (value) => value === 'md5' || value === 'xxhash' || isHashFunc(value),
    'give md5, xxhash or a HashFunc: an object with name and hash',
  )
  hashFunc?: 'md5' | 'xxhash' | HashFunc;

  /**
   * Of the default namespace. `strong`: one order of writes, acknowledged by a majority; `eventual`: always
   * writable, conflicts are merged. Fixed with the first start. Others: `DkvModule.forFeature`. Default: `strong`.
   */
  @IsOptional()
  @IsIn(NAMESPACE_MODES, says(`give one of ${NAMESPACE_MODES.join(', ')}`))
  mode?: NamespaceMode;

  /** Resolves conflicts where the mode is eventual. Default: the newest version wins. */
  @Offers('Merger', 'merge')
  merger?: Merger;

  /** How values become bytes. Default: MessagePack. */
  @Offers('Codec', 'encode', 'decode')
  codec?: Codec;

  /** Level of reads that name none: `one`, `quorum`, `linearizable` (strong alone). Default: `one`. */
  @IsOptional()
  @IsIn(READ_LEVELS, says(`give one of ${READ_LEVELS.join(', ')}`))
  readConsistency?: ReadLevel;

  /** Level of writes that name none; a strong namespace has `quorum` alone. Default: `quorum`. */
  @IsOptional()
  @IsIn(WRITE_LEVELS, says(`give one of ${WRITE_LEVELS.join(', ')}`))
  writeConsistency?: WriteLevel;

  /** Time for a read that names none. More waits longer for nodes that are slow. Default: 5 s. */
  @Whole(1, DAY_MS, 'milliseconds')
  readTimeoutMs?: number;

  /**
   * How long a write may take to learn its outcome, unless the call says less; after it the outcome is
   * *indeterminate*. A strong write has three fifths of it to be committed, the rest to be cancelled for certain. More makes
   * callers wait longer, less makes more outcomes unknown. Default: 10 s.
   */
  @Whole(1, DAY_MS, 'milliseconds')
  revertTimeoutMs?: number;

  /**
   * The longest that an answer of one peer is waited for before another one is asked, or the same one again. Less asks
   * peers twice that are only slow. Default: 2 s.
   */
  @Whole(10, 60_000, 'milliseconds')
  peerTimeoutMs?: number;

  /**
   * Between two heartbeats to a peer: one for each pair of nodes, whatever the number of partitions. Lower costs messages;
   * higher makes all that is looked at once an interval slower, failover among it. Default: 100 ms.
   */
  @Whole(20, 60_000, 'milliseconds')
  heartbeatIntervalMs?: number;

  /**
   * A node that was silent for so long is taken for down, and its partitions are led by others; about half a second later
   * writes go on. Lower fails over sooner, and more often without need: give at least five heartbeats, and more than the
   * longest pause of your event loop. Default: 1 s, or five heartbeats where these are longer.
   */
  @Whole(100, 60_000, 'milliseconds')
  electionTimeoutMs?: number;

  /**
   * Lets the leader of a partition answer linearizable reads without asking the others, up to nine tenths of `electionTimeoutMs` after
   * it asked them last. Right only while the monotonic clocks of all nodes tick at 0.95 to 1.05 of the true rate: a suspended virtual
   * machine may show old values. New leaders come later. Alike on every node, changed while all are stopped. Default: false.
   */
  @IsOptional()
  @IsBoolean(says('give true or false'))
  leaseReads?: boolean;

  /**
   * How long a write is remembered under its `idempotencyKey`, strong namespaces only. Each is a record of its own, so longer
   * costs disk and memory. Default: 24 h.
   */
  @Whole(1_000, 365 * DAY_MS, 'milliseconds')
  idempotencyTtlMs?: number;

  /**
   * The node's log on the disk: a checkpoint is made, at the latest, when half of this was appended since the last one.
   * More writes a key that changes often less often into the store, and makes a restart read more. Default: 256 MiB.
   */
  @Whole(2 * MIB, 65_536 * MIB, 'bytes')
  logRetentionBytesMax?: number;

  /**
   * Between two comparisons of eventual copies with a random peer; strong ones need none. Lower finds differences sooner and
   * costs CPU and messages. Default: 10 s.
   */
  @Whole(100, DAY_MS, 'milliseconds')
  antiEntropyIntervalMs?: number;

  /**
   * How long deletes of eventual namespaces are remembered at least; strong ones leave nothing behind. A node that may be away
   * longer needs more; more costs disk. Default: 24 h.
   */
  @Whole(60_000, 365 * DAY_MS, 'milliseconds')
  tombstoneTtlMs?: number;

  /**
   * What clocks of nodes may differ. Eventual writes of a peer further ahead are refused; a strong leader further ahead of most
   * others stamps with their time. A start in a cluster takes twice this. Default: 500 ms.
   */
  @Whole(1, 60_000, 'milliseconds')
  maxClockOffsetMs?: number;

  /** The largest encoded value. Larger ones hold up heartbeats and others' writes on the same socket. Default: 1 MiB. */
  @Whole(1, 64 * MIB, 'bytes')
  valueBytesMax?: number;

  /**
   * Records that are kept in memory for reads, half of it for strong and half for eventual namespaces: reads of those cost a
   * microsecond, of others a tenth of a millisecond and more. 0 for none. Default: 64 MiB.
   */
  @Whole(0, 65_536 * MIB, 'bytes')
  cacheBytesMax?: number;

  /**
   * Writes under way to other nodes, of strong and of eventual namespaces each; past it callers get `DKV_OVERLOADED`. More
   * costs memory, and lets callers wait longer before they are told. Default: 64 MiB.
   */
  @Whole(MIB, 16_384 * MIB, 'bytes')
  replicationBytesMax?: number;

  /** Marks of eventual writes that unreachable nodes missed, on disk; past it anti-entropy finds the rest. Default: 64 MiB. */
  @Whole(0, 16_384 * MIB, 'bytes')
  hintBytesMax?: number;

  /**
   * Keeps this node unready after a start until it has seen a majority of the nodes, itself included; nodes that go down later
   * make it never unready. For a load balancer that must not send requests to a node that is cut off from the others; leave it
   * out where pods are started one by one, each once the one before is ready. Default: false.
   */
  @IsOptional()
  @IsBoolean(says('give true or false'))
  readyAtQuorum?: boolean;

  /**
   * Adds figures of the process to `DkvRegistry`: `process_*` and `nodejs_*`, the event loop's lag and garbage collections among
   * them. Leave it out where the application has them in a registry of its own. Default: false.
   */
  @IsOptional()
  @IsBoolean(says('give true or false'))
  processMetrics?: boolean;

  /** Where to log. Default: Nest's logger. */
  @Offers('logger', 'log', 'warn', 'error')
  logger?: Logger;

  /** Client of peers of your own; goes with a `controller` that answers it. */
  @Offers('RemoteKvRepo', 'send', 'close')
  remoteKvRepo?: RemoteKvRepo;

  /** Listener of your own; goes with a `remoteKvRepo` that asks it. */
  @Offers('Controller', 'start', 'stop')
  controller?: Controller;

  /** Time of your own, in tests. */
  @Offers('Clock', 'now', 'monotonic', 'schedule')
  clock?: Clock;
}

const DEFAULTS = {
  ...MEMBERSHIP_DEFAULTS,
  ...ACCESS_DEFAULTS,
  storage: 'auto',
  durability: 'wal',
  peerPort: 7000,
  peerBind: '0.0.0.0',
  transport: 'stream',
  weight: 1,
  zone: '',
  replicas: 2,
  partitions: 64,
  hashFunc: 'md5',
  mode: 'strong',
  readConsistency: 'one',
  writeConsistency: 'quorum',
  readTimeoutMs: 5_000,
  revertTimeoutMs: 10_000,
  peerTimeoutMs: 2_000,
  heartbeatIntervalMs: 100,
  electionTimeoutMs: 1_000,
  leaseReads: false,
  readyAtQuorum: false,
  processMetrics: false,
  logRetentionBytesMax: 256 * MIB,
  idempotencyTtlMs: DAY_MS,
  antiEntropyIntervalMs: 10_000,
  tombstoneTtlMs: DAY_MS,
  maxClockOffsetMs: 500,
  valueBytesMax: MIB,
  replicationBytesMax: 64 * MIB,
  hintBytesMax: 64 * MIB,
  cacheBytesMax: 64 * MIB,
} as const satisfies DkvModuleOptions;

type Defaulted = keyof typeof DEFAULTS | 'nodeId' | 'hostname' | 'dataDir';

/** The options with every default filled in. */
export type DkvOptions = Readonly<
  Omit<DkvModuleOptions, Defaulted> & { [K in Defaulted]-?: NonNullable<DkvModuleOptions[K]> }
>;

/** What can be said before the data folder is looked at: where no `nodeId` is given, that tells it. */
export type ResolvedOptions = Omit<DkvOptions, 'nodeId'> & Pick<DkvModuleOptions, 'nodeId'>;

/** @throws DkvError `DKV_INVALID_OPTIONS` naming each wrong option, its value and the remedy. */
export function resolveOptions(given: DkvModuleOptions = {}): ResolvedOptions {
  const { heartbeatIntervalMs = DEFAULTS.heartbeatIntervalMs, mode } = given;
  const together = wrongTogether({ ...given, heartbeatIntervalMs, mode: mode ?? DEFAULTS.mode });
  const faults = [...faultsOf(DkvModuleOptions, given), ...together];
  if (faults.length > 0) {
    throw new DkvError(
      'DKV_INVALID_OPTIONS',
      `Options of DkvModule:\n${faults.map((f) => `- ${f}`).join('\n')}`,
    );
  }
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value != null));
  const dataDir = resolve(given.dataDir ?? 'dkv-data');
  const electionTimeoutMs = Math.max(DEFAULTS.electionTimeoutMs, HEARTBEATS_MIN * heartbeatIntervalMs);
  return Object.freeze({ ...DEFAULTS, electionTimeoutMs, hostname: hostname(), ...set, dataDir });
}
