/** What a run of `size` gives, as a table. */
import { type Measurement, type RoundFigures } from '../measurement.js';
import { spreadOf } from './figures.js';
import { markdownTable } from './markdown-table.js';
import { megabytes, short, whole } from './number-format.js';

/** Of three nodes that hold all keys; each measurement of `write` and `read-held`. */
export interface SizeResults {
  readonly few: number;
  readonly many: number;
  /** With the few keys there are. */
  readonly alone: readonly Measurement[];
  /** With many keys, of which the few are used. */
  readonly same: readonly Measurement[];
  /** With many keys, all of them used. */
  readonly all: readonly Measurement[];
  /** From the start of the three processes until all are ready: after a stop, and after kill -9 under writes. */
  readonly startSeconds: number;
  readonly recoverySeconds: number;
}

const RIGHT = 'right' as const;

/** For docs/performance.md. */
export function sizeSection(results: SizeResults): string {
  const { startSeconds, recoverySeconds } = results;
  return `
Few keys and many, 256 in flight. With many, all three processes are ready after ${short(startSeconds)} s; after ${short(recoverySeconds)} s where all were killed under writes.

${sizeTable(results)}
`;
}

export function sizeTable({ few, many, alone, same, all }: SizeResults): string {
  const rows = alone.flatMap((base, index) => {
    const basis = rate(base);
    return [
      { there: few, used: few, measured: base },
      { there: many, used: few, measured: same[index]! },
      { there: many, used: many, measured: all[index]! },
    ].map(({ there, used, measured }) => [
      measured.workload,
      whole(there),
      whole(used),
      whole(rate(measured)),
      measured === base ? '' : short(rate(measured) / basis),
      short(median(measured, 'p50Us')),
      short(median(measured, 'p99Us')),
      short(median(measured, 'loopDelayP99Ms')),
      megabytes(median(measured, 'allRssBytes')),
    ]);
  });
  return markdownTable(
    [
      { title: 'workload' },
      { title: 'keys', align: RIGHT },
      { title: 'in use', align: RIGHT },
      { title: 'ops/s', align: RIGHT },
      { title: '÷ few', align: RIGHT },
      { title: 'p50 µs', align: RIGHT },
      { title: 'p99 µs', align: RIGHT },
      { title: 'loop p99 ms', align: RIGHT },
      { title: 'RSS MB', align: RIGHT },
    ],
    rows,
  );
}

function rate(measured: Measurement): number {
  return median(measured, 'opsPerSecond');
}

function median({ rounds }: Measurement, field: Exclude<keyof RoundFigures, 'failure'>): number {
  return spreadOf(rounds.ours!.map((round) => Number(round[field]))).median;
}
