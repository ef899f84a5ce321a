/** Random runs under faults, many of them: no promise is broken, and a seed always means one and the same run. */
import { describe, expect, it } from 'vitest';
import { expectNothingFound, freshFirst, sim } from './sim-process.js';

describe('the simulator', { timeout: 900_000 }, () => {
  it.each([
    ['strong,members,eventual', 40],
    ['raft', 1_000],
  ])(
    'finds nothing in %s: %i seeds that are always the same, and as many that follow from the version',
    (modes, seeds) => expectNothingFound(modes, seeds, 1, freshFirst()),
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
