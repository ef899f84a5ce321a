/** One side of the comparison: a store with the processes that it takes, one of which is loaded. */
import { type LoadPlan, type LoadReport } from '../load/load-loop.js';
import { type KeyPlace } from '../workloads.js';
import { type ProcessUsage } from './tasks.js';

export interface Filling {
  readonly keys: number;
  readonly valueBytes: number;
  readonly place: KeyPlace;
}

export interface Subject {
  readonly name: string;
  fill(filling: Filling, onWritten?: (count: number) => void): Promise<void>;
  load(plan: LoadPlan): Promise<LoadReport>;
  /** Of the loaded process, and of the others; undefined where the system does not tell. */
  usage(): Promise<{ readonly caller: ProcessUsage; readonly others: ProcessUsage | undefined }>;
}

export function sumOf(usages: readonly ProcessUsage[]): ProcessUsage {
  return {
    cpuUs: usages.reduce((sum, { cpuUs }) => sum + cpuUs, 0),
    rssBytes: usages.reduce((sum, { rssBytes }) => sum + rssBytes, 0),
  };
}
