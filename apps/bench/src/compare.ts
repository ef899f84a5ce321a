/** The comparison: ours and Redis, workload by workload, and what came of the targets. */
import { type Cell, type Measurement, measure } from './measurement.js';
import { type CompareOptions } from './options.js';
import { OurCluster } from './ours/our-cluster.js';
import { fillTelling, say, tellProgress } from './output.js';
import { type Belongings } from './processes/belongings.js';
import { type Subject } from './processes/subject.js';
import { spreadOf } from './report/figures.js';
import { writeJson } from './report/json-file.js';
import { describeMachine, machineLine } from './report/machine.js';
import { valueSize, whole } from './report/number-format.js';
import { failuresOf, resultsTable } from './report/results-table.js';
import { outcomeLine, targetOutcomes } from './report/targets.js';
import { redisVersion } from './theirs/redis-server.js';
import { startPeers } from './theirs/redis-peers.js';
import { KEY_PLACES, PEERS, workloadOf } from './workloads.js';

export const OURS = 'ours';
const WARM_UP_SECONDS = 0.5;
/** For the estimate alone: starting and stopping the processes of a stage, and keys written a second. */
const STAGE_SECONDS = 8;
const FILLED_PER_SECOND = 8_000;

/** What runs on the same processes: of one size of values and one durability. */
interface Stage {
  readonly valueBytes: number;
  readonly durability: 'wal' | 'fsync';
  readonly workloads: CompareOptions['only'];
}

export async function compare(options: CompareOptions, belongings: Belongings): Promise<void> {
  const machine = describeMachine(options.oursOnly ? null : redisVersion());
  const stages = stagesOf(options);
  tellProgress(machineLine(machine));
  tellProgress(`This takes about ${Math.ceil(estimateSeconds(stages, options) / 60)} minutes.`);

  const measurements: Measurement[] = [];
  for (const stage of stages) {
    const part = belongings.part();
    try {
      measurements.push(...(await runStage(stage, options, part)));
    } finally {
      await part.end();
    }
  }
  const targets = targetOutcomes(measurements, OURS);
  print(measurements, options, machineLine(machine));
  targets.forEach((outcome) => say(outcomeLine(outcome)));
  say('not measured  throughput with many keys on disk: npm run bench -- big-store');
  if (options.json !== undefined) {
    await writeJson(options.json, { machine, options, targets, measurements });
  }
}

async function runStage(
  { valueBytes, durability, workloads }: Stage,
  options: CompareOptions,
  belongings: Belongings,
): Promise<readonly Measurement[]> {
  const { keys, rounds, seconds, seed } = options;
  const asked = workloads.map(workloadOf);
  const peers = options.oursOnly ? [] : PEERS.filter((peer) => asked.some((of) => of.peers.includes(peer)));
  tellProgress(
    `Values of ${valueSize(valueBytes)}, ${durability}: starting ${[OURS, ...peers].join(', ')} …`,
  );
  const ours = await OurCluster.start({ folder: belongings.folder(), durability, name: OURS }, belongings);
  const subjects: readonly Subject[] = [ours, ...(await startPeers(peers, belongings))];
  for (const place of KEY_PLACES.filter((each) => asked.some((of) => of.place === each))) {
    for (const subject of subjects) {
      await fillTelling(subject, { keys, valueBytes, place });
    }
  }
  const measurements: Measurement[] = [];
  for (const workload of workloads) {
    const sides = subjects.filter(
      (subject) => subject === ours || workloadOf(workload).peers.some((peer) => peer === subject.name),
    );
    for (const inFlight of options.inFlight) {
      const cell: Cell = { workload, valueBytes, inFlight };
      const plan = { ...cell, keysOf: () => keys, rounds, seconds, seed };
      const measurement = await measure(sides, {
        ...plan,
        warmUpSeconds: Math.min(WARM_UP_SECONDS, seconds),
      });
      measurements.push(measurement);
      tellProgress(`  ${workload}, ${inFlight} in flight: ${describe(measurement)}`);
    }
  }
  return measurements;
}

function print(
  measurements: readonly Measurement[],
  { rounds, seconds, keys }: CompareOptions,
  machine: string,
) {
  say(machine);
  say(
    `${whole(keys)} keys; each figure is the median of ${rounds} rounds of ${seconds} s, in which the sides take turns.`,
  );
  say('Loop delay: monitorEventLoopDelay with a resolution of 1 ms, which its figures contain.\n');
  say(resultsTable(measurements, OURS));
  const failures = failuresOf(measurements);
  failures.forEach((line) => say(`FAILED: ${line}`));
  say('');
}

function describe({ rounds }: Measurement): string {
  return Object.entries(rounds)
    .map(([name, of]) => `${name} ${whole(spreadOf(of.map(({ opsPerSecond }) => opsPerSecond)).median)}/s`)
    .join(', ');
}

function stagesOf({ values, only }: CompareOptions): readonly Stage[] {
  return values.flatMap((valueBytes) =>
    (['wal', 'fsync'] as const)
      .map((durability) => ({
        valueBytes,
        durability,
        workloads: only.filter((name) => workloadOf(name).durability === durability),
      }))
      .filter(({ workloads }) => workloads.length > 0),
  );
}

function estimateSeconds(stages: readonly Stage[], options: CompareOptions): number {
  const { inFlight, keys, rounds, seconds, oursOnly } = options;
  const ofOneSide = inFlight.length * (rounds * seconds + Math.min(WARM_UP_SECONDS, seconds));
  return stages.reduce((sum, { workloads }) => {
    const of = workloads.map(workloadOf);
    const sides = of.reduce((count, { peers }) => count + 1 + (oursOnly ? 0 : peers.length), 0);
    const places = new Set(of.map(({ place }) => place)).size;
    return sum + STAGE_SECONDS + (places * keys) / FILLED_PER_SECOND + sides * ofOneSide;
  }, 0);
}
