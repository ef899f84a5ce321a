/** Three real nodes under every kind of fault for some seconds: the short form of `npm run chaos`. */
import { describe, expect, it } from 'vitest';
import { type LinkChoice, type Mode } from './chaos-cluster.js';
import { describeChaosFindings, describeResult } from './chaos-report.js';
import { runChaos } from './chaos-run.js';

const DURATION_MS = 22_000;
const CLIENTS = 24;
const SEED = '7';

describe('real nodes under faults', { timeout: 600_000 }, () => {
  it.for<readonly [Mode, LinkChoice]>([
    ['eventual', 'proxy'],
    ['strong', 'auto'],
  ])('keep their word: %s, links: %s', async ([mode, links]) => {
    const lines: string[] = [];
    const say = (line: string) => void lines.push(line);
    const settings = { mode, links, seed: SEED, durationMs: DURATION_MS, short: true, clients: CLIENTS, say };
    let failed = true;
    try {
      const result = await runChaos(settings);
      // What could not be done here is told even when all is well.
      process.stderr.write(`${result.notRun.map((line) => `\n*** ${mode}: ${line}`).join('')}\n`);
      lines.push(describeResult(result));
      expect(describeChaosFindings(result.findings)).toBe('');
      const { counts, faults } = result;
      // How many there are in this time is the machine's affair; that clients got somewhere is not.
      expect(counts.acknowledged).toBeGreaterThan(CLIENTS);
      const kinds = ['kill', 'stop', 'pause', 'cut one way', 'cut both ways', 'isolate'];
      for (const kind of [...kinds, ...(mode === 'strong' ? ['lose disk'] : [])]) {
        expect(faults[kind] ?? 0, kind).toBeGreaterThan(0);
      }
      if (!result.notRun.some((line) => line.includes('full disk'))) {
        expect(faults['full disk']).toBeGreaterThan(0);
      }
      failed = false;
    } finally {
      if (failed) {
        process.stderr.write(`${lines.join('\n')}\n`);
      }
    }
  });
});
