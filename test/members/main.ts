/** The command line of the figures of members that change. */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { type MembersResult, type PhaseResult, runMembers } from './members-run.js';

const USAGE = 'npm run members -- [--keys 100000] [--clients 16] [--before 30] [--seed N] [--report FILE]';
const CLIENTS_MAX = 200;
const KEYS_MAX = 10_000_000;
const SECONDS_MAX = 86_400;

/** The exit code: 0 when nothing was lost and no read was stale, 1 otherwise, 2 for a wrong argument. */
export async function runCommand(args: readonly string[], say: (line: string) => void): Promise<number> {
  let values: ReturnType<typeof valuesOf>;
  try {
    values = valuesOf(args);
  } catch (error) {
    say(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
    return 2;
  }
  const { keys, clients, before, seed, report } = values;
  say(`${keys} keys, ${clients} clients, seed ${seed}`);
  const result = await runMembers({ keys, clients, beforeMs: before * 1000, seed, say });
  const table = describeMembers(result);
  say(`\n${table}`);
  if (report !== undefined) {
    await writeFile(report, `${table}\n`);
  }
  return result.lostWrites + result.staleReads + result.wrongConflicts === 0 ? 0 : 1;
}

function describeMembers({ before, changes, lostWrites, staleReads, wrongConflicts }: MembersResult): string {
  const base = before.tally;
  const rows: [string, ...string[]][] = [
    ['', before.name, ...changes.map(({ name }) => name)],
    rowOf('seconds', ({ tally }) => tally.seconds.toFixed(1)),
    rowOf('operations a second', ({ tally }) => tally.perSecond.toFixed(0)),
    rowOf('  ÷ before', ({ tally }) => (tally.perSecond / base.perSecond).toFixed(2)),
    rowOf('p99, ms', ({ tally }) => tally.p99Ms.toFixed(1)),
    rowOf('  ÷ before', ({ tally }) => (tally.p99Ms / base.p99Ms).toFixed(2)),
    rowOf('copies moved', ({ moved }) => String(moved)),
    rowOf('  ÷ ideal', ({ moved, ideal }) => (ideal === 0 ? '-' : (moved / ideal).toFixed(2))),
    ...codesOf([before, ...changes]).map((code) =>
      rowOf(code, ({ tally }) => String(tally.failures.get(code) ?? 0)),
    ),
  ];
  function rowOf(name: string, figure: (phase: PhaseResult) => string): [string, ...string[]] {
    return [name, ...[before, ...changes].map(figure)];
  }
  const width = Math.max(...rows.map(([name]) => name.length));
  const table = rows.map(([name, ...figures]) =>
    [name.padEnd(width), ...figures.map((figure) => figure.padStart(9))].join('  '),
  );
  return [
    ...table,
    `lost writes ${lostWrites}, stale linearizable reads ${staleReads}, wrong conflicts ${wrongConflicts}`,
  ].join('\n');
}

function codesOf(phases: readonly PhaseResult[]): readonly string[] {
  return [...new Set(phases.flatMap(({ tally }) => [...tally.failures.keys()]))].sort();
}

/** @throws TypeError for an option that there is not, RangeError for a value that is not allowed */
function valuesOf(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      keys: { type: 'string', default: '100000' },
      clients: { type: 'string', default: '16' },
      before: { type: 'string', default: '30' },
      seed: { type: 'string', default: '1' },
      report: { type: 'string' },
    },
  });
  const { seed, report } = values;
  const whole = (name: 'keys' | 'clients' | 'before', max: number): number => {
    const number = Number(values[name]);
    if (!(Number.isInteger(number) && number > 0 && number <= max)) {
      throw new RangeError(`--${name} is ${values[name]}: give a whole number from 1 to ${max}.`);
    }
    return number;
  };
  const clients = whole('clients', CLIENTS_MAX);
  const keys = whole('keys', KEYS_MAX);
  if (keys < clients) {
    throw new RangeError(`--keys is ${keys}: each of the ${clients} clients needs one.`);
  }
  return { keys, clients, before: whole('before', SECONDS_MAX), seed, report };
}
