/** Versions of strong namespaces: where in the log of its partition a record was written. */
import { DkvError } from '../dkv.errors.js';
import { hex6, hex8 } from './hex.js';

/** Hex digits of the generation, and of the index, in the text. */
const GENERATION_DIGITS = 8;
const INDEX_DIGITS = 12;
const GENERATION_MAX = 16 ** GENERATION_DIGITS - 1;
const INDEX_MAX = 16 ** INDEX_DIGITS - 1;
/** A fencing number leaves the index 40 bits, and the generation the 13 above them that a double still holds. */
const FENCING_INDEX_BITS = 2 ** 40;
/** So many indices in a row have all but their last six digits in common. */
const LOW_RANGE = 2 ** 24;
/** Of the last version: nearly always the next one begins alike, and putting that together takes two thirds of the time. */
let lastGeneration = NaN;
let lastHigh = NaN;
let lastPrefix = '';
const STRONG_VERSION_PATTERN = /^[0-9a-f]{20}$/;

/**
 * 20 hex digits: 8 of the generation of the group, 12 of the index of the log entry. Equal widths make the plain string
 * order (`<`) the order of (generation, index), which rises within a partition for ever.
 */
export type StrongVersion = string;

/** Above every version that is ever given: a write that expects it is refused, whatever the key has. */
export const UNREACHABLE_STRONG_VERSION: StrongVersion = 'f'.repeat(GENERATION_DIGITS + INDEX_DIGITS);

export interface StrongVersionParts {
  /** How often the group went on after a lossy recovery or a restore; 0 to 2^32 - 1. */
  readonly generation: number;
  /** 0 to 2^48 - 1. */
  readonly index: number;
}

/** @throws RangeError outside the limits of {@link StrongVersionParts}. */
export function formatStrongVersion(generation: number, index: number): StrongVersion {
  if (!isWhole(generation, GENERATION_MAX) || !isWhole(index, INDEX_MAX)) {
    throw new RangeError(`No strong version has generation ${generation} and index ${index}.`);
  }
  const high = Math.floor(index / LOW_RANGE);
  if (generation !== lastGeneration || high !== lastHigh) {
    lastGeneration = generation;
    lastHigh = high;
    lastPrefix = hex8(generation) + hex6(high);
  }
  return lastPrefix + hex6(index % LOW_RANGE);
}

export function isStrongVersion(value: unknown): value is StrongVersion {
  return typeof value === 'string' && STRONG_VERSION_PATTERN.test(value);
}

/** @throws DkvError `DKV_PROTOCOL` when `version` is not well formed. */
export function parseStrongVersion(version: StrongVersion): StrongVersionParts {
  if (!isStrongVersion(version)) {
    throw new DkvError(
      'DKV_PROTOCOL',
      `Not a version of a strong namespace: ${JSON.stringify(version).slice(0, 80)}`,
    );
  }
  return {
    generation: Number.parseInt(version.slice(0, GENERATION_DIGITS), 16),
    index: Number.parseInt(version.slice(GENERATION_DIGITS), 16),
  };
}

/**
 * The version as a safe integer, which rises as versions do: generation × 2^40 + index. What locks protect is to refuse
 * numbers lower than the highest it has seen (Kleppmann, How to do distributed locking, 2016).
 * @throws DkvError `DKV_PROTOCOL` when `version` is not well formed; RangeError past generation 8191 or index 2^40 - 1,
 *   where two versions could come out as one number.
 */
export function fencingOf(version: StrongVersion): number {
  const { generation, index } = parseStrongVersion(version);
  const fencing = generation * FENCING_INDEX_BITS + index;
  if (index >= FENCING_INDEX_BITS || !Number.isSafeInteger(fencing)) {
    throw new RangeError(`Version ${version} is too high for a fencing number.`);
  }
  return fencing;
}

function isWhole(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= max;
}
