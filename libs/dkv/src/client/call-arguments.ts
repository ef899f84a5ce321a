/** Checks what callers give before anything is sent: a wrong type is a TypeError, a wrong value a DkvError. */
import { DkvError } from '../dkv.errors.js';
import { isStrongVersion, type StrongVersion } from '../model/strong-version.js';
import { NO_VERSION } from '../model/version.js';

/** A Date ends at 8.64e15; lifetimes stay well below. */
export const TTL_MS_MAX = 10 * 365 * 86_400_000;
const DAY_MS = 86_400_000;
export const IDEMPOTENCY_KEY_LENGTH_MAX = 256;

export function levelOf<L extends string>(levels: readonly L[], asked: L | undefined, otherwise: L): L {
  if (asked === undefined) {
    return otherwise;
  }
  assertType('consistency', asked, 'string');
  if (!levels.includes(asked)) {
    throw invalid('consistency', asked, `give one of ${levels.join(', ')}`);
  }
  return asked;
}

export function timeoutOf(asked: number | undefined, otherwise: number): number {
  if (asked === undefined) {
    return otherwise;
  }
  assertType('timeoutMs', asked, 'number');
  if (!(asked > 0 && asked <= DAY_MS)) {
    throw invalid('timeoutMs', asked, 'give milliseconds above 0, up to a day');
  }
  return asked;
}

/** 0 is for ever. */
export function ttlOf(asked: number | undefined, otherwise: number): number {
  if (asked === undefined) {
    return otherwise;
  }
  assertType('ttlMs', asked, 'number');
  if (!(Number.isInteger(asked) && asked >= 0 && asked <= TTL_MS_MAX)) {
    throw invalid('ttlMs', asked, 'give whole milliseconds up to 10 years, 0 for ever');
  }
  return asked;
}

/** A lock without an end would outlive its holder's crash. */
export function lockTtlOf(asked: number): number {
  assertType('ttlMs', asked, 'number');
  if (!(Number.isInteger(asked) && asked > 0 && asked <= TTL_MS_MAX)) {
    throw invalid('ttlMs', asked, 'give whole milliseconds above 0, up to 10 years');
  }
  return asked;
}

export function waitOf(asked: number | undefined): number {
  if (asked === undefined) {
    return 0;
  }
  assertType('waitMs', asked, 'number');
  if (!(asked >= 0 && asked <= DAY_MS)) {
    throw invalid('waitMs', asked, 'give milliseconds from 0 up to a day');
  }
  return asked;
}

/** The version to expect as the core says it; null is for no value. */
export function expectedOf(asked: string | null): StrongVersion {
  if (asked === null) {
    return NO_VERSION;
  }
  assertType('expectedVersion', asked, 'string');
  if (!isStrongVersion(asked)) {
    throw invalid(
      'expectedVersion',
      asked,
      'give the version of a pair as it was read, or null for no value',
    );
  }
  return asked;
}

export function idempotencyKeyOf(idempotencyKey: string | undefined): string | undefined {
  if (idempotencyKey === undefined) {
    return undefined;
  }
  assertType('idempotencyKey', idempotencyKey, 'string');
  if (idempotencyKey.length === 0 || idempotencyKey.length > IDEMPOTENCY_KEY_LENGTH_MAX) {
    throw invalid('idempotencyKey', idempotencyKey.slice(0, 40), 'give 1 to 256 characters');
  }
  return idempotencyKey;
}

export function incrementOf(by: number): number {
  assertType('by', by, 'number');
  if (!Number.isSafeInteger(by)) {
    throw invalid('by', by, 'give a whole number between -(2^53 - 1) and 2^53 - 1');
  }
  return by;
}

export function assertType(name: string, value: unknown, type: 'string' | 'number' | 'function'): void {
  if (typeof value !== type) {
    throw new TypeError(`${name} is a ${type}, got ${value === null ? 'null' : typeof value}.`);
  }
}

function invalid(name: string, value: string | number, remedy: string): DkvError {
  const shown = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return new DkvError('DKV_INVALID_ARGUMENT', `${name} is ${shown}: ${remedy}.`);
}
