import { describe, expect, it } from 'vitest';
import { ratiosOf, spreadOf } from './figures.js';

describe('the spread of rounds', () => {
  it.each([
    [[3], { median: 3, min: 3, max: 3 }],
    [[5, 1, 3], { median: 3, min: 1, max: 5 }],
    [[10, 9, 1, 2], { median: 5.5, min: 1, max: 10 }],
    [[100, 20, 3], { median: 20, min: 3, max: 100 }],
  ])('of %j is %j', (values, spread) => {
    expect(spreadOf(values)).toEqual(spread);
  });

  it('leaves the values as they are, and is nothing without any', () => {
    const values = [3, 1, 2];
    spreadOf(values);
    expect(values).toEqual([3, 1, 2]);
    expect(() => spreadOf([])).toThrow(RangeError);
  });
});

describe('ratios', () => {
  it('are of each round, not of the medians', () => {
    expect(ratiosOf([10, 100, 30], [10, 25, 10])).toEqual({ median: 3, min: 1, max: 4 });
  });

  it('need as many rounds of both', () => {
    expect(() => ratiosOf([1, 2], [1])).toThrow(RangeError);
  });
});
