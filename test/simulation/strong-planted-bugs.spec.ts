/** Each protection of a strong namespace taken away on purpose: random runs of whole clusters must notice. */
import { afterEach, describe, it, vi } from 'vitest';
import { runStrongScenario } from '../../libs/dkv/testing/simulation/strong-scenario.js';
import { expectFound } from './planted-bugs/expect-found.js';
import { FAILOVER_BUGS } from './planted-bugs/failover-bugs.js';
import { LEASE_BUGS } from './planted-bugs/lease-bugs.js';
import { type PlantedBug } from './planted-bugs/plant.js';
import { RECOVERY_BUGS } from './planted-bugs/recovery-bugs.js';
import { RARE_STRONG_BUGS } from './planted-bugs/rare-bugs.js';
import { STRONG_BUGS } from './planted-bugs/strong-bugs.js';

const BUGS = [
  ...STRONG_BUGS,
  ...RECOVERY_BUGS,
  ...FAILOVER_BUGS,
  ...LEASE_BUGS,
  // Minutes each, wherever the search begins.
  ...(process.env.RARE ? RARE_STRONG_BUGS : []),
];

afterEach(() => vi.restoreAllMocks());

describe('random runs of strong clusters show that it is no longer so that', () => {
  it.each(BUGS.map((bug): [string, PlantedBug] => [bug.protection, bug]))(
    '%s',
    { timeout: 600_000 },
    (_, bug) => expectFound('strong', bug, runStrongScenario),
  );
});
