import { describe, expect, it } from 'vitest';
import { type Measurement, type RoundFigures } from '../measurement.js';
import { failuresOf, resultsTable } from './results-table.js';
import { outcomeLine, targetOutcomes } from './targets.js';

function round(opsPerSecond: number, more: Partial<RoundFigures> = {}): RoundFigures {
  return {
    opsPerSecond,
    operations: opsPerSecond,
    failures: 0,
    p50Us: 1e6 / opsPerSecond,
    p99Us: 2e6 / opsPerSecond,
    p999Us: 3e6 / opsPerSecond,
    maxUs: 4e6 / opsPerSecond,
    callerCpuUs: 1.5,
    allCpuUs: 4.25,
    callerRssBytes: 64 * 2 ** 20,
    allRssBytes: 200 * 2 ** 20,
    loopDelayP99Ms: 1.2,
    ...more,
  };
}

function readHeld(inFlight: number, ours: RoundFigures[], theirs: RoundFigures[]): Measurement {
  const rounds = { ours, 'redis-autopipelining': theirs };
  return { workload: 'read-held', valueBytes: 100, inFlight, rounds };
}

describe('the table of results', () => {
  it('has a line for each side, the ratio of each round beside theirs', () => {
    const rounds = readHeld(256, [round(600_000), round(500_000)], [round(100_000), round(125_000)]);
    const [, , ours, theirs] = resultsTable([rounds], 'ours').split('\n');
    const cells = (line: string | undefined) => line!.split('|').map((cell) => cell.trim());
    expect(cells(ours).slice(1, 7)).toEqual([
      '100 B',
      'read-held',
      '256',
      'ours',
      '550,000 (500,000–600,000)',
      '',
    ]);
    expect(cells(theirs).slice(4, 7)).toEqual([
      'redis-autopipelining',
      '112,500 (100,000–125,000)',
      '5.00 (4.00–6.00)',
    ]);
    expect(cells(ours).slice(10, 16)).toEqual(['1.50', '4.25', '64.0', '200', '1.20', '0']);
  });

  it('shows a dash for what the system does not tell', () => {
    const rounds = readHeld(1, [round(10, { allCpuUs: null, allRssBytes: null })], [round(10)]);
    expect(resultsTable([rounds], 'ours')).toContain('–');
  });

  it('tells what failed', () => {
    const failed = round(10, { failures: 3, failure: 'no majority' });
    expect(failuresOf([readHeld(1, [failed, round(10)], [round(10)])])).toEqual([
      'read-held, 100 B, 1 in flight, ours: 3 operations failed, the first with: no majority',
    ]);
  });
});

describe('the targets', () => {
  const lines = (measurements: readonly Measurement[]) =>
    targetOutcomes(measurements, 'ours').map(outcomeLine);

  it('are met or missed by what was measured', () => {
    const met = lines([readHeld(256, [round(500)], [round(100)]), readHeld(1, [round(2_000)], [round(100)])]);
    expect(met[0]).toMatch(/^met .*read of a held key, 256 in flight.*: 5\.00 ×/);
    expect(met[1]).toMatch(/^met .*p50, 1 in flight.*: 0\.05/);
    const missed = lines([
      readHeld(256, [round(499)], [round(100)]),
      readHeld(1, [round(1_900)], [round(100)]),
    ]);
    expect(missed[0]).toMatch(/^MISSED .*4\.99 ×/);
    expect(missed[1]).toMatch(/^MISSED/);
  });

  it('take the worst delay of the event loop at that many in flight', () => {
    const slow = readHeld(256, [round(1, { loopDelayP99Ms: 21 })], [round(1)]);
    const line = (measurements: readonly Measurement[]) => lines(measurements).at(-1);
    expect(line([slow])).toMatch(/^MISSED .*21\.0 ms \(read-held/);
    expect(line([{ ...slow, inFlight: 64 }])).toMatch(/^not measured/);
  });

  it('are not measured where nothing was', () => {
    expect(lines([]).every((line) => line.startsWith('not measured'))).toBe(true);
    const other = { ...readHeld(256, [round(500)], [round(100)]), valueBytes: 4096 };
    expect(lines([other])[0]).toMatch(/^not measured/);
  });
});
