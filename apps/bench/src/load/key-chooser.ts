/** Which key comes next: uniform, zipfian, or the latest ones first. */
import { type RandomNumbers, shuffledIndices } from './random.js';
import { Zipfian } from './zipfian.js';

export const KEY_DISTRIBUTIONS = ['uniform', 'zipfian', 'latest'] as const;
export type KeyDistribution = (typeof KEY_DISTRIBUTIONS)[number];

/** Chooses indices of keys that exist. */
export interface KeyChooser {
  next(): number;
  /** The index of a key to insert; it may be chosen once `inserted` said that it is there. */
  toInsert(): number;
  inserted(index: number): void;
}

/** `keys`: how many there are before the first insert. */
export function createKeyChooser(
  distribution: KeyDistribution,
  keys: number,
  random: RandomNumbers,
): KeyChooser {
  const insertions = new Insertions(keys);
  return {
    next: nextOf(distribution, keys, random, insertions),
    toInsert: () => insertions.begin(),
    inserted: (index) => insertions.end(index),
  };
}

function nextOf(
  distribution: KeyDistribution,
  keys: number,
  random: RandomNumbers,
  insertions: Insertions,
): () => number {
  if (distribution === 'uniform') {
    return () => Math.floor(random() * keys);
  }
  if (distribution === 'zipfian') {
    // YCSB scatters the ranks by a hash, where several can meet on one key; an order keeps each rank a key of its own.
    const keyOfRank = shuffledIndices(keys, random);
    const ranks = new Zipfian(keys, random);
    return () => keyOfRank[ranks.next()]!;
  }
  // YCSB's SkewedLatestGenerator: the newest key is the most popular one.
  const ages = new Zipfian(keys, random);
  return () => {
    ages.growTo(insertions.there);
    return insertions.there - 1 - ages.next();
  };
}

/** Keys that are there without a gap, though inserts end in any order: YCSB's AcknowledgedCounterGenerator. */
class Insertions {
  private begun: number;
  private readonly early = new Set<number>();

  /** All indices below are there. */
  constructor(public there: number) {
    this.begun = there;
  }

  begin(): number {
    return this.begun++;
  }

  end(index: number): void {
    this.early.add(index);
    while (this.early.delete(this.there)) {
      this.there++;
    }
  }
}
