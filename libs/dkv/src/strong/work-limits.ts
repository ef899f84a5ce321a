/** Bounds on what a node's groups hold in memory for work that is under way: rule 21. */
import { ByteBudget } from '../model/byte-budget.js';

export interface WorkLimitOptions {
  /** Entries that are proposed and not applied, of all groups. */
  readonly uncommittedBytesMax: number;
  /** Writes that wait for a record to be read from the store. */
  readonly coldBytesMax: number;
  /** Reads that wait, in number: for an index to be applied, or for a confirmation. */
  readonly waitingReadsMax: number;
}

export class WorkLimits {
  readonly uncommitted: ByteBudget;
  readonly cold: ByteBudget;
  readonly reads: ByteBudget;

  constructor({ uncommittedBytesMax, coldBytesMax, waitingReadsMax }: WorkLimitOptions) {
    this.uncommitted = new ByteBudget(uncommittedBytesMax, 'Writes that are not committed');
    this.cold = new ByteBudget(coldBytesMax, 'Writes of keys that are not in memory');
    this.reads = new ByteBudget(waitingReadsMax, 'Reads that wait');
  }
}
