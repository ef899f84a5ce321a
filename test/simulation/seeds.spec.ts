/** Random lives under faults, many of them: no promise is broken, and a seed always means one and the same life. */
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
  it('finds nothing in 1,000 lives of a strong and 1,000 of an eventual cluster, each lived twice', async () => {
    const { code, output } = await sim('--seeds', '1000', '--jobs', '2', '--twice');
    process.stdout.write(output);
    expect(output).toContain('strong: 500 of 500 seeds from 501');
    expect(output).toContain('eventual: 500 of 500 seeds from 501');
    expect(code, output).toBe(0);
  });

  it('finds nothing in 20,000 lives of the rounds of one key', async () => {
    const { code, output } = await sim('--mode', 'key', '--seeds', '20000', '--jobs', '2');
    process.stdout.write(output);
    expect(output).toContain('key: 10000 of 10000 seeds from 10001');
    expect(code, output).toBe(0);
  });

  it('replays a seed, with the trace', async () => {
    const { code, output } = await sim('--mode', 'strong', '--seed', '7');
    expect(code).toBe(0);
    expect(output).toMatch(/strong, seed 7: \d+ operations \(\d+ acknowledged\), \d+ faults, 0 findings/);
    expect(output.split('\n').length).toBeGreaterThan(500);
  });

  it('says what it can do', async () => {
    expect((await sim('--mode', 'weak')).code).toBe(2);
  });
});
