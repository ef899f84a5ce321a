/** What the store shall reach, each compared with what was measured in this run. */
import { type Measurement, ratioOf } from '../measurement.js';
import { type Peer, type WorkloadName } from '../workloads.js';
import { spreadOf } from './figures.js';
import { short } from './number-format.js';

const VALUE_BYTES = 100;
const LOADED = 256;
const LOOP_DELAY_MS_MAX = 20;

/** Ours by theirs, in operations a second or in the median latency. */
interface RatioTarget {
  readonly what: string;
  readonly workload: WorkloadName;
  readonly peer: Peer;
  readonly inFlight: number;
  readonly figure: 'opsPerSecond' | 'p50Us';
  readonly atLeast?: number;
  readonly atMost?: number;
}

const THROUGHPUT = { inFlight: LOADED, figure: 'opsPerSecond' } as const;
const LATENCY = { inFlight: 1, figure: 'p50Us' } as const;
const GETS = 'redis-autopipelining';

const RATIO_TARGETS: readonly RatioTarget[] = [
  { what: 'read of a held key', workload: 'read-held', peer: GETS, ...THROUGHPUT, atLeast: 5 },
  { what: 'read of a held key, p50', workload: 'read-held', peer: GETS, ...LATENCY, atMost: 1 / 20 },
  {
    what: 'read of a key held elsewhere',
    workload: 'read-elsewhere',
    peer: GETS,
    ...THROUGHPUT,
    atLeast: 1.5,
  },
  {
    what: 'read of a key held elsewhere, p50',
    workload: 'read-elsewhere',
    peer: GETS,
    ...LATENCY,
    atMost: 1.3,
  },
  { what: 'write, majority of 3', workload: 'write', peer: GETS, ...THROUGHPUT, atLeast: 1 },
  { what: 'write, majority of 3', workload: 'write', peer: 'redis-wait-1', ...THROUGHPUT, atLeast: 3 },
  {
    what: 'write with fsync on every node',
    workload: 'write-fsync',
    peer: 'redis-appendfsync-always',
    ...THROUGHPUT,
    atLeast: 3,
  },
];

/** `null`: this run did not measure it. */
export interface TargetOutcome {
  readonly target: string;
  readonly measured: string;
  readonly met: boolean | null;
}

/** Each target with what these measurements say of it. @param ours the name of our side */
export function targetOutcomes(measurements: readonly Measurement[], ours: string): readonly TargetOutcome[] {
  return [
    ...RATIO_TARGETS.map((target) => ratioOutcome(target, measurements, ours)),
    loopDelayOutcome(measurements, ours),
  ];
}

export function outcomeLine({ target, measured, met }: TargetOutcome): string {
  return `${met === null ? 'not measured' : met ? 'met         ' : 'MISSED      '}  ${target}: ${measured}`;
}

function ratioOutcome(
  target: RatioTarget,
  measurements: readonly Measurement[],
  ours: string,
): TargetOutcome {
  const { what, workload, peer, inFlight, figure, atLeast, atMost } = target;
  const limit = atLeast === undefined ? `≤ ${short(atMost!)} ×` : `≥ ${short(atLeast)} ×`;
  const name = `${what}, ${inFlight} in flight, ${limit} ${peer}`;
  const found = measurements.find(
    (of) => of.workload === workload && of.inFlight === inFlight && of.valueBytes === VALUE_BYTES,
  );
  const ratio = found && ratioOf(found, figure, ours, peer);
  // Also where one side did nothing but fail.
  if (!ratio || !Number.isFinite(ratio.median)) {
    return { target: name, measured: '–', met: null };
  }
  const met = atLeast === undefined ? ratio.median <= atMost! : ratio.median >= atLeast;
  const measured = `${short(ratio.median)} × (${short(ratio.min)}–${short(ratio.max)})`;
  return { target: name, measured, met };
}

/** The worst of our loads at that many in flight. */
function loopDelayOutcome(measurements: readonly Measurement[], ours: string): TargetOutcome {
  const target = `event-loop delay p99 of the loaded node, ${LOADED} in flight, ≤ ${LOOP_DELAY_MS_MAX} ms`;
  const delays = measurements
    .filter((of) => of.inFlight === LOADED && of.valueBytes === VALUE_BYTES && of.rounds[ours])
    .map(({ workload, rounds }) => ({
      workload,
      delayMs: spreadOf(rounds[ours]!.map(({ loopDelayP99Ms }) => loopDelayP99Ms)).median,
    }))
    .sort((a, b) => b.delayMs - a.delayMs);
  const [worst] = delays;
  if (!worst) {
    return { target, measured: '–', met: null };
  }
  const measured = `${short(worst.delayMs)} ms (${worst.workload}, the worst of ${delays.length} workloads)`;
  return { target, measured, met: worst.delayMs <= LOOP_DELAY_MS_MAX };
}
