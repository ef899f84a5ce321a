/** The values that are written: random bytes, which no compression makes smaller. */
import { randomFillSync } from 'node:crypto';

const VALUES = 64;

/** A few values of so many bytes, to be taken in turn. */
export function createValues(bytes: number): readonly Buffer[] {
  return Array.from({ length: VALUES }, () => randomFillSync(Buffer.allocUnsafeSlow(bytes)));
}
