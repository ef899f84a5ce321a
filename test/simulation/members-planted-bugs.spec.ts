/** Each protection of clusters whose members change taken away on purpose: random runs, or directed ones, must notice. */
import { afterEach, describe, it, vi } from 'vitest';
import { runMembersScenario } from '../../libs/dkv/testing/simulation/strong-scenario.js';
import { expectFound } from './planted-bugs/expect-found.js';
import { EVENTUAL_MOVES_BUGS } from './planted-bugs/eventual-moves-bugs.js';
import { MEMBERS_BUGS } from './planted-bugs/members-bugs.js';
import { type PlantedBug } from './planted-bugs/plant.js';

afterEach(() => vi.restoreAllMocks());

describe('runs of clusters whose members change show that it is no longer so that', () => {
  it.each(
    [...MEMBERS_BUGS, ...EVENTUAL_MOVES_BUGS].map((bug): [string, PlantedBug] => [bug.protection, bug]),
  )('%s', { timeout: 600_000 }, (_, bug) => expectFound('members', bug, runMembersScenario));
});
