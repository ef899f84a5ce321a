/** What chance needs many runs for: thousands of fresh seeds for each version of the library. In `npm test` there are some hundred. */
import { expect, it } from 'vitest';
import { freshFirst, sim } from '../simulation/sim-process.js';

/** Away from those of `npm test`. */
const OFFSET = 1_000_000;

it.each([
  ['members', 500],
  ['strong,eventual', 250],
])(
  'finds nothing in %s: %i seeds that follow from the version',
  { timeout: 3_600_000 },
  async (modes, seeds) => {
    const first = freshFirst() + OFFSET;
    const { code, output } = await sim('--mode', modes, '--seeds', seeds, '--first', first, '--jobs', 2);
    process.stdout.write(output);
    for (const mode of modes.split(',')) {
      for (const from of [first, first + seeds / 2]) {
        expect(output).toContain(`${mode}: ${seeds / 2} of ${seeds / 2} seeds from ${from}`);
      }
    }
    expect(code, output).toBe(0);
  },
);
