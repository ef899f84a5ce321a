import { describe, expect, it } from 'vitest';
import { type CpuProfile, selfTimes } from './cpu-profile.js';

const frame = (functionName: string, url = '', lineNumber = -1) => ({
  functionName,
  url,
  lineNumber,
  columnNumber: 0,
});

describe('a CPU profile', () => {
  it('gives each function its own time, with idle and the collector', () => {
    const profile: CpuProfile = {
      nodes: [
        { id: 1, callFrame: frame('(idle)') },
        { id: 2, callFrame: frame('get', 'node:fs', 41) },
        { id: 3, callFrame: frame('(garbage collector)') },
        // The same function, called from elsewhere.
        { id: 4, callFrame: frame('get', 'node:fs', 41) },
        { id: 5, callFrame: frame('', 'node:net', 9) },
      ],
      samples: [1, 2, 4, 3, 5, 1],
      timeDeltas: [10, 100, 200, 300, 100, 300],
    };
    expect(selfTimes(profile)).toEqual([
      { name: 'get', place: 'node:fs:42', selfUs: 500, share: 0.5 },
      { name: '(anonymous)', place: 'node:net:10', selfUs: 300, share: 0.3 },
      { name: '(idle)', place: '', selfUs: 100, share: 0.1 },
      { name: '(garbage collector)', place: '', selfUs: 100, share: 0.1 },
    ]);
  });
});
