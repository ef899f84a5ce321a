/** What chance needs many runs for: a thousand fresh seeds for each commit. In `npm test` there are some hundred. */
import { expect, it } from 'vitest';
import { freshFirst, sim } from '../simulation/sim-process.js';

/** Away from those of `npm test`. */
const OFFSET = 1_000_000;

it.each([
  ['members', 500],
  ['strong,eventual', 250],
])(
  'finds nothing in %s: %i seeds that follow from the commit',
  { timeout: 3_600_000 },
  async (modes, seeds) => {
    const first = freshFirst() + OFFSET;
    const { code, output } = await sim('--mode', modes, '--seeds', seeds, '--first', first);
    process.stdout.write(output);
    for (const mode of modes.split(',')) {
      expect(output).toContain(`${mode}: ${seeds} of ${seeds} seeds from ${first}`);
    }
    expect(code, output).toBe(0);
  },
);
