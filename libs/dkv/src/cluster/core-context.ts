/** What every part of the core works with, handed around as one value. */
import { type ClusterView } from './cluster-view.js';
import { type PeerClient } from './peer-client.js';
import { type PeerTransitions } from './peer-transitions.js';
import { type RateLimit } from './rate-limit.js';
import { type VersionClock } from './version-clock.js';
import { type Clock } from '../ports/clock.js';
import { type LocalKvRepo } from '../ports/local-kv-repo.js';
import { type Logger } from '../ports/logger.js';
import { type Random } from '../ports/random.js';
import { type Telemetry } from '../ports/telemetry.js';
import { type Namespaces } from './namespaces.js';

/** Limits of the core, resolved from the options. */
export interface CoreLimits {
  /** A peer's clock further ahead is refused. */
  readonly maxClockOffsetMs: number;
  /** The longest a request to a peer may take before another node is asked. */
  readonly peerTimeoutMs: number;
  /** Values under way to replicas, in bytes. */
  readonly replicationBytesMax: number;
  /** Durable hints, in bytes. */
  readonly hintBytesMax: number;
  /** Moves, snapshots and repair of a node together, sent and received. */
  readonly transferBytesPerSecondMax: number;
  /** Between two rounds of anti-entropy. */
  readonly antiEntropyIntervalMs: number;
  /** How long deletes are remembered at least. */
  readonly tombstoneTtlMs: number;
  /** Between two looks for tombstones to collect. Default 60 s. */
  readonly collectionIntervalMs?: number;
  /** Between two looks for values to expire. Default 1 s. */
  readonly expiryIntervalMs?: number;
  /** Whether this node is unready until it has seen a majority of the nodes. Default false. */
  readonly readyAtQuorum?: boolean;
  /** Whether a cluster that is not born yet may be made of others than those that the view shows. Default false. */
  readonly isProvisional?: boolean;
  /** Own writes remembered for reading them back. */
  readonly ownWritesMax: number;
}

export interface CoreContext {
  readonly view: ClusterView;
  readonly peers: PeerClient;
  readonly transitions: PeerTransitions;
  readonly local: LocalKvRepo;
  readonly versions: VersionClock;
  readonly namespaces: Namespaces;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  readonly limits: CoreLimits;
  /** Of `transferBytesPerSecondMax`. */
  readonly transferRate: RateLimit;
}
