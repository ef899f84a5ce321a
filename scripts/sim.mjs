/** Runs random lives of the store: one to read (`--seed N`), or many (`--seeds N --first S --jobs J`). */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { describeFindings, runEventualScenario } from 'nestjs-dkv/testing';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string', default: '1000' },
    first: { type: 'string', default: '1' },
    jobs: { type: 'string', default: '1' },
  },
});
const PROGRESS_EVERY = 100;
/** Lines of the trace that a replay shows. */
const TRACE_LINES = 2_000;

if (values.seed !== undefined) {
  process.exitCode = (await replay(whole('seed', values.seed))) ? 0 : 1;
} else {
  const seeds = whole('seeds', values.seeds);
  const first = whole('first', values.first);
  const jobs = whole('jobs', values.jobs);
  process.exitCode = (await (jobs > 1 ? spread(first, seeds, jobs) : runMany(first, seeds))) ? 0 : 1;
}

function whole(name, text) {
  if (!/^\d{1,12}$/.test(text)) {
    console.error(`--${name} is ${text}: give a whole number.`);
    process.exit(2);
  }
  return Number(text);
}

async function replay(seed) {
  const result = await runEventualScenario(seed, { traceLinesMax: TRACE_LINES });
  console.log(result.trace.join('\n'));
  console.log(summary(result));
  console.log(describeFindings(result.findings));
  return result.findings.length === 0;
}

async function runMany(first, seeds) {
  const failed = [];
  for (let seed = first; seed < first + seeds; seed++) {
    const result = await runEventualScenario(seed);
    if (result.findings.length > 0) {
      failed.push(seed);
      console.log(`${summary(result)}\n${describeFindings(result.findings)}`);
    }
    if ((seed - first + 1) % PROGRESS_EVERY === 0 || seed === first + seeds - 1) {
      console.log(`${seed - first + 1} of ${seeds} seeds from ${first}, ${failed.length} with findings`);
    }
  }
  if (failed.length > 0) {
    console.log(`Failing seeds: ${failed.join(', ')}. Replay one: npm run sim -- --seed ${failed[0]}`);
  }
  return failed.length === 0;
}

/** Each job is a process of its own with its share of the seeds. */
async function spread(first, seeds, jobs) {
  const share = Math.ceil(seeds / jobs);
  const codes = await Promise.all(
    Array.from({ length: jobs }, (_, job) => {
      const from = first + job * share;
      const count = Math.max(0, Math.min(share, first + seeds - from));
      const args = [fileURLToPath(import.meta.url), '--first', String(from), '--seeds', String(count)];
      const child = spawn(process.execPath, args, { stdio: 'inherit' });
      return new Promise((resolve) => child.on('close', resolve));
    }),
  );
  return codes.every((code) => code === 0);
}

function summary({ seed, operations, acknowledged, faults, events, findings }) {
  return (
    `seed ${seed}: ${operations} operations (${acknowledged} acknowledged), ${faults} faults, ${events} events, ` +
    `${findings.length} findings`
  );
}
