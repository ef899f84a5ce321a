/** Random runs under faults, many of them: no promise is broken, and a seed always means one and the same run. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const SCRIPT = fileURLToPath(new URL('../../scripts/sim.mjs', import.meta.url));
/** So many seeds of each mode are the same every time; so many others follow from the commit. */
const FIXED = { strong: 150, members: 100, eventual: 100, raft: 1_000 } as const;
const FRESH = { strong: 150, members: 100, eventual: 100, raft: 1_000 } as const;
const FRESH_FIRST_MAX = 100_000_000;

async function sim(...options: string[]): Promise<{ code: number; output: string }> {
  const child = spawn(process.execPath, [SCRIPT, ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, SIM_PREPARED: '1' },
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number];
  return { code, output };
}

/** Where the fresh seeds of this commit begin; a folder that is no repository has the same ones every time. */
function freshFirst(): number {
  try {
    const commit = execFileSync('git', ['rev-parse', 'HEAD'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return 1_000_000 + (parseInt(commit.slice(0, 8), 16) % FRESH_FIRST_MAX);
  } catch {
    return 1_000_000;
  }
}

describe('the simulator', { timeout: 900_000 }, () => {
  it.each(['strong', 'members', 'eventual', 'raft'] as const)(
    'finds nothing in the fixed seeds: %s',
    async (mode) => {
      const { code, output } = await sim('--mode', mode, '--seeds', String(FIXED[mode]), '--jobs', '2');
      process.stdout.write(output);
      expect(output).toContain(
        `${mode}: ${FIXED[mode] / 2} of ${FIXED[mode] / 2} seeds from ${FIXED[mode] / 2 + 1}`,
      );
      expect(code, output).toBe(0);
    },
  );

  it.each(['strong', 'members', 'eventual', 'raft'] as const)(
    'finds nothing in fresh seeds: %s',
    async (mode) => {
      const first = freshFirst();
      process.stdout.write(`Fresh seeds of ${mode}: ${FRESH[mode]} from ${first}\n`);
      const options = [
        '--mode',
        mode,
        '--first',
        String(first),
        '--seeds',
        String(FRESH[mode]),
        '--jobs',
        '2',
      ];
      const { code, output } = await sim(...options);
      process.stdout.write(output);
      expect(code, output).toBe(0);
    },
  );

  it.each(['strong', 'members', 'eventual'] as const)('gives one run a seed: %s', async (mode) => {
    const { code, output } = await sim('--mode', mode, '--seeds', '30', '--twice');
    expect(code, output).toBe(0);
  });

  it('replays a seed, with the trace', async () => {
    const { code, output } = await sim('--mode', 'eventual', '--seed', '7');
    expect(code).toBe(0);
    expect(output).toMatch(/eventual, seed 7: \d+ operations \(\d+ acknowledged\), \d+ faults, 0 findings/);
    expect(output.split('\n').length).toBeGreaterThan(500);
  });

  it('says what it can do', async () => {
    expect((await sim('--mode', 'weak')).code).toBe(2);
  });
});
