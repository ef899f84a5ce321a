/** The command line: every option, its default and what is allowed. */
import { parseArgs } from 'node:util';
import { WORKLOAD_NAMES, type WorkloadName } from './workloads.js';

export const USAGE = `npm run bench -- [options]                     ours and the others, taking turns, one table
npm run bench -- report [options]              docs/performance.md from what such a run wrote by --json
npm run bench -- size [options]                ours alone: few keys against many, and starting with many
npm run bench -- profile WORKLOAD [options]    a CPU profile of our side under one workload

Workloads: ${WORKLOAD_NAMES.join(', ')}

  --only A,B          these workloads (default: all)
  --value-bytes N     of the values (100)
  --keys N            keys that there are (20000)
  --rounds N          rounds, of which the median is told (5)
  --seconds S         of each side in each round (3; profile 10)
  --seed N            of the random keys (1)
  --quick             2000 keys, 3 rounds of 0.3 s, unless given: for the daily loop, not for figures to tell
  --ours-only         without the others
  --json FILE         writes everything that was measured; report: reads it (docs/performance.json)

size:
  --few N             keys at first (100000)
  --many N            keys in the end (10000000)
  --json FILE         adds what was measured to what the comparison wrote
  --value-bytes, --rounds, --seconds, --seed as above

report:
  --out FILE          what it writes (docs/performance.md)

profile:
  --in-flight N       operations at once (256)
  --node N            whose profile: 1 is the loaded node (1)
  --all               of every node
  --out DIR           where the .cpuprofile files go (.)
  --top N             rows to print (30)
  --value-bytes, --keys, --seconds, --seed as above

BENCH_PREPARED=1 runs what is built already, with the servers that are there. Data is written below TMPDIR.`;

/** The user's mistake; its message says what to do. */
export class UsageError extends Error {}

interface Common {
  readonly keys: number;
  readonly valueBytes: number;
  readonly seconds: number;
  readonly seed: number;
}

export interface CompareOptions extends Common {
  readonly command: 'compare';
  readonly only: readonly WorkloadName[];
  readonly rounds: number;
  readonly warmUpSeconds: number;
  readonly oursOnly: boolean;
  readonly json?: string;
}

export interface SizeOptions extends Omit<Common, 'keys'> {
  readonly command: 'size';
  readonly few: number;
  readonly many: number;
  readonly rounds: number;
  readonly json?: string;
}

export interface ReportOptions {
  readonly command: 'report';
  readonly json: string;
  readonly out: string;
}

export interface ProfileOptions extends Common {
  readonly command: 'profile';
  readonly workload: WorkloadName;
  readonly inFlight: number;
  /** Numbers of nodes, from 1. */
  readonly nodes: readonly number[];
  readonly out: string;
  readonly top: number;
}

export type Options =
  CompareOptions | SizeOptions | ReportOptions | ProfileOptions | { readonly command: 'help' };

const TEXT = { type: 'string' } as const;
const FLAG = { type: 'boolean' } as const;
const SHARED = { 'value-bytes': TEXT, seconds: TEXT, seed: TEXT, help: FLAG };
const COMMON = { ...SHARED, keys: TEXT };
const QUICK = { keys: '2000', rounds: '3', seconds: '0.3' };

const KEYS_MAX = 1e9;
const IN_FLIGHT_MAX = 1024;
const VALUE_BYTES_MAX = 1024 * 1024;
const WARM_UP_SECONDS_MAX = 1;

/** @param args as in `process.argv` behind the script @throws UsageError */
export function parseOptions(args: readonly string[]): Options {
  const [command, ...rest] = args;
  if (command === undefined || command.startsWith('-')) {
    return parseCompare(args);
  }
  if (command === 'profile') {
    return parseProfile(rest);
  }
  if (command === 'size') {
    return parseSize(rest);
  }
  if (command === 'report') {
    const given = parse(rest, { json: TEXT, out: TEXT, help: FLAG });
    const { json = 'docs/performance.json', out = 'docs/performance.md' } = given;
    return given.help ? { command: 'help' } : { command, json, out };
  }
  throw new UsageError(`${JSON.stringify(command)} is no command: size, report and profile are.`);
}

function parseCompare(args: readonly string[]): Options {
  const options = { ...COMMON, rounds: TEXT, json: TEXT, only: TEXT, quick: FLAG, 'ours-only': FLAG };
  const given = parse(args, options);
  if (given.help) {
    return { command: 'help' };
  }
  const from = { ...(given.quick && QUICK), ...given };
  const of = common(from, '3');
  return {
    command: 'compare',
    only: from.only === undefined ? WORKLOAD_NAMES : listOf('only', from.only).map(workload),
    rounds: number('rounds', from.rounds ?? '5', 1, 1_000),
    warmUpSeconds: Math.min(WARM_UP_SECONDS_MAX, of.seconds),
    oursOnly: from['ours-only'] ?? false,
    json: from.json,
    ...of,
  };
}

function parseSize(args: readonly string[]): Options {
  const options = { ...SHARED, few: TEXT, many: TEXT, rounds: TEXT, json: TEXT };
  const given = parse(args, options);
  if (given.help) {
    return { command: 'help' };
  }
  const few = number('few', given.few ?? '100000', 1, KEYS_MAX);
  const { valueBytes, seconds, seed } = common(given, '3');
  return {
    command: 'size',
    few,
    many: number('many', given.many ?? '10000000', few + 1, KEYS_MAX),
    rounds: number('rounds', given.rounds ?? '5', 1, 1_000),
    json: given.json,
    valueBytes,
    seconds,
    seed,
  };
}

function parseProfile(args: readonly string[]): Options {
  const [name, ...rest] = args;
  const isNamed = name !== undefined && !name.startsWith('-');
  const options = { ...COMMON, 'in-flight': TEXT, node: TEXT, all: FLAG, out: TEXT, top: TEXT };
  const given = parse(isNamed ? rest : args, options);
  if (given.help) {
    return { command: 'help' };
  }
  if (!isNamed) {
    throw new UsageError(`profile needs a workload: ${WORKLOAD_NAMES.join(', ')}.`);
  }
  return {
    command: 'profile',
    workload: workload(name),
    inFlight: number('in-flight', given['in-flight'] ?? '256', 1, IN_FLIGHT_MAX),
    nodes: given.all ? [1, 2, 3] : [number('node', given.node ?? '1', 1, 3)],
    out: given.out ?? '.',
    top: number('top', given.top ?? '30', 1, 1_000),
    ...common(given, '10'),
  };
}

type OptionTypes = Record<string, typeof TEXT | typeof FLAG>;
type Given<T extends OptionTypes> = { readonly [K in keyof T]?: T[K] extends typeof TEXT ? string : boolean };

function parse<T extends OptionTypes>(args: readonly string[], options: T): Given<T> {
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: false }).values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message} See --help.`);
  }
}

function common(given: Given<typeof COMMON>, seconds: string): Common {
  return {
    keys: number('keys', given.keys ?? '20000', 1, KEYS_MAX),
    valueBytes: number('value-bytes', given['value-bytes'] ?? '100', 1, VALUE_BYTES_MAX),
    seconds: decimal('seconds', given.seconds ?? seconds),
    seed: number('seed', given.seed ?? '1', 0, 2 ** 48),
  };
}

function listOf(option: string, text: string): readonly string[] {
  const list = text.split(',').map((part) => part.trim());
  const twice = list.find((part, index) => list.indexOf(part) !== index);
  if (twice !== undefined) {
    throw new UsageError(`--${option} names ${JSON.stringify(twice)} twice.`);
  }
  return list;
}

function workload(name: string): WorkloadName {
  const known = WORKLOAD_NAMES.find((each) => each === name);
  if (!known) {
    throw new UsageError(`${JSON.stringify(name)} is no workload: ${WORKLOAD_NAMES.join(', ')} are.`);
  }
  return known;
}

function number(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min || value > max) {
    throw new UsageError(
      `--${option} is ${JSON.stringify(text)}: give a whole number from ${min} to ${max}.`,
    );
  }
  return value;
}

function decimal(option: string, text: string): number {
  const value = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || value <= 0 || value > 3_600) {
    throw new UsageError(`--${option} is ${JSON.stringify(text)}: give seconds above 0, up to 3600.`);
  }
  return value;
}
