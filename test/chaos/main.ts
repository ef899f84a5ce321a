/** The command line of the chaos runs. */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { type LinkChoice, type Mode } from './chaos-cluster.js';
import { describeChaosFindings, describeResult } from './chaos-report.js';
import { type ChaosResult, runChaos } from './chaos-run.js';

const USAGE = `npm run chaos -- [--minutes 10] [--mode strong|eventual|both] [--seed N] [--links netns|proxy|auto]
  [--clients 32] [--leases] [--short] [--report FILE]`;

/** The exit code: 0 when nothing was found, 1 when something was, 2 for a wrong argument. */
export async function runCommand(args: readonly string[], say: (line: string) => void): Promise<number> {
  const options = optionsOf(args);
  if (typeof options === 'string') {
    say(`${options}\n${USAGE}`);
    return 2;
  }
  const { modes, seed, links, clients, leases, short, report } = options;
  const durationMs = (options.minutes * 60_000) / modes.length;
  const results: ChaosResult[] = [];
  for (const mode of modes) {
    say(`\n${mode}: ${Math.round(durationMs / 1000)} s, seed ${seed}`);
    const result = await runChaos({ mode, seed, durationMs, short, links, clients, leases, say });
    results.push(result);
    say(`\n${describeResult(result)}\n${describeChaosFindings(result.findings)}`);
  }
  if (report !== undefined) {
    await writeFile(report, `${JSON.stringify(results, undefined, 2)}\n`);
  }
  return results.every(({ findings }) => findings.length === 0) ? 0 : 1;
}

interface Options {
  readonly minutes: number;
  readonly modes: readonly Mode[];
  readonly seed: string;
  readonly links: LinkChoice;
  readonly clients: number;
  readonly leases: boolean;
  readonly short: boolean;
  readonly report: string | undefined;
}

/** Text: what is wrong. */
function optionsOf(args: readonly string[]): Options | string {
  let values: ReturnType<typeof valuesOf>;
  try {
    values = valuesOf(args);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  const { mode, links, seed, leases, short, report } = values;
  const [minutes, clients] = [Number(values.minutes), Number(values.clients)];
  if (!(minutes > 0 && minutes <= 10_000)) {
    return `--minutes is ${values.minutes}: give a number above 0.`;
  }
  if (!(Number.isInteger(clients) && clients > 0 && clients <= 200)) {
    return `--clients is ${values.clients}: give a whole number from 1 to 200.`;
  }
  if (mode !== 'strong' && mode !== 'eventual' && mode !== 'both') {
    return `--mode is ${mode}: give strong, eventual or both.`;
  }
  if (links !== 'netns' && links !== 'proxy' && links !== 'auto') {
    return `--links is ${links}: give netns, proxy or auto.`;
  }
  const modes: readonly Mode[] = mode === 'both' ? ['strong', 'eventual'] : [mode];
  return { minutes, modes, seed, links, clients, leases, short, report };
}

/** @throws TypeError for an option that there is not */
function valuesOf(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '10' },
      mode: { type: 'string', default: 'both' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      links: { type: 'string', default: 'auto' },
      clients: { type: 'string', default: '32' },
      leases: { type: 'boolean', default: false },
      short: { type: 'boolean', default: false },
      report: { type: 'string' },
    },
  });
  return values;
}
