/** Rounds of one workload, the sides taking turns within each, so that what disturbs one disturbs all. */
import { type Loaded, type Subject } from './processes/subject.js';
import { type SubjectName, type WorkloadName } from './workloads.js';

export interface Cell {
  readonly workload: WorkloadName;
  readonly inFlight: number;
}

/** One side in one round. */
export interface RoundFigures {
  readonly opsPerSecond: number;
  readonly failures: number;
  readonly failure?: string;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  /** Microseconds of CPU an operation, of the calling process and of all processes of the side. */
  readonly callerCpuUs: number;
  readonly allCpuUs: number | null;
  /** An operation, of our nodes together. */
  readonly gcUs: number | null;
  readonly allocatedBytes: number | null;
  readonly allRssBytes: number | null;
  /** As `monitorEventLoopDelay` tells it of the calling process, its resolution included. */
  readonly loopDelayP99Ms: number;
}

/** The rounds of each side, by its name. */
export interface Measurement extends Cell {
  readonly rounds: Partial<Record<SubjectName, readonly RoundFigures[]>>;
}

export interface MeasurePlan extends Cell {
  readonly keys: number;
  readonly valueBytes: number;
  readonly rounds: number;
  readonly seconds: number;
  /** Before the first round, not measured. */
  readonly warmUpSeconds: number;
  readonly seed: number;
}

export async function measure(subjects: readonly Subject[], plan: MeasurePlan): Promise<Measurement> {
  const { workload, inFlight, keys, valueBytes } = plan;
  // All sides of a round get the same seed: the same keys in the same order.
  const load = (subject: Subject, seconds: number, round: number) =>
    subject.load({ workload, keys, valueBytes, inFlight, seconds, seed: plan.seed + round });
  const rounds: Partial<Record<SubjectName, RoundFigures[]>> = {};
  for (const subject of subjects) {
    rounds[subject.name] = [];
    await load(subject, plan.warmUpSeconds, 0);
  }
  for (let round = 1; round <= plan.rounds; round++) {
    // Each goes first in its turn: what is left to do after a load is not always paid by the same one.
    for (let place = 0; place < subjects.length; place++) {
      const subject = subjects[(round - 1 + place) % subjects.length]!;
      rounds[subject.name]!.push(figuresOf(await load(subject, plan.seconds, round)));
    }
  }
  return { workload, inFlight, rounds };
}

function figuresOf({ report, caller, all, nodes }: Loaded): RoundFigures {
  const { operations, seconds, failures, failure, p50Us, p99Us, p999Us, loopDelayP99Ms } = report;
  const perOperation = (amount: number | undefined) =>
    amount === undefined ? null : amount / Math.max(1, operations);
  return {
    opsPerSecond: operations / seconds,
    failures,
    failure,
    p50Us,
    p99Us,
    p999Us,
    callerCpuUs: caller.cpuUs / Math.max(1, operations),
    allCpuUs: perOperation(all?.cpuUs),
    gcUs: perOperation(nodes?.gcUs),
    allocatedBytes: perOperation(nodes?.allocatedBytes),
    allRssBytes: all?.rssBytes ?? null,
    loopDelayP99Ms,
  };
}
