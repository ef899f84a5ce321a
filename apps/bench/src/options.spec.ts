import { describe, expect, it } from 'vitest';
import { parseOptions, USAGE, UsageError } from './options.js';
import { WORKLOAD_NAMES } from './workloads.js';

describe('options', () => {
  it('have defaults', () => {
    expect(parseOptions([])).toEqual({
      command: 'compare',
      only: WORKLOAD_NAMES,
      valueBytes: 100,
      rounds: 5,
      seconds: 3,
      warmUpSeconds: 1,
      keys: 20_000,
      seed: 1,
      oursOnly: false,
      json: undefined,
    });
    const profile = { workload: 'write', inFlight: 256, seconds: 10, nodes: [1], valueBytes: 100 };
    expect(parseOptions(['profile', 'write'])).toMatchObject(profile);
    const size = { command: 'size', few: 100_000, many: 10_000_000, rounds: 5, seconds: 3, json: undefined };
    expect(parseOptions(['size'])).toMatchObject(size);
    const report = { command: 'report', json: 'docs/performance.json', out: 'docs/performance.md' };
    expect(parseOptions(['report'])).toEqual(report);
  });

  it('are taken as given', () => {
    const args = ['--only', 'write,increment', '--value-bytes', '4096', '--rounds=2', '--ours-only'];
    const taken = { only: ['write', 'increment'], valueBytes: 4_096, rounds: 2, oursOnly: true };
    expect(parseOptions(args)).toMatchObject(taken);
    expect(parseOptions(['profile', 'write-fsync', '--all', '--in-flight', '16'])).toMatchObject({
      nodes: [1, 2, 3],
      inFlight: 16,
    });
  });

  it('let what is given win over --quick', () => {
    const quick = parseOptions(['--quick']);
    expect(quick).toMatchObject({ keys: 2_000, rounds: 3, seconds: 0.3, warmUpSeconds: 0.3 });
    expect(parseOptions(['--quick', '--rounds', '1'])).toEqual({ ...quick, rounds: 1 });
  });

  it.each([
    [['--fast'], /--fast/],
    [['--quick', 'write'], /write/],
    [['fill'], /"fill" is no command/],
    [['--only', 'reads'], /"reads" is no workload: write/],
    [['--only', 'write,write'], /twice/],
    [['--value-bytes', 'big'], /--value-bytes is "big"/],
    [['--keys', '0'], /--keys is "0": give a whole number from 1/],
    [['--rounds', '1.5'], /--rounds/],
    [['--seconds', '0'], /--seconds is "0"/],
    [['--in-flight', '5'], /--in-flight/],
    [['profile'], /profile needs a workload/],
    [['profile', '--node', '1'], /profile needs a workload/],
    [['profile', 'write', '--node', '4'], /--node is "4"/],
    [['profile', 'write', '--rounds', '4'], /--rounds/],
    [['report', '--only', 'write'], /--only/],
    [['size', '--keys', '5'], /--keys/],
    [['size', '--few', '5', '--many', '5'], /--many is "5": give a whole number from 6/],
  ])('refuse %j with a message', (args, message) => {
    expect(() => parseOptions(args)).toThrow(UsageError);
    expect(() => parseOptions(args)).toThrow(message);
  });

  it.each([[['--help']], [['size', '--help']], [['profile', '--help']], [['report', '--help']]])(
    'know %j',
    (args) => {
      expect(parseOptions(args)).toEqual({ command: 'help' });
    },
  );

  it('are all told of', () => {
    for (const name of [
      'only',
      'value-bytes',
      'in-flight',
      'keys',
      'rounds',
      'seconds',
      'seed',
      'quick',
      'few',
      'many',
      'json',
    ]) {
      expect(USAGE).toContain(`--${name}`);
    }
    WORKLOAD_NAMES.forEach((name) => expect(USAGE).toContain(name));
  });
});
