/** Rounds of one workload, the sides taking turns within each, so that what disturbs one disturbs all. */
import { type Subject } from './processes/subject.js';
import { ratiosOf, type Spread } from './report/figures.js';
import { type WorkloadName } from './workloads.js';

export interface Cell {
  readonly workload: WorkloadName;
  readonly valueBytes: number;
  readonly inFlight: number;
}

/** One side in one round. */
export interface RoundFigures {
  readonly opsPerSecond: number;
  readonly operations: number;
  readonly failures: number;
  readonly failure?: string;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly maxUs: number;
  /** Microseconds of CPU per operation, of the loaded process and of all processes of the side. */
  readonly callerCpuUs: number;
  readonly allCpuUs: number | null;
  readonly callerRssBytes: number;
  readonly allRssBytes: number | null;
  /** As `monitorEventLoopDelay` tells it of the loaded process, its resolution included. */
  readonly loopDelayP99Ms: number;
}

/** The rounds of each side, by its name. */
export interface Measurement extends Cell {
  readonly rounds: Readonly<Record<string, readonly RoundFigures[]>>;
}

export interface MeasurePlan extends Cell {
  /** How many there are, of each side. */
  readonly keysOf: (subject: Subject) => number;
  readonly rounds: number;
  readonly seconds: number;
  /** Before the first round, not measured. */
  readonly warmUpSeconds: number;
  readonly seed: number;
}

export async function measure(subjects: readonly Subject[], plan: MeasurePlan): Promise<Measurement> {
  for (const subject of subjects) {
    await subject.load(loadOf(subject, plan, plan.warmUpSeconds, 0));
  }
  const rounds: Record<string, RoundFigures[]> = Object.fromEntries(subjects.map(({ name }) => [name, []]));
  for (let round = 1; round <= plan.rounds; round++) {
    // Each goes first in its turn: what is left to do after a load is not always paid by the same one.
    for (let place = 0; place < subjects.length; place++) {
      const subject = subjects[(round - 1 + place) % subjects.length]!;
      rounds[subject.name]!.push(await measureRound(subject, plan, round));
    }
  }
  const { workload, valueBytes, inFlight } = plan;
  return { workload, valueBytes, inFlight, rounds };
}

/** Ours by theirs, round by round; undefined unless both took part. */
export function ratioOf(
  { rounds }: Measurement,
  figure: 'opsPerSecond' | 'p50Us',
  ours: string,
  theirs: string,
): Spread | undefined {
  const [mine, other] = [rounds[ours], rounds[theirs]].map((side) => side?.map((of) => of[figure]));
  return mine && other && ratiosOf(mine, other);
}

async function measureRound(subject: Subject, plan: MeasurePlan, round: number): Promise<RoundFigures> {
  const before = await subject.usage();
  const report = await subject.load(loadOf(subject, plan, plan.seconds, round));
  const after = await subject.usage();
  const { operations, seconds, cpuUs, failures, failure, p50Us, p99Us, p999Us, maxUs } = report;
  const others = before.others && after.others && after.others.cpuUs - before.others.cpuUs;
  const perOperation = (us: number) => us / Math.max(1, operations);
  return {
    opsPerSecond: operations / seconds,
    operations,
    failures,
    failure,
    p50Us,
    p99Us,
    p999Us,
    maxUs,
    callerCpuUs: perOperation(cpuUs),
    allCpuUs: others === undefined ? null : perOperation(cpuUs + others),
    callerRssBytes: after.caller.rssBytes,
    allRssBytes: after.others ? after.caller.rssBytes + after.others.rssBytes : null,
    loopDelayP99Ms: report.loopDelayP99Ms,
  };
}

/** All sides of a round get the same seed: the same keys in the same order. */
function loadOf(subject: Subject, plan: MeasurePlan, seconds: number, round: number) {
  const { workload, valueBytes, inFlight } = plan;
  return {
    workload,
    valueBytes,
    inFlight,
    seconds,
    keys: plan.keysOf(subject),
    seed: plan.seed + round,
    insertPrefix: `${subject.name}-${valueBytes}-${inFlight}-${round}-`,
  };
}
