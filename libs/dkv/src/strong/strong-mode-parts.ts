/** What the strong mode of a node is made of, and its bounds. */
import { type ClusterView } from '../cluster/cluster-view.js';
import { type Namespaces } from '../cluster/namespaces.js';
import { type RateLimit } from '../cluster/rate-limit.js';
import { type PeerTransitions } from '../cluster/peer-transitions.js';
import { type Clock } from '../ports/clock.js';
import { type LocalKvRepo } from '../ports/local-kv-repo.js';
import { type Logger } from '../ports/logger.js';
import { type NodeLog } from '../ports/node-log.js';
import { type Random } from '../ports/random.js';
import { type RemoteKvRepo } from '../ports/remote-kv-repo.js';
import { type StrongStore } from '../ports/strong-store.js';
import { type PlannerLimits } from './membership/planner.js';
import { type StoredGroup } from './stored-group.js';
import { type WorkLimitOptions } from './work-limits.js';

export interface StrongLimits extends WorkLimitOptions, PlannerLimits {
  readonly heartbeatIntervalMs: number;
  readonly electionTimeoutMs: number;
  /** How many nodes a new cluster is made of. Default: all that discovery shows. */
  readonly clusterSize?: number;
  /** See `PeerDirectoryOptions`. */
  readonly hasFixedNodes?: boolean;
  readonly leaseReads: boolean;
  readonly maxClockOffsetMs: number;
  readonly peerTimeoutMs: number;
  readonly idempotencyTtlMs: number;
  /** Entries that are kept in memory behind what is applied, for followers, of all groups. */
  readonly entryTailBytesMax: number;
  /** Of one page of a snapshot, about. */
  readonly snapshotPageBytes: number;
}

export interface StrongModeParts {
  readonly view: ClusterView;
  readonly transitions: PeerTransitions;
  readonly namespaces: Namespaces;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly remote: RemoteKvRepo;
  readonly transferRate: RateLimit;
  readonly log: NodeLog;
  readonly store: StrongStore;
  readonly meta: Pick<LocalKvRepo, 'getMeta' | 'putMeta'>;
  readonly limits: StrongLimits;
  /** What was found in store and log, by group. */
  readonly stored: ReadonlyMap<number, StoredGroup>;
  /** Why this node may have forgotten what it acknowledged; undefined where it cannot have (rule 12). */
  readonly forgot: string | undefined;
  /** The node has taken a new incarnation, durably. */
  readonly acceptForgetting: () => Promise<void>;
  /** Puts on the medium what `meta` was given before, whatever the durability. */
  readonly makeDurable: () => Promise<void>;
  /** Adds a text to a file beside the data that no node reads, durably. */
  readonly keep: (name: string, text: string) => Promise<void>;
  /** Nothing outlives the process. */
  readonly isVolatile: boolean;
}
