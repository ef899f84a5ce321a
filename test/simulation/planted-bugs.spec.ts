/** Each protection taken away on purpose: the simulator must notice. A checker that cannot fail is worth nothing. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { runEventualScenario, runStrongScenario } from 'nestjs-dkv/testing';
import { EVENTUAL_BUGS } from './planted-bugs/eventual-bugs.js';
import { type PlantedBug } from './planted-bugs/plant.js';
import { STRONG_BUGS } from './planted-bugs/strong-bugs.js';

/** Seeds after which a bug counts as missed. */
const SEEDS_MAX = 400;

afterEach(() => vi.restoreAllMocks());

describe.each([
  ['eventual', EVENTUAL_BUGS, runEventualScenario],
  ['strong', STRONG_BUGS, runStrongScenario],
] as const)('the simulator notices in %s namespaces that it is no longer so that', (mode, bugs, run) => {
  it.each(bugs.map((bug): [string, PlantedBug] => [bug.protection, bug]))(
    '%s',
    { timeout: 600_000 },
    async (protection, bug) => {
      bug.plant();
      const found = new Set<string>();
      let seed = 0;
      while (seed < SEEDS_MAX && !bug.rules.some((rule) => found.has(rule))) {
        seed++;
        for (const { rule } of (await run(seed)).findings) {
          found.add(rule);
        }
      }
      console.log(`${mode}: "${protection}" broken: found as ${[...found].join(', ')} after ${seed} seeds`);
      expect(
        bug.rules.some((rule) => found.has(rule)),
        `found only ${[...found].join(', ') || 'nothing'}`,
      ).toBe(true);
    },
  );
});
