/** What the bench asks of the processes that it starts, and what they answer. */
import { type FillPlan } from '../load/filling.js';
import { type LoadPlan, type LoadReport } from '../load/load-loop.js';
import { type KeyPlace } from '../workloads.js';
import { type NodeUsage } from './window.js';

/** Each task with what it takes and what it gives. */
export interface Tasks {
  fill: [FillPlan & { readonly place: KeyPlace }, void];
  load: [LoadPlan, LoadReport];
  'begin-window': [null, void];
  'end-window': [null, NodeUsage];
  /** Until this node sees every node up. */
  'see-all-up': [null, void];
  'begin-profile': [null, void];
  /** The file to write. */
  'end-profile': [string, void];
}
export type Task = keyof Tasks;

/** From the bench to a process. */
export type Question =
  { readonly id: number; readonly task: Task; readonly plan: unknown } | { task: 'stop' };

/** From a process to the bench. */
export type Answer =
  | { readonly kind: 'ready' }
  | { readonly kind: 'written'; readonly count: number }
  | { readonly kind: 'done'; readonly id: number; readonly result: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string };
