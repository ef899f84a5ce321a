/**
 * Runs the simulation of the store: one to read (`--seed N`), or many (`--seeds N --first S --jobs J`): in one process as far as
 * that goes, since its code is compiled by the time that twenty of them take.
 * SIM_PREPARED=1 runs what is built already.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build, install, main as run } from './workspace.mjs';

const MODES = ['strong', 'members', 'eventual', 'raft'];
const USAGE = `npm run sim -- [options]
  --mode strong|eventual|raft      what the cluster serves, or one Raft group alone; several: strong,raft (default: every mode)
         members                   strong, while nodes join and leave
  --seed N                         one seed, with its trace, with as few faults as still fail
  --seeds N --first S,T            so many, from there on, and as many from there (default 1000 from 1)
  --jobs J                         in so many processes (default 1)
  --twice                          each seed twice; the traces must be the same`;

const { values } = parseArgs({
  options: {
    mode: { type: 'string', default: 'every' },
    seed: { type: 'string' },
    seeds: { type: 'string', default: '1000' },
    first: { type: 'string', default: '1' },
    jobs: { type: 'string', default: '1' },
    twice: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
/** Lines of the trace that a replay shows. */
const TRACE_LINES = 2_000;
const PROGRESS_PER_JOB = 10;

const modes = values.mode === 'every' ? MODES : values.mode.split(',');
if (values.help || !modes.every((mode) => MODES.includes(mode))) {
  console.error(USAGE);
  process.exit(values.help ? 0 : 2);
}
/** By mode: one run of a seed. What it throws is a finding like others, or nobody would know of which seed. */
let RUNS;
let describeFindings;
await run(async () => {
  if (!process.env.SIM_PREPARED) {
    await install();
    await build();
  }
  const testing = await import('nestjs-dkv/testing');
  ({ describeFindings } = testing);
  RUNS = Object.fromEntries(
    Object.entries({
      strong: testing.runStrongScenario,
      members: testing.runMembersScenario,
      eventual: testing.runEventualScenario,
      raft: async (...run) => testing.runRaftScenario(...run),
    }).map(([mode, play]) => [mode, (...run) => play(...run).catch((error) => crashed(run[0], error))]),
  );
  process.exitCode = (await main()) ? 0 : 1;
});

async function main() {
  if (values.seed !== undefined) {
    return replay(modes[0], whole('seed', values.seed));
  }
  const seeds = whole('seeds', values.seeds);
  const firsts = values.first.split(',').map((first) => whole('first', first));
  const jobs = whole('jobs', values.jobs);
  if (jobs > 1) {
    return spread(firsts, seeds, jobs);
  }
  let sound = true;
  for (const mode of modes) {
    for (const first of firsts) {
      sound = (await runMany(mode, first, seeds)) && sound;
    }
  }
  return sound;
}

function crashed(seed, error) {
  return {
    seed,
    operations: 0,
    acknowledged: 0,
    findings: [{ rule: 'crash', key: 'cluster', message: String(error.stack), operations: [] }],
  };
}

function whole(name, text) {
  if (!/^\d{1,12}$/.test(text)) {
    console.error(`--${name} is ${text}: give a whole number.`);
    process.exit(2);
  }
  return Number(text);
}

async function replay(mode, seed) {
  const faultsMax = await fewestFaults(mode, seed);
  const result = await RUNS[mode](seed, { traceLinesMax: TRACE_LINES, faultsMax });
  console.log((result.trace ?? []).join('\n'));
  console.log(summary(mode, result));
  if (faultsMax !== undefined) {
    console.log(`With its first ${faultsMax} faults alone:`);
  }
  console.log(describeFindings(result.findings));
  return result.findings.length === 0;
}

/**
 * The fewest of a failing seed's faults that still make it fail. Undefined when it does not fail, has none, or fails as a
 * whole only: once a limit is reached no chance decides about faults any more, so a run that is limited to as many
 * faults as the whole one had takes another course than that.
 */
async function fewestFaults(mode, seed) {
  const whole = await RUNS[mode](seed);
  if (whole.findings.length === 0 || !whole.faults) {
    return undefined;
  }
  for (let faultsMax = 0; faultsMax < whole.faults; faultsMax++) {
    if ((await RUNS[mode](seed, { faultsMax })).findings.length > 0) {
      return faultsMax;
    }
  }
  return undefined;
}

async function runMany(mode, first, seeds) {
  const failed = [];
  const every = Math.max(1, Math.ceil(seeds / PROGRESS_PER_JOB));
  const sums = { operations: 0, acknowledged: 0, faults: 0, recoveries: 0, isForOperator: 0 };
  for (let seed = first; seed < first + seeds; seed++) {
    const result = await RUNS[mode](seed);
    const again = values.twice ? await RUNS[mode](seed) : result;
    Object.keys(sums).forEach((name) => (sums[name] += Number(result[name] ?? 0)));
    if (result.findings.length > 0 || again.digest !== result.digest) {
      failed.push(seed);
      console.log(`${summary(mode, result)}\n${describeFindings(result.findings)}`);
      if (again.digest !== result.digest) {
        console.log(`seed ${seed} had two different traces: something outside of the seed decides.`);
      }
    }
    const done = seed - first + 1;
    if (done % every === 0 || done === seeds) {
      console.log(
        `${mode}: ${done} of ${seeds} seeds from ${first}, ${failed.length} with findings, ${sums.operations} ` +
          `operations (${sums.acknowledged} acknowledged), ${sums.faults} faults` +
          (sums.recoveries > 0 ? `, ${sums.recoveries} recoveries` : '') +
          (sums.isForOperator > 0 ? `, ${sums.isForOperator} left to an operator` : ''),
      );
    }
  }
  for (const seed of failed.slice(0, 3)) {
    const faults = await fewestFaults(mode, seed);
    const shrunk = faults === undefined ? '' : ` (its first ${faults} faults are enough)`;
    console.log(`Replay it: npm run sim -- --mode ${mode} --seed ${seed}${shrunk}`);
  }
  if (failed.length > 3) {
    console.log(`All failing seeds of ${mode}: ${failed.join(', ')}`);
  }
  return failed.length === 0;
}

/** Each job is a process of its own with its share of the seeds. */
async function spread(firsts, seeds, jobs) {
  const share = Math.ceil(seeds / jobs);
  const codes = await Promise.all(
    Array.from({ length: jobs }, (_, job) => {
      const before = job * share;
      const from = firsts.map((first) => first + before).join();
      const count = Math.max(0, Math.min(share, seeds - before));
      const args = ['--mode', values.mode, '--first', from, '--seeds', String(count)];
      const script = fileURLToPath(import.meta.url);
      const child = spawn(process.execPath, [script, ...args, ...(values.twice ? ['--twice'] : [])], {
        stdio: 'inherit',
        env: { ...process.env, SIM_PREPARED: '1' },
      });
      return new Promise((resolve) => child.on('close', resolve));
    }),
  );
  return codes.every((code) => code === 0);
}

function summary(mode, { seed, operations, acknowledged, faults = 0, findings }) {
  return (
    `${mode}, seed ${seed}: ${operations} operations (${acknowledged} acknowledged), ${faults} faults, ` +
    `${findings.length} findings`
  );
}
