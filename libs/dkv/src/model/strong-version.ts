/** Versions of strong records: the generation and the index of the log entry that wrote them, as text of fixed width. */
import { hex12, hex8 } from './hex.js';

const PATTERN = /^[0-9a-f]{20}$/;
/** So that a lock's fencing number stays a safe integer: 2^13 generations of 2^40 entries. */
const FENCING_INDEXES = 2 ** 40;

export interface StrongVersionParts {
  /** 1 and up; raised by every recovery that may have lost something. */
  readonly generation: number;
  readonly index: number;
}

/** 8 hex digits of the generation, 12 of the index: the plain order of the texts is the order of the versions. */
export function formatStrongVersion(generation: number, index: number): string {
  return hex8(generation) + hex12(index);
}

/** Undefined for what is no version of a strong record. */
export function parseStrongVersion(version: string): StrongVersionParts | undefined {
  return PATTERN.test(version)
    ? {
        generation: Number.parseInt(version.slice(0, 8), 16),
        index: Number.parseInt(version.slice(8), 16),
      }
    : undefined;
}

/** Rises with every version of a partition, also across recoveries; a safe integer. */
export function fencingOf(version: string): number {
  const parts = parseStrongVersion(version);
  if (!parts) {
    throw new TypeError(`Not a version of a strong record: ${JSON.stringify(version).slice(0, 80)}`);
  }
  return parts.generation * FENCING_INDEXES + parts.index;
}
