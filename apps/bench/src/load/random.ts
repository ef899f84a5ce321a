/** Random numbers that come again with the same seed, so that both sides get the same keys in the same order. */

/** Numbers from 0 up to, never, 1. */
export type RandomNumbers = () => number;

const WARM_UP = 12;

/** sfc32 of Chris Doty-Humphrey's PractRand: 128 bits of state, a period of about 2^127, four additions a number. */
export function createRandom(seed: number): RandomNumbers {
  let a = seed >>> 0;
  let b = Math.floor(seed / 2 ** 32) >>> 0;
  let c = 0x9e3779b9;
  let counter = 1;
  const next = () => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return (sum >>> 0) / 2 ** 32;
  };
  for (let round = 0; round < WARM_UP; round++) {
    next();
  }
  return next;
}
