/** Each protection taken away on purpose: the simulator must find it. A checker that cannot fail is worth nothing. */
import { afterEach, describe, it, vi } from 'vitest';
import { runEventualScenario } from 'nestjs-dkv/testing';
import { COLLECTED_EARLY, FLOOR_MISSING } from './planted-bugs/collection-bugs.js';
import { EVENTUAL_BUGS } from './planted-bugs/eventual-bugs.js';
import { expectFound } from './planted-bugs/expect-found.js';
import { type PlantedBug } from './planted-bugs/plant.js';

const BUGS = [...EVENTUAL_BUGS, COLLECTED_EARLY, FLOOR_MISSING];

afterEach(() => vi.restoreAllMocks());

describe('the simulator finds in eventual namespaces that it is no longer so that', () => {
  it.each(BUGS.map((bug): [string, PlantedBug] => [bug.protection, bug]))(
    '%s',
    { timeout: 600_000 },
    (_, bug) => expectFound('eventual', bug, runEventualScenario),
  );
});
