/** Random runs under faults, many of them: no promise is broken, and a seed always means one and the same run. */
import { describe, expect, it } from 'vitest';
import { freshFirst, sim } from './sim-process.js';

describe('the simulator', { timeout: 900_000 }, () => {
  it.each([
    ['strong,members,eventual', 40],
    ['raft', 1_000],
  ])(
    'finds nothing in %s: %i seeds that are always the same, and as many that follow from the version',
    async (modes, seeds) => {
      const fresh = freshFirst();
      const { code, output } = await sim(
        '--mode',
        modes,
        '--seeds',
        seeds,
        '--first',
        `1,${fresh}`,
        '--jobs',
        2,
      );
      process.stdout.write(output);
      for (const mode of modes.split(',')) {
        for (const from of [1, 1 + seeds / 2, fresh, fresh + seeds / 2]) {
          expect(output).toContain(`${mode}: ${seeds / 2} of ${seeds / 2} seeds from ${from}`);
        }
      }
      expect(code, output).toBe(0);
    },
  );

  it('gives one run a seed', async () => {
    const { code, output } = await sim('--seeds', 10, '--twice');
    expect(code, output).toBe(0);
  });

  it('replays a seed, with the trace', async () => {
    const { code, output } = await sim('--mode', 'eventual', '--seed', 7);
    expect(code).toBe(0);
    expect(output).toMatch(/eventual, seed 7: \d+ operations \(\d+ acknowledged\), \d+ faults, 0 findings/);
    expect(output.split('\n').length).toBeGreaterThan(500);
  });

  it('says what it can do', async () => {
    expect((await sim('--mode', 'weak')).code).toBe(2);
  });
});
