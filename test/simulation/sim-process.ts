/** The simulator as a process of its own, as `npm run sim` starts it. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';

const SCRIPT = fileURLToPath(new URL('../../scripts/sim.mjs', import.meta.url));
const FRESH_FIRST_MAX = 100_000_000;

export async function sim(...options: (string | number)[]): Promise<{ code: number; output: string }> {
  const child = spawn(process.execPath, [SCRIPT, ...options.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, SIM_PREPARED: '1' },
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number];
  return { code, output };
}

/** So many seeds from each of `firsts` on, of modes with commas between, in two processes: all are played, and nothing is found. */
export async function expectNothingFound(modes: string, seeds: number, ...firsts: number[]): Promise<void> {
  const { code, output } = await sim(
    '--mode',
    modes,
    '--seeds',
    seeds,
    '--first',
    firsts.join(),
    '--jobs',
    2,
  );
  process.stdout.write(output);
  const half = seeds / 2;
  for (const mode of modes.split(',')) {
    for (const from of firsts.flatMap((first) => [first, first + half])) {
      expect(output).toContain(`${mode}: ${half} of ${half} seeds from ${from}`);
    }
  }
  expect(code, output).toBe(0);
}

/** Where the fresh seeds of this version of the library begin; a folder that is no repository has the same ones every time. */
export function freshFirst(): number {
  try {
    const tree = execFileSync('git', ['rev-parse', 'HEAD:libs/dkv'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return 1_000_000 + (parseInt(tree.slice(0, 8), 16) % FRESH_FIRST_MAX);
  } catch {
    return 1_000_000;
  }
}
