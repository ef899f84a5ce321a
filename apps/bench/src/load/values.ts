/** The values that are written: random bytes, which no compression makes smaller. */
import { createHash, randomFillSync } from 'node:crypto';

const VALUES = 64;

/** A few values of so many bytes, to be taken in turn. */
export function createValues(bytes: number): readonly Buffer[] {
  return Array.from({ length: VALUES }, () => randomFillSync(Buffer.allocUnsafeSlow(bytes)));
}

/** As many, of bytes that look as random, and the same in every process: for what several write alike. */
export function createEqualValues(bytes: number): readonly Buffer[] {
  return Array.from({ length: VALUES }, (_, number) =>
    createHash('shake256', { outputLength: bytes }).update(`value ${number}`).digest(),
  );
}
