/** Profiles our side under one workload: a file for an editor or DevTools, and its top rows as a table. */
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type ProfileOptions } from './options.js';
import { OurCluster } from './ours/our-cluster.js';
import { fillTelling, say, tellProgress } from './output.js';
import { type Belongings } from './processes/belongings.js';
import { type CpuProfile, selfTimes } from './report/cpu-profile.js';
import { describeMachine, machineLine } from './report/machine.js';
import { markdownTable } from './report/markdown-table.js';
import { short, valueSize, whole } from './report/number-format.js';
import { workloadOf } from './workloads.js';

const WARM_UP_SECONDS = 3;

export async function profile(options: ProfileOptions, belongings: Belongings): Promise<void> {
  const { workload, valueBytes, inFlight, keys, seconds, seed, nodes, out, top } = options;
  const { place, subjects } = workloadOf(workload);
  tellProgress('Starting three nodes …');
  const cluster = await OurCluster.start(subjects[0], belongings);
  await fillTelling(cluster, { keys, valueBytes, place });
  const plan = { workload, keys, valueBytes, inFlight };
  await cluster.load({ ...plan, seconds: WARM_UP_SECONDS, seed });

  tellProgress(`Profiling ${seconds} s …`);
  await mkdir(out, { recursive: true });
  await Promise.all(nodes.map((node) => cluster.node(node).ask('begin-profile', null)));
  const { report, caller } = await cluster.load({ ...plan, seconds, seed: seed + 1 });
  const files = nodes.map((node) => ({ node, file: join(out, `${workload}-node${node}.cpuprofile`) }));
  await Promise.all(files.map(({ node, file }) => cluster.node(node).ask('end-profile', file)));

  say(machineLine(describeMachine()));
  say(
    `${workload}, ${valueSize(valueBytes)}, ${inFlight} in flight, ${seconds} s: ` +
      `${whole(report.operations / report.seconds)} ops/s under the profiler, p50 ${short(report.p50Us)} µs, ` +
      `${short(caller.cpuUs / Math.max(1, report.operations))} µs CPU/op of the loaded node, ` +
      `${report.failures} failed${report.failure === undefined ? '' : ` (${report.failure})`}`,
  );
  for (const { node, file } of files) {
    say(`\nnode ${node}${node === 1 ? ' (loaded)' : ''}: ${file}\n`);
    say(topRows(JSON.parse(readFileSync(file, 'utf8')) as CpuProfile, top));
  }
}

/** Per cent of the whole time, idle included, so that two profiles can be compared. */
function topRows(cpuProfile: CpuProfile, top: number): string {
  const rows = selfTimes(cpuProfile)
    .slice(0, top)
    .map(({ name, place, share, selfUs }) => [(100 * share).toFixed(1), whole(selfUs / 1e3), name, place]);
  return markdownTable(
    [
      { title: 'self %', align: 'right' },
      { title: 'self ms', align: 'right' },
      { title: 'function' },
      { title: 'place' },
    ],
    rows,
  );
}
