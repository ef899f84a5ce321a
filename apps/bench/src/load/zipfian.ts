/** Zipfian ranks, the popularity of keys that YCSB loads stores with: a few are asked for most of the time. */
import { type RandomNumbers } from './random.js';

/** YCSB's constant: of 100,000 keys the first takes about 8 % of all operations. */
export const YCSB_THETA = 0.99;

/**
 * Ranks from 0, the most popular one, to `items - 1`; rank r comes with a probability close to
 * (r + 1)^-theta / zeta(items). Two ranks are exact, the others a continuous approximation that needs one random number
 * and one power: J. Gray et al., "Quickly Generating Billion-Record Synthetic Databases", SIGMOD 1994, section 3.2, as
 * in YCSB's ZipfianGenerator.
 */
export class Zipfian {
  private items = 0;
  private zeta = 0;
  private eta = 0;
  private readonly alpha: number;
  private readonly zetaOfTwo: number;

  /** `theta`: from 0, uniform, up to, never, 1. */
  constructor(
    items: number,
    private readonly random: RandomNumbers,
    private readonly theta = YCSB_THETA,
  ) {
    this.alpha = 1 / (1 - theta);
    this.zetaOfTwo = 1 + 0.5 ** theta;
    this.growTo(items);
  }

  /** More items than before; costs one power for each new one. */
  growTo(items: number): void {
    for (; this.items < items; this.items++) {
      this.zeta += 1 / (this.items + 1) ** this.theta;
    }
    this.eta = (1 - (2 / this.items) ** (1 - this.theta)) / (1 - this.zetaOfTwo / this.zeta);
  }

  next(): number {
    const u = this.random();
    const uz = u * this.zeta;
    if (uz < 1) {
      return 0;
    }
    if (uz < this.zetaOfTwo) {
      return Math.min(1, this.items - 1);
    }
    const rank = Math.floor(this.items * (this.eta * u - this.eta + 1) ** this.alpha);
    return Math.min(rank, this.items - 1);
  }

  /** The exact probability of a rank, for whoever wants to compare. */
  probabilityOf(rank: number): number {
    return 1 / (rank + 1) ** this.theta / this.zeta;
  }
}
