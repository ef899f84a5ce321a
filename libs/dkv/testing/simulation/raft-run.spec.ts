/** Random lives of one Raft group keep its five properties. */
import { describe, expect, it } from 'vitest';
import { runRaftScenario } from './raft-run.js';

describe('a Raft group alone', () => {
  it('keeps its properties in 500 random lives, and rests once the faults end', () => {
    const failed: unknown[] = [];
    const sums = { operations: 0, acknowledged: 0, faults: 0 };
    for (let seed = 1; seed <= 500; seed++) {
      const { findings, operations, acknowledged, faults } = runRaftScenario(seed);
      sums.operations += operations;
      sums.acknowledged += acknowledged;
      sums.faults += faults;
      if (findings.length > 0) {
        failed.push([seed, findings[0]]);
      }
    }
    console.log(sums);
    expect(failed.slice(0, 5), `${failed.length}`).toEqual([]);
  });
});
