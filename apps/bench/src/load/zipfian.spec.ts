import { describe, expect, it } from 'vitest';
import { createRandom } from './random.js';
import { YCSB_THETA, Zipfian } from './zipfian.js';

const DRAWS = 400_000;

function countsOf(zipfian: Zipfian, items: number): number[] {
  const counts = new Array<number>(items).fill(0);
  for (let draw = 0; draw < DRAWS; draw++) {
    counts[zipfian.next()]!++;
  }
  return counts;
}

describe('Zipfian', () => {
  it.each([
    [2, YCSB_THETA],
    [10, YCSB_THETA],
    [1_000, YCSB_THETA],
    [1_000, 0.5],
  ])('gives the first two of %i ranks their exact share, theta %f', (items, theta) => {
    const zipfian = new Zipfian(items, createRandom(7), theta);
    const counts = countsOf(zipfian, items);
    for (const rank of [0, 1]) {
      const expected = zipfian.probabilityOf(rank);
      // Five standard deviations of a binomial share.
      const tolerance = 5 * Math.sqrt((expected * (1 - expected)) / DRAWS);
      expect(Math.abs(counts[rank]! / DRAWS - expected)).toBeLessThan(tolerance + 1e-12);
    }
  });

  it('gives stretches of the other ranks nearly theirs: the approximation of Gray et al.', () => {
    const items = 10_000;
    const zipfian = new Zipfian(items, createRandom(11));
    const counts = countsOf(zipfian, items);
    for (const [from, to] of [
      [2, 10],
      [10, 100],
      [100, 1_000],
      [1_000, 10_000],
    ] as const) {
      let share = 0;
      let expected = 0;
      for (let rank = from; rank < to; rank++) {
        share += counts[rank]! / DRAWS;
        expected += zipfian.probabilityOf(rank);
      }
      expect(share / expected).toBeGreaterThan(0.9);
      expect(share / expected).toBeLessThan(1.1);
    }
  });

  it('has probabilities that add up to 1', () => {
    const zipfian = new Zipfian(1_000, createRandom(1));
    const sum = Array.from({ length: 1_000 }, (_, rank) => zipfian.probabilityOf(rank)).reduce(
      (a, b) => a + b,
    );
    expect(sum).toBeCloseTo(1, 10);
  });

  it('stays within its ranks, even for one', () => {
    for (const items of [1, 2, 3]) {
      const zipfian = new Zipfian(items, createRandom(3));
      for (let draw = 0; draw < 2_000; draw++) {
        const rank = zipfian.next();
        expect(rank >= 0 && rank < items).toBe(true);
      }
    }
  });

  it('gives the same ranks for the same seed, others for another', () => {
    const draw = (seed: number) => {
      const zipfian = new Zipfian(1_000, createRandom(seed));
      return Array.from({ length: 50 }, () => zipfian.next());
    };
    expect(draw(5)).toEqual(draw(5));
    expect(draw(5)).not.toEqual(draw(6));
  });

  it('grown is as if it had been made so', () => {
    const grown = new Zipfian(100, createRandom(9));
    grown.growTo(1_000);
    const made = new Zipfian(1_000, createRandom(9));
    expect(Array.from({ length: 100 }, () => grown.next())).toEqual(
      Array.from({ length: 100 }, () => made.next()),
    );
  });
});
