/** Each protection of a Raft group taken away on purpose: random runs of one group must find it. */
import { afterEach, describe, it, vi } from 'vitest';
import { runRaftScenario } from '../../libs/dkv/testing/simulation/raft-run.js';
import { expectFound } from './planted-bugs/expect-found.js';
import { type PlantedBug } from './planted-bugs/plant.js';
import { RAFT_BUGS } from './planted-bugs/raft-bugs.js';

afterEach(() => vi.restoreAllMocks());

describe('random runs of one Raft group show that it is no longer so that', () => {
  it.each(RAFT_BUGS.map((bug): [string, PlantedBug] => [bug.protection, bug]))(
    '%s',
    { timeout: 300_000 },
    (_, bug) => expectFound('raft', bug, runRaftScenario),
  );
});
