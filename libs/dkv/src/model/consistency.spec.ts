/** How many nodes each level asks for. */
import { expect, it } from 'vitest';
import { copiesNeeded, majorityOf } from './consistency.js';

it.each([
  // copies, one, quorum, all
  [1, 1, 1, 1],
  [2, 1, 2, 2],
  [3, 1, 2, 3],
  [4, 1, 3, 4],
  [5, 1, 3, 5],
  [6, 1, 4, 6],
  [16, 1, 9, 16],
])('of %i copies: one is %i, quorum %i, all %i', (copies, one, quorum, all) => {
  expect(copiesNeeded('one', copies)).toBe(one);
  expect(copiesNeeded('quorum', copies)).toBe(quorum);
  expect(copiesNeeded('all', copies)).toBe(all);
});

it('lets any two majorities meet, and needs no more nodes than that', () => {
  for (let copies = 1; copies <= 16; copies++) {
    const majority = majorityOf(copies);
    expect(2 * majority).toBeGreaterThan(copies);
    expect(2 * (majority - 1)).toBeLessThanOrEqual(copies);
  }
});
