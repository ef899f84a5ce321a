/** The load: so many callers, each awaiting its operation before the next, for so many seconds; alike for all sides. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Workload, type WorkloadName, workloadOf } from '../workloads.js';
import { EventLoopTurns } from './event-loop-turns.js';
import { Latencies, type LatencyFigures } from './latencies.js';
import { createRandom } from './random.js';
import { type Store } from './store.js';
import { createValues } from './values.js';

/** How often the delay of the event loop is looked at; its figures contain it, nothing is subtracted. */
export const LOOP_DELAY_RESOLUTION_MS = 1;
const FAILURE_PAUSE_MS = 1;
/** What all callers of the increments count in. */
export const HOT_KEY = 'hot-counter';

export interface LoadPlan {
  readonly workload: WorkloadName;
  readonly keys: number;
  readonly valueBytes: number;
  readonly inFlight: number;
  readonly seconds: number;
  readonly seed: number;
}

export interface LoadReport extends LatencyFigures {
  /** That succeeded. */
  readonly operations: number;
  readonly failures: number;
  /** The message of the first one. */
  readonly failure?: string;
  /** From the first operation's begin to the last one's end. */
  readonly seconds: number;
  readonly loopDelayP99Ms: number;
}

/** Gives null or undefined where there was no value, which in these workloads is a failure. */
type Operation = () => Promise<unknown>;

export async function runLoad(store: Store, plan: LoadPlan): Promise<LoadReport> {
  const next = createOperations(store, workloadOf(plan.workload), plan);
  const latencies = new Latencies();
  const turns = new EventLoopTurns();
  const loopDelay = monitorEventLoopDelay({ resolution: LOOP_DELAY_RESOLUTION_MS });
  let operations = 0;
  let failures = 0;
  let failure: string | undefined;

  loopDelay.enable();
  const began = performance.now();
  const until = began + plan.seconds * 1000;
  const caller = async () => {
    for (let now = began; now < until;) {
      const operation = next();
      const asked = performance.now();
      try {
        const outcome = await operation();
        now = performance.now();
        if (outcome == null) {
          throw new Error('A key that was written has no value.');
        }
        latencies.record(now - asked);
        operations++;
      } catch (error) {
        failures++;
        failure ??= error instanceof Error ? error.message : String(error);
        await sleep(FAILURE_PAUSE_MS);
        now = performance.now();
      }
      if (turns.isDue(now)) {
        await turns.next();
      }
    }
  };
  await Promise.all(Array.from({ length: plan.inFlight }, caller));
  const seconds = (performance.now() - began) / 1000;
  loopDelay.disable();
  return {
    operations,
    failures,
    failure,
    seconds,
    loopDelayP99Ms: loopDelay.percentile(99) / 1e6,
    ...latencies.figures(),
  };
}

/**
 * A source of operations. Keys and values are chosen here, before an operation's time begins, at random from the plan's
 * seed, so all sides get the same.
 */
function createOperations(store: Store, { operation }: Workload, plan: LoadPlan): () => Operation {
  const random = createRandom(plan.seed);
  const values = createValues(plan.valueBytes);
  let turn = 0;
  const nextKey = () => store.key(Math.floor(random() * plan.keys));
  switch (operation) {
    case 'read':
      return () => {
        const key = nextKey();
        return () => store.read(key);
      };
    case 'write':
      return () => {
        const [key, value] = [nextKey(), values[turn++ % values.length]!];
        return () => store.write(key, value);
      };
    case 'increment':
      return () => () => store.increment(HOT_KEY);
  }
}
