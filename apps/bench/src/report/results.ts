/** What a run of the comparison gives, and how it is told: a short table on the terminal, a page in docs/. */
import { type Measurement, type RoundFigures } from '../measurement.js';
import { SUBJECTS, type SubjectName, WORKLOADS, workloadOf } from '../workloads.js';
import { ratiosOf, type Spread, spreadOf } from './figures.js';
import { sizeSection, type SizeResults } from './size-results.js';
import { type Machine, machineLine } from './machine.js';
import { type Column, markdownTable } from './markdown-table.js';
import { megabytes, short, valueSize, whole } from './number-format.js';

/** The JSON of a run. */
export interface Results {
  readonly machine: Machine;
  readonly keys: number;
  readonly valueBytes: number;
  readonly rounds: number;
  readonly seconds: number;
  /** Why a store took no part. */
  readonly missing: Partial<Record<SubjectName, string>>;
  readonly measurements: readonly Measurement[];
  /** Of `npm run bench -- size`, where that was run. */
  readonly size?: SizeResults;
}

type Field = Exclude<keyof RoundFigures, 'failure'>;
interface Row {
  readonly name: SubjectName;
  readonly rounds: readonly RoundFigures[];
  readonly ours: readonly RoundFigures[] | undefined;
  readonly measurement: Measurement;
}
interface Told extends Column {
  readonly of: (row: Row) => string;
}

/** Garbage collection and checkpoints come every second or so: a window has to hold some of each. */
const SECONDS_MIN = 3;
const ROUNDS_MIN = 5;

const RIGHT = 'right' as const;
const SHORT: readonly Told[] = [
  { title: 'workload', of: ({ measurement }) => measurement.workload },
  { title: 'in flight', align: RIGHT, of: ({ measurement }) => String(measurement.inFlight) },
  { title: 'store', of: ({ name }) => name },
  {
    title: 'ops/s (min–max)',
    align: RIGHT,
    of: ({ rounds }) => spread(spreadIn(rounds, 'opsPerSecond'), whole),
  },
  { title: 'ours ÷ it', align: RIGHT, of: ratio },
  { title: 'p50 µs', align: RIGHT, of: (row) => median(row, 'p50Us') },
  { title: 'p99 µs', align: RIGHT, of: (row) => median(row, 'p99Us') },
  { title: 'CPU µs/op', align: RIGHT, of: (row) => median(row, 'allCpuUs') },
];
const LONG: readonly Told[] = [
  ...SHORT,
  { title: 'caller’s', align: RIGHT, of: (row) => median(row, 'callerCpuUs') },
  { title: 'GC µs/op', align: RIGHT, of: (row) => median(row, 'gcUs') },
  {
    title: 'KB/op',
    align: RIGHT,
    of: (row) => median(row, 'allocatedBytes', (bytes) => short(bytes / 1000)),
  },
  { title: 'loop p99 ms', align: RIGHT, of: (row) => median(row, 'loopDelayP99Ms') },
  { title: 'RSS MB', align: RIGHT, of: (row) => median(row, 'allRssBytes', megabytes) },
];

export function shortTable(results: Results): string {
  return table(results, SHORT);
}

/** What a reader of the table must know: windows too short, stores that are missing, operations that failed. */
export function warningsOf({ missing, measurements, rounds, seconds }: Results): readonly string[] {
  const brief =
    seconds < SECONDS_MIN || rounds < ROUNDS_MIN
      ? [`*** ${rounds} rounds of ${seconds} s are too short for figures to rely on.`]
      : [];
  const absent = Object.entries(missing).map(([name, why]) => `*** ${name} WAS NOT MEASURED: ${why}`);
  const failed = measurements.flatMap(({ workload, inFlight, rounds }) =>
    Object.entries(rounds).flatMap(([name, of]) => {
      const failures = of.reduce((sum, { failures }) => sum + failures, 0);
      const failure = of.find((round) => round.failure !== undefined)?.failure;
      return failures === 0
        ? []
        : [
            `*** ${workload}, ${inFlight} in flight, ${name}: ${whole(failures)} FAILED, the first: ${failure}`,
          ];
    }),
  );
  return [...brief, ...absent, ...failed];
}

/** docs/performance.md. */
export function reportOf(results: Results): string {
  const { machine, keys, valueBytes, rounds, seconds, size } = results;
  const warnings = warningsOf(results).map((line) => `- ${line}`);
  return `# Performance

<!-- Written by \`npm run bench -- report\`; do not edit. -->

${machineLine(machine)}.

## Method

Every store runs on this one machine, and its clients too: what is told as CPU is that of all processes of a store an operation, the
caller among them. Ours are three Nest applications in three processes; the load is made inside the first one, as an application would.
Theirs are called by one Node process. Each of the callers in flight waits for its answer before it asks again. ${whole(keys)} keys, values
of ${valueSize(valueBytes)}, keys drawn evenly, the same ones in the same order for all. A figure is the median of ${rounds} rounds of ${seconds} s after a warm-up;
within a round the stores take turns. Ratios count more than rates, and are taken round by round. ${valueSize(valueBytes)} and two cores are one point, not a law.

${Object.entries(SUBJECTS)
  .map(([name, what]) => `- \`${name}\`: ${what}`)
  .join('\n')}

Not alike, and to be kept in mind: one Redis holds one copy, and its reads see every write because there is no other;
\`WAIT 1\` is no majority's promise (a failover may lose the write); NATS acknowledges before it syncs, as ours does by default, and
its reads may be old. etcd's JSON gateway costs its members CPU that gRPC would not. A client that keeps a core busy is the limit itself; theirs were busy at most so long: ${busiest(results)}.

## Figures

${Object.entries(WORKLOADS)
  .map(([name, { does }]) => `\`${name}\` are ${does}`)
  .join('; ')}.
\`GC\` is the time that the collector held up the main threads, \`KB\` what was allocated on V8's heap, both of all our nodes an operation;
\`loop\` is the delay of the caller's event loop.

${warnings.length > 0 ? `${warnings.join('\n')}\n\n` : ''}${table(results, LONG)}
${size ? sizeSection(size) : ''}
## Again

\`\`\`sh
npm run bench -- --quick                            # every workload in short windows, under three minutes
npm run bench -- --json docs/performance.json       # what stands above, on two cores in about a quarter of an hour
npm run bench -- size --json docs/performance.json  # many keys, and starting with them: ten minutes
npm run bench -- report                             # writes this page from that file
npm run bench -- profile write                      # where a node's time goes: a CPU profile and its top rows
\`\`\`
`;
}

/** The share of a core that each client took, in the workload where it took most. */
function busiest({ measurements }: Results): string {
  const most = new Map<string, number>();
  for (const { rounds } of measurements) {
    for (const [name, of] of Object.entries(rounds).filter(([name]) => !name.startsWith('ours'))) {
      const busy = spreadOf(of.map(({ callerCpuUs, opsPerSecond }) => callerCpuUs * opsPerSecond)).median;
      most.set(name, Math.max(most.get(name) ?? 0, busy));
    }
  }
  return [...most].map(([name, busy]) => `${name} ${whole(busy / 1e4)} %`).join(', ');
}

function table({ measurements, missing }: Results, columns: readonly Told[]): string {
  const rows = measurements.flatMap((measurement) => {
    const { subjects } = workloadOf(measurement.workload);
    return subjects.flatMap((name) => {
      const rounds = measurement.rounds[name];
      if (rounds) {
        const row = { name, rounds, ours: measurement.rounds[subjects[0]], measurement };
        return [columns.map(({ of }) => of(row))];
      }
      const absent = [measurement.workload, String(measurement.inFlight), name, 'NOT MEASURED'];
      return name in missing ? [absent] : [];
    });
  });
  return markdownTable(columns, rows);
}

function ratio({ rounds, ours }: Row): string {
  if (!ours || ours === rounds) {
    return '';
  }
  const rates = (of: readonly RoundFigures[]) => of.map(({ opsPerSecond }) => opsPerSecond);
  return spread(ratiosOf(rates(ours), rates(rounds)), short);
}

function median({ rounds }: Row, field: Field, format = short): string {
  return rounds.some((round) => round[field] === null) ? '' : format(spreadIn(rounds, field).median);
}

function spreadIn(rounds: readonly RoundFigures[], field: Field): Spread {
  return spreadOf(rounds.map((round) => Number(round[field])));
}

function spread({ median, min, max }: Spread, format: (value: number) => string): string {
  return `${format(median)} (${format(min)}–${format(max)})`;
}
