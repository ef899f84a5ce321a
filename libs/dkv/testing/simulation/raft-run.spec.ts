/** Random lives of one Raft group keep its five properties. */
import { describe, expect, it } from 'vitest';
import { runRaftScenario } from './raft-run.js';

describe('a Raft group alone', () => {
  it('keeps its properties in 500 random lives, and rests once the faults end', () => {
    const failed: unknown[] = [];
    const sums = { acknowledged: 0, faults: 0 };
    for (let seed = 1; seed <= 500; seed++) {
      const { findings, acknowledged, faults } = runRaftScenario(seed);
      sums.acknowledged += acknowledged;
      sums.faults += faults;
      if (findings.length > 0) {
        failed.push([seed, findings[0]]);
      }
    }
    expect(failed).toEqual([]);
    // Lives in which nothing happens show nothing.
    expect(sums.acknowledged).toBeGreaterThan(500 * 10);
    expect(sums.faults).toBeGreaterThan(500 * 10);
  });

  it('lives the same life again from the same seed', () => {
    const options = { traceLinesMax: 5_000 };
    for (const seed of [7, 8, 9]) {
      expect(runRaftScenario(seed, options)).toEqual(runRaftScenario(seed, options));
    }
  });
});
