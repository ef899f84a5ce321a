/** Plants a bug and looks for it: by the run that it comes with, else by random ones until one of them finds it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'vitest';
import { type PlantedBug } from './plant.js';

/** Seeds after which a bug counts as missed. */
const SEEDS_MAX = 1_500;

/**
 * By mode and protection: the seed that found it last. The search begins there, which saves the runs that found nothing; what a
 * seed does is another thing whenever the code is, and then the search goes on from it. NOTE_SEEDS=1 keeps what is found.
 */
const FOUND_AT = new URL('./found-at.json', import.meta.url);
type FoundAt = Record<string, Record<string, number>>;

type Findings = { readonly findings: readonly { readonly rule: string }[] };
type Run = (seed: number) => Findings | Promise<Findings>;

export async function expectFound(mode: string, bug: PlantedBug, run: Run): Promise<void> {
  if (bug.directed) {
    expect(await bug.directed(), 'without the bug').toEqual([]);
    bug.plant();
    expect(await bug.directed()).toEqual(expect.arrayContaining([expect.toBeOneOf([...bug.rules])]));
    return;
  }
  bug.plant();
  const found = new Set<string>();
  const first = seedsThatFound()[mode]?.[bug.protection] ?? 1;
  let seed = first - 1;
  while (seed < first + SEEDS_MAX && !bug.rules.some((rule) => found.has(rule))) {
    seed++;
    for (const rule of await rulesOf(run, seed)) {
      found.add(rule);
    }
  }
  process.stdout.write(
    `${mode}: "${bug.protection}" broken: found as ${[...found].join(', ')} at seed ${seed}\n`,
  );
  expect(
    bug.rules.some((rule) => found.has(rule)),
    `found only ${[...found].join(', ') || 'nothing'}`,
  ).toBe(true);
  if (process.env.NOTE_SEEDS && seed !== first) {
    note(mode, bug.protection, seed);
  }
}

/** The rules that a run finds broken; an error that escapes from it is one, too. */
async function rulesOf(run: Run, seed: number): Promise<readonly string[]> {
  try {
    return (await run(seed)).findings.map(({ rule }) => rule);
  } catch (error) {
    if (!(error instanceof Error)) {
      throw error;
    }
    return ['crash'];
  }
}

function seedsThatFound(): FoundAt {
  return JSON.parse(readFileSync(FOUND_AT, 'utf8')) as FoundAt;
}

function note(mode: string, protection: string, seed: number): void {
  const all = seedsThatFound();
  const ofMode = { ...all[mode], [protection]: seed };
  const sorted = Object.fromEntries(Object.entries(ofMode).sort(([one], [other]) => (one < other ? -1 : 1)));
  writeFileSync(FOUND_AT, `${JSON.stringify({ ...all, [mode]: sorted }, null, 2)}\n`);
}
