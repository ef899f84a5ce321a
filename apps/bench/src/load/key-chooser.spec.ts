import { describe, expect, it } from 'vitest';
import { createKeyChooser, type KeyDistribution } from './key-chooser.js';
import { createRandom, shuffledIndices } from './random.js';
import { Zipfian } from './zipfian.js';

const KEYS = 1_000;
const DRAWS = 100_000;

function countsOf(distribution: KeyDistribution): number[] {
  const chooser = createKeyChooser(distribution, KEYS, createRandom(1));
  const counts = new Array<number>(KEYS).fill(0);
  for (let draw = 0; draw < DRAWS; draw++) {
    counts[chooser.next()]!++;
  }
  return counts;
}

describe('a key chooser', () => {
  it('takes every key alike when uniform', () => {
    const counts = countsOf('uniform');
    expect(Math.min(...counts)).toBeGreaterThan((DRAWS / KEYS) * 0.5);
    expect(Math.max(...counts)).toBeLessThan((DRAWS / KEYS) * 1.5);
  });

  it('scatters the popular keys when zipfian', () => {
    const counts = countsOf('zipfian');
    const ranks = new Zipfian(KEYS, createRandom(1));
    const popular = counts.map((count, key) => ({ count, key })).sort((a, b) => b.count - a.count);
    expect(popular[0]!.count / DRAWS).toBeCloseTo(ranks.probabilityOf(0), 2);
    expect(popular.slice(0, 5).map(({ key }) => key)).not.toEqual([0, 1, 2, 3, 4]);
  });

  it('takes the newest key most often when latest', () => {
    const counts = countsOf('latest');
    expect(counts.indexOf(Math.max(...counts))).toBe(KEYS - 1);
  });

  it('takes an inserted key once it is there, and those before it are', () => {
    const chooser = createKeyChooser('latest', 10, createRandom(1));
    const highest = () => Math.max(...Array.from({ length: 200 }, () => chooser.next()));
    const [first, second] = [chooser.toInsert(), chooser.toInsert()];
    expect([first, second]).toEqual([10, 11]);
    chooser.inserted(second);
    expect(highest()).toBe(9);
    chooser.inserted(first);
    expect(highest()).toBe(11);
  });
});

describe('shuffled indices', () => {
  it('are every index once', () => {
    expect([...shuffledIndices(KEYS, createRandom(1))].sort((a, b) => a - b)).toEqual(
      Array.from({ length: KEYS }, (_, index) => index),
    );
  });
});
