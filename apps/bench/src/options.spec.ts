import { describe, expect, it } from 'vitest';
import { parseOptions, USAGE, UsageError } from './options.js';
import { WORKLOAD_NAMES } from './workloads.js';

describe('options', () => {
  it('have defaults', () => {
    expect(parseOptions([])).toEqual({
      command: 'compare',
      only: WORKLOAD_NAMES,
      values: [100, 4096],
      inFlight: [1, 16, 64, 256],
      rounds: 5,
      seconds: 1,
      keys: 100_000,
      seed: 1,
      oursOnly: false,
      json: undefined,
    });
    expect(parseOptions(['profile', 'write'])).toMatchObject({
      workload: 'write',
      inFlight: 256,
      seconds: 10,
      nodes: [1],
      valueBytes: 100,
    });
    expect(parseOptions(['big-store'])).toMatchObject({ keys: 100_000, keysBig: 10_000_000, rounds: 5 });
  });

  it('are taken as given', () => {
    const args = [
      '--only',
      'write,ycsb-a',
      '--values',
      '100',
      '--in-flight=1,8',
      '--rounds',
      '2',
      '--ours-only',
    ];
    expect(parseOptions(args)).toMatchObject({
      only: ['write', 'ycsb-a'],
      values: [100],
      inFlight: [1, 8],
      rounds: 2,
      oursOnly: true,
    });
    expect(parseOptions(['profile', 'ycsb-c', '--all', '--in-flight', '16'])).toMatchObject({
      nodes: [1, 2, 3],
      inFlight: 16,
    });
    expect(parseOptions(['big-store', '--keys-big', '50000', '--data', '/x'])).toMatchObject({
      keysBig: 50_000,
      data: '/x',
    });
  });

  it('let what is given win over --quick', () => {
    const quick = parseOptions(['--quick']);
    expect(quick).toMatchObject({ values: [100], inFlight: [1, 256], rounds: 3, seconds: 0.5 });
    expect(parseOptions(['--quick', '--rounds', '1'])).toEqual({ ...quick, rounds: 1 });
  });

  it.each([
    [['--fast'], /--fast/],
    [['--quick', 'write'], /write/],
    [['fill'], /"fill" is no command/],
    [['--only', 'reads'], /"reads" is no workload: read-held/],
    [['--in-flight', '1,0'], /--in-flight is "0": give a whole number from 1/],
    [['--in-flight', '1,1'], /twice/],
    [['--values', 'big'], /--values is "big"/],
    [['--rounds', '1.5'], /--rounds/],
    [['--seconds', '0'], /--seconds is "0"/],
    [['--keys-big', '5'], /--keys-big/],
    [['profile'], /profile needs a workload/],
    [['profile', '--node', '1'], /profile needs a workload/],
    [['profile', 'write', '--node', '4'], /--node is "4"/],
    [['profile', 'write', '--rounds', '4'], /--rounds/],
    [['big-store', '--only', 'write'], /--only/],
    [['big-store', '--in-flight', '1,2'], /--in-flight is "1,2"/],
  ])('refuse %j with a message', (args, message) => {
    expect(() => parseOptions(args)).toThrow(UsageError);
    expect(() => parseOptions(args)).toThrow(message);
  });

  it.each([[['--help']], [['profile', '--help']], [['big-store', '--help']]])('know %j', (args) => {
    expect(parseOptions(args)).toEqual({ command: 'help' });
  });

  it('are all told of', () => {
    for (const name of [
      'only',
      'values',
      'in-flight',
      'keys',
      'rounds',
      'seconds',
      'seed',
      'quick',
      'json',
    ]) {
      expect(USAGE).toContain(`--${name}`);
    }
    WORKLOAD_NAMES.forEach((name) => expect(USAGE).toContain(name));
  });
});
