/** A store with many keys on disk: how soon a node of it is ready, and what it still does beside one with few. */
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Measurement, measure, ratioOf } from './measurement.js';
import { type BigStoreOptions, UsageError } from './options.js';
import { OurCluster } from './ours/our-cluster.js';
import { prefill } from './ours/prefilling.js';
import { fillTelling, say, tellProgress } from './output.js';
import { type Belongings } from './processes/belongings.js';
import { type Subject } from './processes/subject.js';
import { spreadOf } from './report/figures.js';
import { writeJson } from './report/json-file.js';
import { describeMachine, machineLine } from './report/machine.js';
import { megabytes, short, valueSize, whole } from './report/number-format.js';
import { failuresOf, resultsTable } from './report/results-table.js';
import { outcomeLine, type TargetOutcome } from './report/targets.js';

const BIG = 'big';
const SMALL = 'small';
const WORKLOADS = ['write', 'read-held'] as const;
/** Of which keys operations are: as many in both stores, or all that a store has, each as often as the others. */
const USED = { same: 'the same keys in use', all: 'all keys in use' } as const;
type Used = keyof typeof USED;
const WARM_UP_SECONDS = 2;
const THROUGHPUT_RATIO_MIN = 0.8;
const READY_MS_MAX = 5_000;
/** Says what a folder was filled with; written when it is full. */
const NOTE = 'bench.json';

/** Milliseconds from a process's start until its node was ready. */
interface Readiness {
  readonly allAtOnceMs: readonly number[];
  /** One node, while the others run. */
  readonly oneAloneMs: number;
}

export async function bigStore(options: BigStoreOptions, belongings: Belongings): Promise<void> {
  const { keys, keysBig, valueBytes, inFlight, rounds, seconds, seed } = options;
  const folder = options.data === undefined ? belongings.folder() : resolve(options.data);
  await fillUnlessFull(folder, options, belongings);

  tellProgress('Starting the big store again …');
  const big = await OurCluster.start({ folder, durability: 'wal', name: BIG }, belongings);
  const readiness: Readiness = { allAtOnceMs: big.startedMs, oneAloneMs: await big.restart(1) };
  tellProgress('Starting the small store …');
  const small = await OurCluster.start(
    { folder: belongings.folder(), durability: 'wal', name: SMALL },
    belongings,
  );
  // Through the store itself, both: so that the same keys are in memory.
  for (const subject of [small, big]) {
    await fillTelling(subject, { keys, valueBytes, place: 'held' });
  }

  const compare = async (used: Used): Promise<readonly Measurement[]> => {
    const measurements: Measurement[] = [];
    for (const workload of WORKLOADS) {
      tellProgress(`Comparing, ${USED[used]}: ${workload} …`);
      const keysOf = (subject: Subject) => (subject === big && used === 'all' ? keysBig : keys);
      const plan = { workload, valueBytes, inFlight, keysOf, rounds, seconds, seed };
      measurements.push(
        await measure([big, small], { ...plan, warmUpSeconds: Math.min(WARM_UP_SECONDS, seconds) }),
      );
    }
    return measurements;
  };
  const same = await compare('same');
  const all = await compare('all');
  const machine = describeMachine(null);
  const targets = [
    ...same.map((one) => throughputOutcome(one, 'same')),
    ...all.map((one) => throughputOutcome(one, 'all')),
    readyOutcome(readiness),
  ];
  say(machineLine(machine));
  say(
    `big: ${whole(keysBig)} keys of ${valueSize(valueBytes)} on each of three nodes; small: ${whole(keys)}.\n`,
  );
  say(`Operations on ${whole(keys)} keys in both stores:\n`);
  say(resultsTable(same, BIG));
  say('\nOperations on all keys of each store:\n');
  say(resultsTable(all, BIG));
  failuresOf([...same, ...all]).forEach((line) => say(`FAILED: ${line}`));
  say('');
  say(describeMemory(all, keysBig - keys));
  targets.forEach((outcome) => say(outcomeLine(outcome)));
  if (options.json !== undefined) {
    await writeJson(options.json, { machine, options, targets, readiness, same, all });
  }
}

/** Fills an empty folder; takes one that this command filled before with the same; refuses any other. */
async function fillUnlessFull(
  folder: string,
  { keysBig, valueBytes }: BigStoreOptions,
  belongings: Belongings,
): Promise<void> {
  const note = JSON.stringify({ keysBig, valueBytes });
  const file = join(folder, NOTE);
  await mkdir(folder, { recursive: true });
  if (existsSync(file)) {
    const found = readFileSync(file, 'utf8').trim();
    if (found !== note) {
      throw new UsageError(
        `${folder} was filled with ${found}, not ${note}: ask for the same, or give another folder.`,
      );
    }
    tellProgress(`${folder} is filled already.`);
    return;
  }
  if ((await readdir(folder)).length > 0) {
    throw new UsageError(
      `${folder} is not empty and was not filled by this command to its end: give another one.`,
    );
  }
  tellProgress(`Filling ${folder} …`);
  const part = belongings.part();
  try {
    await prefill(folder, { keys: keysBig, valueBytes }, part);
  } finally {
    await part.end();
  }
  await writeFile(file, `${note}\n`);
}

function throughputOutcome(measurement: Measurement, used: Used): TargetOutcome {
  const ratio = ratioOf(measurement, 'opsPerSecond', BIG, SMALL)!;
  return {
    target: `throughput with many keys, ${measurement.workload}, ${USED[used]}, ≥ ${short(THROUGHPUT_RATIO_MIN)} × with few`,
    measured: `${short(ratio.median)} × (${short(ratio.min)}–${short(ratio.max)})`,
    met: ratio.median >= THROUGHPUT_RATIO_MIN,
  };
}

/** The slowest start counts, though three that start at once share the cores of one machine. */
function readyOutcome({ allAtOnceMs, oneAloneMs }: Readiness): TargetOutcome {
  const worstMs = Math.max(oneAloneMs, ...allAtOnceMs);
  return {
    target: `a node with many keys is ready in ≤ ${READY_MS_MAX / 1e3} s from its process's start`,
    measured:
      `${short(oneAloneMs / 1e3)} s while the others run, ` +
      `${allAtOnceMs.map((ms) => short(ms / 1e3)).join(', ')} s when all start at once`,
    met: worstMs <= READY_MS_MAX,
  };
}

/** After the last workload, of all three nodes. */
function describeMemory(measurements: readonly Measurement[], keysMore: number): string {
  const { rounds } = measurements[measurements.length - 1]!;
  const [big, small] = [BIG, SMALL].map(
    (name) => spreadOf(rounds[name]!.map(({ allRssBytes }) => allRssBytes ?? 0)).median,
  );
  return (
    `RSS of three nodes: big ${megabytes(big!)} MB, small ${megabytes(small!)} MB: ` +
    `${short((big! - small!) / 3 / Math.max(1, keysMore))} bytes for each key more, on each node.`
  );
}
