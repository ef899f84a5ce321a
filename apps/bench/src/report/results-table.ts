/** The table of results: a line for each side of each workload, medians of the rounds. */
import { type Measurement, ratioOf, type RoundFigures } from '../measurement.js';
import { type Spread, spreadOf } from './figures.js';
import { type Column, markdownTable } from './markdown-table.js';
import { megabytes, short, valueSize, whole } from './number-format.js';

const columns = (ours: string): readonly Column[] => [
  { title: 'values' },
  { title: 'workload' },
  { title: 'in flight', align: 'right' },
  { title: 'store' },
  { title: 'ops/s (min–max)', align: 'right' },
  { title: `${ours} ÷ this one (min–max)`, align: 'right' },
  { title: 'p50 µs', align: 'right' },
  { title: 'p99 µs', align: 'right' },
  { title: 'p99.9 µs', align: 'right' },
  { title: 'CPU µs/op', align: 'right' },
  { title: 'all CPU µs/op', align: 'right' },
  { title: 'RSS MB', align: 'right' },
  { title: 'all RSS MB', align: 'right' },
  { title: 'loop p99 ms', align: 'right' },
  { title: 'failed', align: 'right' },
];

/** @param ours the name of the side that the others are compared with */
export function resultsTable(measurements: readonly Measurement[], ours: string): string {
  const rows = measurements.flatMap((measurement) =>
    Object.entries(measurement.rounds).map(([name, rounds]) => rowOf(measurement, ours, name, rounds)),
  );
  return markdownTable(columns(ours), rows);
}

/** What failed, a line for each side and workload in which something did. */
export function failuresOf(measurements: readonly Measurement[]): readonly string[] {
  return measurements.flatMap(({ workload, valueBytes, inFlight, rounds }) =>
    Object.entries(rounds).flatMap(([name, of]) => {
      const failures = sum(of.map((round) => round.failures));
      const message = of.find((round) => round.failure)?.failure;
      const where = `${workload}, ${valueSize(valueBytes)}, ${inFlight} in flight, ${name}`;
      return failures > 0 ? [`${where}: ${failures} operations failed, the first with: ${message}`] : [];
    }),
  );
}

function rowOf(
  measurement: Measurement,
  ours: string,
  name: string,
  rounds: readonly RoundFigures[],
): readonly string[] {
  const median = (figure: (round: RoundFigures) => number) => spreadOf(rounds.map(figure)).median;
  const ifTold = (figure: (round: RoundFigures) => number | null, format: (value: number) => string) =>
    rounds.some((round) => figure(round) === null) ? '–' : format(median((round) => figure(round)!));
  const ratio = name === ours ? undefined : ratioOf(measurement, 'opsPerSecond', ours, name);
  return [
    valueSize(measurement.valueBytes),
    measurement.workload,
    String(measurement.inFlight),
    name,
    spread(spreadOf(rounds.map(({ opsPerSecond }) => opsPerSecond)), whole),
    ratio ? spread(ratio, short) : '',
    short(median(({ p50Us }) => p50Us)),
    short(median(({ p99Us }) => p99Us)),
    short(median(({ p999Us }) => p999Us)),
    short(median(({ callerCpuUs }) => callerCpuUs)),
    ifTold(({ allCpuUs }) => allCpuUs, short),
    megabytes(median(({ callerRssBytes }) => callerRssBytes)),
    ifTold(({ allRssBytes }) => allRssBytes, megabytes),
    short(median(({ loopDelayP99Ms }) => loopDelayP99Ms)),
    whole(sum(rounds.map(({ failures }) => failures))),
  ];
}

function spread({ median, min, max }: Spread, format: (value: number) => string): string {
  return `${format(median)} (${format(min)}–${format(max)})`;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
