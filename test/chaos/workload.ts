/** What a mode of the store is asked: steps of clients while faults go on, then last reads when all is healed. */
import { type HistoryOperation } from '../../libs/dkv/testing/simulation/history.js';
import { type SimRandom } from '../../libs/dkv/testing/simulation/sim-random.js';
import { type ClientDesk, type Target } from './client-desk.js';

export interface Client {
  readonly name: string;
  readonly random: SimRandom;
  /** Whom it asks. */
  readonly target: Target;
  /** Whom it would ask next. */
  readonly other: Target;
}

/** As the checkers of the simulator, with rules of its own. */
export interface ChaosFinding {
  readonly rule: string;
  readonly key: string;
  readonly message: string;
  readonly operations: readonly HistoryOperation[];
}

/** Shares of all operations; what they leave are reads at `one`. */
export interface Mix {
  readonly changes: number;
  /** Reads that need a majority. */
  readonly majorityReads: number;
}

/**
 * A change costs the three nodes as much as 15 reads of a copy at hand, a read of a majority as much as 9: on two
 * cores this mix makes about as many changes as any, and a million operations in 10 minutes.
 */
export const CHEAP_MIX: Mix = { changes: 0.08, majorityReads: 0.04 };
/** For runs of seconds, which cannot be about numbers. */
export const RICH_MIX: Mix = { changes: 0.25, majorityReads: 0.25 };

export interface Workload {
  readonly desk: ClientDesk;
  /** Time spent in the checkers so far. */
  readonly checkersMs: number;
  /** One operation; whether the node is worth another. */
  step(client: Client): Promise<boolean>;
  /**
   * The end of a round: no client is at work, every node is healed. Reads what is needed, judges the whole round and
   * forgets it.
   */
  close(targets: readonly Target[]): Promise<readonly ChaosFinding[]>;
}
