/** The load: so many callers, each awaiting its operation before the next, for so many seconds; alike for both sides. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { type OperationMix, type Workload, type WorkloadName, workloadOf } from '../workloads.js';
import { EventLoopTurns } from './event-loop-turns.js';
import { createKeyChooser } from './key-chooser.js';
import { Latencies, type LatencyFigures } from './latencies.js';
import { createRandom, type RandomNumbers } from './random.js';
import { type Store } from './store.js';
import { createValues } from './values.js';

/** How often the delay of the event loop is looked at; its figures contain it, nothing is subtracted. */
export const LOOP_DELAY_RESOLUTION_MS = 1;
const FAILURE_PAUSE_MS = 1;

export interface LoadPlan {
  readonly workload: WorkloadName;
  readonly keys: number;
  readonly valueBytes: number;
  readonly inFlight: number;
  readonly seconds: number;
  readonly seed: number;
  /** Begins the names of inserted keys, so that no two loads insert the same ones. */
  readonly insertPrefix: string;
}

export interface LoadReport extends LatencyFigures {
  /** That succeeded. */
  readonly operations: number;
  readonly failures: number;
  /** The message of the first one. */
  readonly failure?: string;
  /** From the first operation's begin to the last one's end. */
  readonly seconds: number;
  /** Of this process, user and system, while loaded. */
  readonly cpuUs: number;
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
  const cpuBefore = process.cpuUsage();
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
  const { user, system } = process.cpuUsage(cpuBefore);
  loopDelay.disable();
  return {
    operations,
    failures,
    failure,
    seconds,
    cpuUs: user + system,
    loopDelayP99Ms: loopDelay.percentile(99) / 1e6,
    ...latencies.figures(),
  };
}

/**
 * A source of operations. Keys and values are chosen here, before an operation's time begins, at random from the plan's
 * seed, so both sides get the same.
 */
function createOperations(store: Store, { mix, keys }: Workload, plan: LoadPlan): () => Operation {
  const random = createRandom(plan.seed);
  const chooser = createKeyChooser(keys, plan.keys, random);
  const values = createValues(plan.valueBytes);
  let turn = 0;
  const nextValue = () => values[turn++ % values.length]!;
  const nameOf = (index: number) => (index < plan.keys ? store.key(index) : `${plan.insertPrefix}${index}`);
  const nextKey = () => nameOf(chooser.next());

  const makers: Record<keyof OperationMix, () => Operation> = {
    read: () => {
      const key = nextKey();
      return () => store.read(key);
    },
    update: () => {
      const [key, value] = [nextKey(), nextValue()];
      return () => store.write(key, value);
    },
    insert: () => {
      const index = chooser.toInsert();
      const [key, value] = [nameOf(index), nextValue()];
      return async () => {
        const outcome = await store.write(key, value);
        chooser.inserted(index);
        return outcome;
      };
    },
    readModifyWrite: () => {
      const [key, value] = [nextKey(), nextValue()];
      return () => store.readModifyWrite(key, value);
    },
  };
  return chooseBy(mix, makers, random);
}

/** Makes one of several, by their shares, which add up to 1. */
function chooseBy(
  mix: OperationMix,
  makers: Record<keyof OperationMix, () => Operation>,
  random: RandomNumbers,
): () => Operation {
  const kinds = (Object.keys(mix) as (keyof OperationMix)[]).filter((kind) => mix[kind]! > 0);
  const [first, ...others] = kinds.map((kind) => ({ make: makers[kind], share: mix[kind]! }));
  if (others.length === 0) {
    return first!.make;
  }
  return () => {
    let left = random();
    for (const { make, share } of others) {
      left -= share;
      if (left < 0) {
        return make();
      }
    }
    return first!.make();
  };
}
