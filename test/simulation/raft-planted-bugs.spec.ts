/** Each protection of a Raft group taken away on purpose: random runs of one group must find it. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { runRaftScenario } from '../../libs/dkv/testing/simulation/raft-run.js';
import { type PlantedBug } from './planted-bugs/plant.js';
import { RAFT_BUGS } from './planted-bugs/raft-bugs.js';

/** Seeds after which a bug counts as missed. */
const SEEDS_MAX = 300;

afterEach(() => vi.restoreAllMocks());

describe('random runs of one Raft group show that it is no longer so that', () => {
  it.each(RAFT_BUGS.map((bug): [string, PlantedBug] => [bug.protection, bug]))('%s', (protection, bug) => {
    bug.plant();
    const found = new Set<string>();
    let seed = 0;
    while (seed < SEEDS_MAX && !bug.rules.some((rule) => found.has(rule))) {
      seed++;
      for (const { rule } of runRaftScenario(seed).findings) {
        found.add(rule);
      }
    }
    process.stdout.write(`"${protection}" broken: found as ${[...found].join(', ')} after ${seed} seeds\n`);
    expect(
      bug.rules.some((rule) => found.has(rule)),
      `found only ${[...found].join(', ') || 'nothing'}`,
    ).toBe(true);
  });
});
