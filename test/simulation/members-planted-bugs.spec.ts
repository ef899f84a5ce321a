/** Each protection of clusters whose members change taken away on purpose: random runs, or directed ones, must notice. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { SimulationError } from '../../libs/dkv/testing/simulation/sim-scheduler.js';
import { runMembersScenario } from '../../libs/dkv/testing/simulation/strong-scenario.js';
import { MEMBERS_BUGS } from './planted-bugs/members-bugs.js';
import { type PlantedBug } from './planted-bugs/plant.js';

/** Seeds after which a bug counts as missed. */
const SEEDS_MAX = Number(process.env.SEEDS ?? 150);

afterEach(() => vi.restoreAllMocks());

/** The rules that a run finds broken; an error that escapes from it is one, too. */
async function rulesOf(seed: number): Promise<readonly string[]> {
  try {
    return (await runMembersScenario(seed)).findings.map(({ rule }) => rule);
  } catch (error) {
    if (!(error instanceof SimulationError || error instanceof Error)) {
      throw error;
    }
    return ['crash'];
  }
}

describe('runs of clusters whose members change show that it is no longer so that', () => {
  it.each(MEMBERS_BUGS.map((bug): [string, PlantedBug] => [bug.protection, bug]))(
    '%s',
    { timeout: 600_000 },
    async (protection, bug) => {
      if (bug.directed) {
        expect(await bug.directed(), 'without the bug').toEqual([]);
        bug.plant();
        expect(await bug.directed()).toEqual(expect.arrayContaining([expect.toBeOneOf([...bug.rules])]));
        return;
      }
      bug.plant();
      const found = new Set<string>();
      const first = bug.firstSeed ?? 1;
      let seed = first - 1;
      while (seed < first + SEEDS_MAX && !bug.rules.some((rule) => found.has(rule))) {
        seed++;
        for (const rule of await rulesOf(seed)) {
          found.add(rule);
        }
      }
      process.stdout.write(`"${protection}" broken: found as ${[...found].join(', ')} at seed ${seed}\n`);
      expect(
        bug.rules.some((rule) => found.has(rule)),
        `found only ${[...found].join(', ') || 'nothing'}`,
      ).toBe(true);
    },
  );
});
