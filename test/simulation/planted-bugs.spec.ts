/** Each protection taken away on purpose: the simulator must find it. A checker that cannot fail is worth nothing. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { runEventualScenario } from 'nestjs-dkv/testing';
import { COLLECTED_EARLY, FLOOR_MISSING } from './planted-bugs/collection-bugs.js';
import { EVENTUAL_BUGS } from './planted-bugs/eventual-bugs.js';
import { type PlantedBug } from './planted-bugs/plant.js';

/** Seeds after which a bug counts as missed. */
const SEEDS_MAX = 1_500;

afterEach(() => vi.restoreAllMocks());

describe.each([
  ['eventual namespaces', [...EVENTUAL_BUGS, COLLECTED_EARLY, FLOOR_MISSING], runEventualScenario, SEEDS_MAX],
] as const)('the simulator finds in %s that it is no longer so that', (where, bugs, run, seedsMax) => {
  it.each(bugs.map((bug): [string, PlantedBug] => [bug.protection, bug]))(
    '%s',
    { timeout: 600_000 },
    async (protection, bug) => {
      bug.plant();
      const found = new Set<string>();
      const first = bug.firstSeed ?? 1;
      let seed = first - 1;
      while (seed < first + seedsMax && !bug.rules.some((rule) => found.has(rule))) {
        seed++;
        for (const { rule } of (await run(seed)).findings) {
          found.add(rule);
        }
      }
      process.stdout.write(
        `${where}: "${protection}" broken: found as ${[...found].join(', ')} at seed ${seed}\n`,
      );
      expect(
        bug.rules.some((rule) => found.has(rule)),
        `found only ${[...found].join(', ') || 'nothing'}`,
      ).toBe(true);
    },
  );
});
