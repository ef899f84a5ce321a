/** What clients of all namespaces of a node share, and what each of them was told. */
import { type ClusterView } from '../cluster/cluster-view.js';
import { type PeerTransitions } from '../cluster/peer-transitions.js';
import { type NamespaceMode, type ReadLevel, type WriteLevel } from '../model/consistency.js';
import { type Clock } from '../ports/clock.js';
import { type Random } from '../ports/random.js';
import { type Processor } from '../processor/processor.js';
import { type Locks } from './locks.js';
import { type StorageMetrics } from '../ports/storage-metrics.js';
import { type ValueRules } from './values.js';

/** What this node stores, of both modes together. */
export interface StorageFigures {
  readonly hintBytes: number;
  metrics(): StorageMetrics;
}

export interface ClientCore {
  readonly processor: Processor;
  readonly view: ClusterView;
  readonly transitions: PeerTransitions;
  readonly storage: StorageFigures;
  readonly clock: Clock;
  readonly random: Random;
  readonly locks: Locks;
}

export interface ClientSettings extends ValueRules {
  readonly namespace: string;
  readonly mode: NamespaceMode;
  readonly readConsistency: ReadLevel;
  readonly writeConsistency: WriteLevel;
  readonly readTimeoutMs: number;
  readonly revertTimeoutMs: number;
  /** The number of the placement class that it asks for. */
  readonly placement: number;
  /** Lifetime of values whose write names none; 0 is for ever. */
  readonly ttlMs: number;
}
