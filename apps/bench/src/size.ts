/** Few keys against many: what a store that has outgrown its memory costs, and how long its nodes take to start. */
import { readFile, writeFile } from 'node:fs/promises';
import { type Measurement, measure } from './measurement.js';
import { type SizeOptions } from './options.js';
import { OurCluster } from './ours/our-cluster.js';
import { fillTelling, say, tellProgress } from './output.js';
import { type Belongings } from './processes/belongings.js';
import { describeMachine, machineLine } from './report/machine.js';
import { short, whole } from './report/number-format.js';
import { type Results } from './report/results.js';
import { type SizeResults, sizeTable } from './report/size-results.js';

const IN_FLIGHT = 256;
const WARM_UP_SECONDS = 3;
/** Of writes before all processes are killed: their logs are as long then as they get. */
const LOG_SECONDS = 10;
/** The engines go on merging what many keys have left; what that takes is of the filling, not of what is measured. */
const QUIET_SECONDS_MAX = 120;

export async function size(options: SizeOptions, belongings: Belongings): Promise<void> {
  const { few, many, valueBytes, rounds, seconds, seed, json } = options;
  const machine = describeMachine();
  tellProgress(machineLine(machine));
  const cluster = await OurCluster.start('ours', belongings);
  const place = 'held';
  const used = async (keys: number): Promise<readonly Measurement[]> => {
    const measurements: Measurement[] = [];
    for (const workload of ['write', 'read-held'] as const) {
      const plan = { workload, inFlight: IN_FLIGHT, keys, valueBytes, rounds, seconds, seed };
      measurements.push(await measure([cluster], { ...plan, warmUpSeconds: WARM_UP_SECONDS }));
    }
    return measurements;
  };
  await fillTelling(cluster, { keys: few, valueBytes, place });
  const alone = await used(few);
  await fillTelling(cluster, { from: few, keys: many, valueBytes, place });
  // Used by then, all of them: what is measured is not how they come back into memory.
  await fillTelling(cluster, { keys: few, valueBytes, place });
  await cluster.quiet(QUIET_SECONDS_MAX);
  const same = await used(few);
  const all = await used(many);

  tellProgress('Starting again …');
  await cluster.stop();
  const startSeconds = await cluster.startNodes();
  const plan = { workload: 'write', inFlight: IN_FLIGHT, keys: many, valueBytes, seed } as const;
  await cluster.load({ ...plan, seconds: LOG_SECONDS });
  await cluster.kill();
  const recoverySeconds = await cluster.startNodes();
  tellProgress(`  ready after ${short(startSeconds)} s, after kill -9 ${short(recoverySeconds)} s`);

  const results: SizeResults = { few, many, alone, same, all, startSeconds, recoverySeconds };
  say(`${whole(few)} keys against ${whole(many)}, ${machineLine(machine)}\n`);
  say(sizeTable(results));
  if (json !== undefined) {
    const compared = JSON.parse(await readFile(json, 'utf8')) as Results;
    await writeFile(json, `${JSON.stringify({ ...compared, size: results }, null, 1)}\n`);
  }
}
