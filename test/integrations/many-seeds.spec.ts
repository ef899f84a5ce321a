/** What chance needs many runs for: a thousand fresh seeds for each version of the library. In `npm test` there are some hundred. */
import { it } from 'vitest';
import { expectNothingFound, freshFirst } from '../simulation/sim-process.js';

/** Away from those of `npm test`. */
const OFFSET = 1_000_000;

it.each([
  ['members', 500],
  ['strong,eventual', 250],
])('finds nothing in %s: %i seeds that follow from the version', { timeout: 3_600_000 }, (modes, seeds) =>
  expectNothingFound(modes, seeds, freshFirst() + OFFSET),
);
