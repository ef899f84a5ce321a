/** Randomness, as the core sees it. */

export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
}

export const Random = Symbol('DkvRandom');
