import { describe, expect, it } from 'vitest';
import { crowdedMinOf } from './zone-spreading.js';

describe('crowdedMinOf', () => {
  it.each([
    ['no zone with more copies than partitions', [[0, 1], [2], [3]], [500, 524, 1024, 900], [0, 0, 0]],
    ['a zone with more', [[0, 1], [2]], [700, 600, 100], [276, 0]],
    ['a zone with several for each partition', [[0, 1, 2]], [1024, 1024, 1000], [2024]],
  ])('%s', (_, zones, quotas, crowded) => {
    expect(crowdedMinOf(zones, quotas, 1024)).toEqual(crowded);
  });
});
