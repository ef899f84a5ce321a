/** Plants a bug and looks for it: by the run that it comes with, else by random ones until one of them finds it. */
import { expect } from 'vitest';
import { SimulationError } from '../../../libs/dkv/testing/simulation/sim-scheduler.js';
import { type PlantedBug } from './plant.js';

/** Seeds after which a bug counts as missed. */
export const SEEDS_MAX = Number(process.env.SEEDS ?? 150);

type Run = (seed: number) => Promise<{ readonly findings: readonly { readonly rule: string }[] }>;

export async function expectFound(bug: PlantedBug, run: Run): Promise<void> {
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
    for (const rule of await rulesOf(run, seed)) {
      found.add(rule);
    }
  }
  process.stdout.write(`"${bug.protection}" broken: found as ${[...found].join(', ')} at seed ${seed}\n`);
  expect(
    bug.rules.some((rule) => found.has(rule)),
    `found only ${[...found].join(', ') || 'nothing'}`,
  ).toBe(true);
}

/** The rules that a run finds broken; an error that escapes from it is one, too. */
async function rulesOf(run: Run, seed: number): Promise<readonly string[]> {
  try {
    return (await run(seed)).findings.map(({ rule }) => rule);
  } catch (error) {
    if (!(error instanceof SimulationError || error instanceof Error)) {
      throw error;
    }
    return ['crash'];
  }
}
