/** The comparison: ours and theirs, workload by workload. */
import { writeFile } from 'node:fs/promises';
import { type Measurement, measure } from './measurement.js';
import { type CompareOptions } from './options.js';
import { OurCluster } from './ours/our-cluster.js';
import { fillTelling, say, tellProgress } from './output.js';
import { type Belongings } from './processes/belongings.js';
import { NotThereError } from './processes/not-there-error.js';
import { type Subject } from './processes/subject.js';
import { spreadOf } from './report/figures.js';
import { describeMachine, machineLine } from './report/machine.js';
import { whole } from './report/number-format.js';
import { type Results, shortTable, warningsOf } from './report/results.js';
import { startPeer } from './theirs/peers.js';
import { isOurs, KEY_PLACES, type SubjectName, type WorkloadName, workloadOf } from './workloads.js';

/** For the estimate alone. */
const STAGE_SECONDS = 30;

export async function compare(options: CompareOptions, belongings: Belongings): Promise<void> {
  const machine = describeMachine();
  tellProgress(machineLine(machine));
  const stages = stagesOf(options.only);
  tellProgress(`This takes about ${Math.ceil(estimateSeconds(stages, options) / 60)} minutes.`);
  const measurements: Measurement[] = [];
  const missing: Partial<Record<SubjectName, string>> = {};
  for (const workloads of stages) {
    const part = belongings.part();
    try {
      measurements.push(...(await runStage(workloads, options, missing, part)));
    } finally {
      await part.end();
    }
  }
  const { keys, valueBytes, rounds, seconds } = options;
  const results: Results = { machine, keys, valueBytes, rounds, seconds, missing, measurements };
  say(shortTable(results));
  warningsOf(results).forEach((line) => say(line));
  if (options.json !== undefined) {
    await writeFile(options.json, `${JSON.stringify(results, null, 1)}\n`);
  }
}

async function runStage(
  workloads: readonly WorkloadName[],
  options: CompareOptions,
  missing: Partial<Record<SubjectName, string>>,
  belongings: Belongings,
): Promise<readonly Measurement[]> {
  const { keys, rounds, seconds, warmUpSeconds, seed, valueBytes } = options;
  const asked = workloads.map(workloadOf);
  const names = [...new Set(asked.flatMap((of) => subjectsOf(of.subjects, options)))];
  tellProgress(`${workloads.join(', ')}: starting ${names.join(', ')} …`);
  const subjects: Subject[] = [];
  for (const name of names) {
    try {
      subjects.push(
        isOurs(name) ? await OurCluster.start(name, belongings) : await startPeer(name, belongings),
      );
    } catch (error) {
      if (isOurs(name) && !(error instanceof NotThereError)) {
        throw error;
      }
      missing[name] = (error as Error).message;
      tellProgress(`*** ${name} IS NOT MEASURED: ${missing[name]}`);
    }
  }
  for (const place of KEY_PLACES) {
    const users = asked.filter((of) => of.place === place).flatMap((of) => of.subjects);
    for (const subject of subjects.filter(({ name }) => users.includes(name))) {
      await fillTelling(subject, { keys, valueBytes, place });
    }
  }
  const measurements: Measurement[] = [];
  for (const workload of workloads) {
    const of = workloadOf(workload);
    const sides = subjects.filter(({ name }) => of.subjects.includes(name));
    for (const inFlight of of.inFlight) {
      const plan = { workload, inFlight, keys, valueBytes, rounds, seconds, warmUpSeconds, seed };
      const measurement = await measure(sides, plan);
      measurements.push(measurement);
      tellProgress(`  ${workload}, ${inFlight} in flight: ${describe(measurement)}`);
    }
  }
  return measurements;
}

function describe({ rounds }: Measurement): string {
  return Object.entries(rounds)
    .map(([name, of]) => `${name} ${whole(spreadOf(of.map(({ opsPerSecond }) => opsPerSecond)).median)}/s`)
    .join(', ');
}

function subjectsOf(names: readonly SubjectName[], { oursOnly }: CompareOptions): readonly SubjectName[] {
  return oursOnly ? names.filter(isOurs) : names;
}

/** Workloads that are asked of the same cluster of ours: idle processes of others would take of its CPU. */
function stagesOf(only: readonly WorkloadName[]): readonly (readonly WorkloadName[])[] {
  const ours = [...new Set(only.map((name) => workloadOf(name).subjects[0]))];
  return ours.map((first) => only.filter((name) => workloadOf(name).subjects[0] === first));
}

function estimateSeconds(stages: readonly (readonly WorkloadName[])[], options: CompareOptions): number {
  const windows = stages
    .flat()
    .map(workloadOf)
    .reduce((sum, { inFlight, subjects }) => sum + inFlight.length * subjectsOf(subjects, options).length, 0);
  const { rounds, seconds, warmUpSeconds } = options;
  return stages.length * STAGE_SECONDS + windows * (rounds * seconds + warmUpSeconds);
}
