/** What memory knows of the records of one group beside the records themselves. */
import { NO_USAGE, type UsageByNamespace } from '../../model/usage.js';

/** What is known of a group: its dirty records, each key once, and what the engine has of it. */
export class GroupTable {
  /** Positions, in the order in which their keys became dirty. */
  dirty: number[] = [];
  /** Those that a checkpoint is writing, as they were when it took them; some are written again by now. */
  taken: readonly number[] = [];
  /** Those of them before this place are settled, and their positions may have become others'. */
  settled = 0;
  /** Rises when a checkpoint takes the dirty ones. */
  round = 0;
  /** Something of it, records or not, is to be in the next checkpoint. */
  isChanged = false;
  /** Whether the engine may have expiries of it. */
  hasExpiries = false;
  /** Whether a record with a lifetime was written since the start. */
  hasDirtyExpiries = false;
  /** Of records in the engine, about. */
  usage: UsageByNamespace = NO_USAGE;
  isClearing = false;

  constructor(readonly number: number) {}
}
