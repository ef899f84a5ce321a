/** Random runs under faults, many of them: no promise is broken, and a seed always means one and the same run. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const SCRIPT = fileURLToPath(new URL('../../scripts/sim.mjs', import.meta.url));

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

describe('the simulator', { timeout: 900_000 }, () => {
  it('finds nothing in 1,000 runs of an eventual cluster, each run twice', async () => {
    const { code, output } = await sim('--seeds', '1000', '--jobs', '2', '--twice');
    process.stdout.write(output);
    expect(output).toContain('eventual: 500 of 500 seeds from 501');
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
