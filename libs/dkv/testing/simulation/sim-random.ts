/** The only source of chance in a simulation: everything random comes from one seed, so a seed is a whole run. */
import { type Random } from '../../src/ports/random.js';

/** A delay in milliseconds: at least `minMs`, `meanMs` on average, a long tail up to `maxMs`. */
export interface DelayShape {
  readonly minMs: number;
  readonly meanMs: number;
  readonly maxMs: number;
}

/**
 * A seeded generator: sfc32 (Chris Doty-Humphrey, PractRand 2010) on a state filled by splitmix32 (after
 * Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators, OOPSLA 2014). Not for secrets.
 */
export class SimRandom implements Random {
  readonly seed: string;
  private a: number;
  private b: number;
  private c: number;
  private counter: number;

  constructor(seed: number | string) {
    this.seed = String(seed);
    const word = splitmix32(fold(this.seed));
    this.a = word();
    this.b = word();
    this.c = word();
    this.counter = 1;
    // The author's advice: a dozen rounds before the state is well mixed.
    for (let round = 0; round < 12; round++) {
      this.uint32();
    }
  }

  /**
   * A generator of its own for `label`. It depends on this one's seed and the label only, not on how many
   * numbers were drawn: a part that draws more does not shift the others. Equal labels, equal numbers.
   */
  fork(label: string): SimRandom {
    return new SimRandom(`${this.seed}/${label}`);
  }

  uint32(): number {
    const sum = (((this.a + this.b) | 0) + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  next(): number {
    return this.uint32() / 0x1_0000_0000;
  }

  /** A whole number from 0 to `bound` - 1. */
  int(bound: number): number {
    return Math.floor(this.next() * bound);
  }

  /** A number in [`min`, `max`). */
  between(min: number, max: number): number {
    return min + this.next() * (max - min);
  }

  /** True once in 1 / `probability` times. Draws nothing at 0, so a fault switched off costs no number. */
  chance(probability: number): boolean {
    return probability > 0 && this.next() < probability;
  }

  /** @throws TypeError when there is nothing to pick from. */
  pick<T>(items: readonly T[]): T {
    if (items.length === 0) {
      throw new TypeError('Nothing to pick from: the list is empty.');
    }
    return items[this.int(items.length)]!;
  }

  /** A new list in random order (Fisher and Yates). */
  shuffle<T>(items: readonly T[]): T[] {
    const order = [...items];
    for (let last = order.length - 1; last > 0; last--) {
      const other = this.int(last + 1);
      [order[last], order[other]] = [order[other]!, order[last]!];
    }
    return order;
  }

  /** Exponentially distributed with this mean: the gaps of events that know nothing of each other. */
  exponential(mean: number): number {
    return -Math.log(1 - this.next()) * mean;
  }

  /** A skewed delay: mostly near the least, sometimes far above. That is what reorders messages. */
  delay({ minMs, meanMs, maxMs }: DelayShape): number {
    return Math.min(maxMs, minMs + this.exponential(Math.max(0, meanMs - minMs)));
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.uint32() & 0xff);
  }
}

/** 32-bit FNV-1a of the text's UTF-16 units: turns a label into a number. */
function fold(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash;
}

function splitmix32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return mixed ^ (mixed >>> 15);
  };
}
