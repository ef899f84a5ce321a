/** The command line: every option, its default and what is allowed. */
import { parseArgs } from 'node:util';
import { WORKLOAD_NAMES, type WorkloadName } from './workloads.js';

export const USAGE = `npm run bench -- [options]                     ours and Redis, alternating, one table
npm run bench -- profile WORKLOAD [options]    a CPU profile of our side under one workload
npm run bench -- big-store [options]           a store with many keys against one with few

Workloads: ${WORKLOAD_NAMES.join(', ')}

  --only A,B          these workloads (default: all)
  --values 100,4096   bytes of the values
  --in-flight 1,16,64,256   operations in flight, a measurement each; one number for profile and big-store (256)
  --keys N            keys that there are (100000)
  --rounds N          rounds, of which the median is told (5)
  --seconds S         of each side in each round (1; profile 10; big-store 5)
  --seed N            of the random keys (1)
  --quick             values of 100 bytes, 1 and 256 in flight, 20000 keys, 3 rounds of 0.5 s, unless given
  --ours-only         without Redis
  --json FILE         writes everything that was measured

profile:
  --node N            whose profile: 1 is the loaded node (1)
  --all               of every node
  --out DIR           where the .cpuprofile files go (.)
  --top N             rows to print (30)
  --values, --keys, --in-flight, --seconds, --seed as above, one number each

big-store:
  --keys-big N        keys of the big store (10000000)
  --data DIR          where it is, and stays; filled when it is empty (default: a temporary folder)
  --values, --keys, --in-flight, --rounds, --seconds, --seed, --json as above, one number each

BENCH_PREPARED=1 runs what is built already. Data is written below TMPDIR.`;

/** The user's mistake; its message says what to do. */
export class UsageError extends Error {}

interface Common {
  readonly keys: number;
  readonly seconds: number;
  readonly seed: number;
}

export interface CompareOptions extends Common {
  readonly command: 'compare';
  readonly only: readonly WorkloadName[];
  readonly values: readonly number[];
  readonly inFlight: readonly number[];
  readonly rounds: number;
  readonly oursOnly: boolean;
  readonly json?: string;
}

export interface ProfileOptions extends Common {
  readonly command: 'profile';
  readonly workload: WorkloadName;
  readonly valueBytes: number;
  readonly inFlight: number;
  /** Numbers of nodes, from 1. */
  readonly nodes: readonly number[];
  readonly out: string;
  readonly top: number;
}

export interface BigStoreOptions extends Common {
  readonly command: 'big-store';
  readonly valueBytes: number;
  readonly inFlight: number;
  readonly rounds: number;
  readonly keysBig: number;
  readonly data?: string;
  readonly json?: string;
}

export type Options = CompareOptions | ProfileOptions | BigStoreOptions | { readonly command: 'help' };

const TEXT = { type: 'string' } as const;
const FLAG = { type: 'boolean' } as const;
const COMMON = { values: TEXT, 'in-flight': TEXT, keys: TEXT, seconds: TEXT, seed: TEXT, help: FLAG };
const MEASURED = { rounds: TEXT, json: TEXT };
const QUICK = { values: '100', 'in-flight': '1,256', keys: '20000', rounds: '3', seconds: '0.5' };

const KEYS_MAX = 1e9;
const IN_FLIGHT_MAX = 1024;
const VALUE_BYTES_MAX = 1024 * 1024;

/** @param args as in `process.argv` behind the script @throws UsageError */
export function parseOptions(args: readonly string[]): Options {
  const [command, ...rest] = args;
  if (command === undefined || command.startsWith('-')) {
    return parseCompare(args);
  }
  if (command === 'profile') {
    return parseProfile(rest);
  }
  if (command === 'big-store') {
    return parseBigStore(rest);
  }
  throw new UsageError(`${JSON.stringify(command)} is no command: profile and big-store are.`);
}

function parseCompare(args: readonly string[]): Options {
  const given = parse(args, { ...COMMON, ...MEASURED, only: TEXT, quick: FLAG, 'ours-only': FLAG });
  if (given.help) {
    return { command: 'help' };
  }
  const from = { ...(given.quick && QUICK), ...given };
  return {
    command: 'compare',
    only: from.only === undefined ? WORKLOAD_NAMES : listOf('only', from.only).map(workload),
    values: numbers('values', from.values ?? '100,4096', 1, VALUE_BYTES_MAX),
    inFlight: numbers('in-flight', from['in-flight'] ?? '1,16,64,256', 1, IN_FLIGHT_MAX),
    rounds: number('rounds', from.rounds ?? '5', 1, 1_000),
    oursOnly: from['ours-only'] ?? false,
    json: from.json,
    ...common(from, '1'),
  };
}

function parseProfile(args: readonly string[]): Options {
  const [name, ...rest] = args;
  const isNamed = name !== undefined && !name.startsWith('-');
  const options = { ...COMMON, node: TEXT, all: FLAG, out: TEXT, top: TEXT };
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
    ...single(given),
    nodes: given.all ? [1, 2, 3] : [number('node', given.node ?? '1', 1, 3)],
    out: given.out ?? '.',
    top: number('top', given.top ?? '30', 1, 1_000),
    ...common(given, '10'),
  };
}

function parseBigStore(args: readonly string[]): Options {
  const given = parse(args, { ...COMMON, ...MEASURED, 'keys-big': TEXT, data: TEXT });
  if (given.help) {
    return { command: 'help' };
  }
  return {
    command: 'big-store',
    ...single(given),
    rounds: number('rounds', given.rounds ?? '5', 1, 1_000),
    keysBig: number('keys-big', given['keys-big'] ?? '10000000', 1, KEYS_MAX),
    data: given.data,
    json: given.json,
    ...common(given, '5'),
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
    keys: number('keys', given.keys ?? '100000', 1, KEYS_MAX),
    seconds: decimal('seconds', given.seconds ?? seconds),
    seed: number('seed', given.seed ?? '1', 0, 2 ** 48),
  };
}

function single(given: Given<typeof COMMON>) {
  return {
    valueBytes: number('values', given.values ?? '100', 1, VALUE_BYTES_MAX),
    inFlight: number('in-flight', given['in-flight'] ?? '256', 1, IN_FLIGHT_MAX),
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

function numbers(option: string, text: string, min: number, max: number): readonly number[] {
  return listOf(option, text).map((part) => number(option, part, min, max));
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
