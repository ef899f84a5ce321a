import { describe, expect, it } from 'vitest';
import { type RoundFigures } from '../measurement.js';
import { WORKLOAD_NAMES, WORKLOADS } from '../workloads.js';
import { reportOf, type Results, shortTable, warningsOf } from './results.js';
import { type SizeResults } from './size-results.js';

const round = (opsPerSecond: number, more: Partial<RoundFigures> = {}): RoundFigures => ({
  opsPerSecond,
  failures: 0,
  p50Us: 10,
  p99Us: 20,
  p999Us: 30,
  callerCpuUs: 5,
  allCpuUs: 15,
  gcUs: null,
  allocatedBytes: null,
  allRssBytes: 2 ** 20,
  loopDelayP99Ms: 2,
  ...more,
});
const results = (measurements: Results['measurements'], missing: Results['missing'] = {}): Results => ({
  machine: {
    cpu: 'cpu',
    cores: 2,
    memoryGb: 8,
    system: 'Linux',
    versions: {},
    date: 'today',
    loadAverage: 0,
  },
  keys: 100,
  valueBytes: 100,
  rounds: 5,
  seconds: 3,
  missing,
  measurements,
});

const measured = (workload: 'write' | 'read-held', opsPerSecond: number) => ({
  workload,
  inFlight: 256,
  rounds: { ours: [round(opsPerSecond)] },
});
const sizes: SizeResults = {
  few: 10,
  many: 1_000,
  alone: [measured('write', 100), measured('read-held', 100)],
  same: [measured('write', 50), measured('read-held', 90)],
  all: [measured('write', 30), measured('read-held', 5)],
  startSeconds: 1.5,
  recoverySeconds: 2.5,
};

describe('the results', () => {
  it('are medians with the least and the most, and ratios round by round', () => {
    const rounds = {
      ours: [round(100, { gcUs: 1, allocatedBytes: 3_000 }), round(300, { gcUs: 3, allocatedBytes: 5_000 })],
      redis: [round(200), round(100)],
    };
    const told = results([{ workload: 'write', inFlight: 16, rounds }]);
    expect(shortTable(told)).toMatch(/write +\| +16 \| ours +\| +200 \(100–300\) \| +\|/);
    expect(shortTable(told)).toMatch(/redis +\| +150 \(100–200\) \| +1\.75 \(0\.50–3\.00\) \|/);
    const tls = { 'ours-tls': rounds.ours, ours: rounds.redis };
    const besides = results([{ workload: 'write-tls', inFlight: 1, rounds: tls }]);
    expect(shortTable(besides)).toMatch(/ours-tls +\| +200 \(100–300\) \| +\|/);
    expect(shortTable(besides)).toMatch(/ours +\| +150 \(100–200\) \| +1\.75 \(0\.50–3\.00\) \|/);
    expect(reportOf(told)).toMatch(/ours .*\| +2\.00 \| +4\.00 \| +2\.00 \| +1\.00 \|\n/);
  });

  it('name loudly what is missing and what failed, in the table and below it', () => {
    const rounds = { ours: [round(100, { failures: 7, failure: 'disk full' })] };
    const told = results([{ workload: 'write', inFlight: 1, rounds }], { etcd: 'etcd is not there' });
    expect(warningsOf(told)).toEqual([
      '*** etcd WAS NOT MEASURED: etcd is not there',
      '*** write, 1 in flight, ours: 7 FAILED, the first: disk full',
    ]);
    expect(shortTable(told)).toMatch(/\| etcd +\| +NOT MEASURED \|/);
    expect(warningsOf({ ...told, seconds: 0.3 })[0]).toMatch(/too short/);
    warningsOf(told).forEach((line) => expect(reportOf(told)).toContain(line));
  });

  it('fit a page of 120 lines with every row, and those of many keys', () => {
    const measurements = WORKLOAD_NAMES.flatMap((workload) => {
      const { inFlight, subjects } = WORKLOADS[workload];
      const rounds = Object.fromEntries(subjects.map((name) => [name, [round(1)]]));
      return inFlight.map((callers) => ({ workload, inFlight: callers, rounds }));
    });
    const page = reportOf({ ...results(measurements), size: sizes });
    expect(page.trimEnd().split('\n').length).toBeLessThanOrEqual(120);
    expect(page).toMatch(/ready after 1\.50 s; after 2\.50 s where/);
    expect(page).toMatch(/write +\| +1,000 +\| +10 +\| +50 +\| +0\.50 +\|/);
  });
});
