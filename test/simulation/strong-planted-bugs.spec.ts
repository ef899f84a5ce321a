/** Each protection of a strong namespace taken away on purpose: random runs of whole clusters must notice. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { runStrongScenario } from '../../libs/dkv/testing/simulation/strong-scenario.js';
import { SimulationError } from '../../libs/dkv/testing/simulation/sim-scheduler.js';
import { FAILOVER_BUGS } from './planted-bugs/failover-bugs.js';
import { LEASE_BUGS } from './planted-bugs/lease-bugs.js';
import { type PlantedBug } from './planted-bugs/plant.js';
import { RECOVERY_BUGS } from './planted-bugs/recovery-bugs.js';
import { RARE_STRONG_BUGS } from './planted-bugs/rare-bugs.js';
import { STRONG_BUGS } from './planted-bugs/strong-bugs.js';

/** Seeds after which a bug counts as missed. */
const SEEDS_MAX = Number(process.env.SEEDS ?? 150);
const BUGS = [
  ...STRONG_BUGS,
  ...RECOVERY_BUGS,
  ...FAILOVER_BUGS,
  ...LEASE_BUGS,
  ...(SEEDS_MAX < 1_000 ? [] : RARE_STRONG_BUGS),
];

afterEach(() => vi.restoreAllMocks());

/** The rules that a run finds broken; an error that escapes from it is one, too. */
async function rulesOf(seed: number): Promise<readonly string[]> {
  try {
    return (await runStrongScenario(seed)).findings.map(({ rule }) => rule);
  } catch (error) {
    if (!(error instanceof SimulationError || error instanceof Error)) {
      throw error;
    }
    return ['crash'];
  }
}

describe('random runs of strong clusters show that it is no longer so that', () => {
  it.each(BUGS.map((bug): [string, PlantedBug] => [bug.protection, bug]))(
    '%s',
    { timeout: 300_000 },
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
