/** One side of the comparison: a store with the processes that it takes, one of which is loaded. */
import { type LoadPlan, type LoadReport } from '../load/load-loop.js';
import { type KeyPlace, type SubjectName } from '../workloads.js';
import { type NodeUsage, type ProcessUsage } from './window.js';

export interface Filling {
  /** Keys from this one on (0) … */
  readonly from?: number;
  /** … up to, not with, this one. */
  readonly keys: number;
  readonly valueBytes: number;
  readonly place: KeyPlace;
}

export interface Loaded {
  readonly report: LoadReport;
  /** Of the process that calls. */
  readonly caller: ProcessUsage;
  /** Of all processes, the caller's among them; undefined where the system does not tell. */
  readonly all: ProcessUsage | undefined;
  /** Of our nodes together; of others it is not known. */
  readonly nodes?: NodeUsage;
}

export interface Subject {
  readonly name: SubjectName;
  fill(filling: Filling, onWritten?: (count: number) => void): Promise<void>;
  load(plan: LoadPlan): Promise<Loaded>;
}
