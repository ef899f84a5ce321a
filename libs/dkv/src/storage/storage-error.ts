/** What an engine's error means: damage of one record, trouble that passes, or the end of writing. */
import { DkvError } from '../dkv.errors.js';

/** Of the engine's messages: it gives the system's code in words only. */
const PASSING = /no space left|disk quota exceeded|too many open files|temporarily unavailable/i;
const FULL = /no space left|disk quota exceeded/i;
const FULL_CODES: readonly string[] = ['ENOSPC', 'EDQUOT'];
const PASSING_CODES: readonly string[] = [...FULL_CODES, 'EMFILE', 'ENFILE', 'EAGAIN'];

/** Whether a read failed because the engine's own checksums say that what it met is damaged. */
export function isEngineDamage(error: unknown): boolean {
  return error instanceof Error && /corruption|checksum mismatch/i.test(`${codeOf(error)} ${error.message}`);
}

/** Whether the same may succeed later: a full disk, too many open files (rule 6 of the strong mode). */
export function isPassing(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (hasPassingCode(cause) || PASSING.test(cause.message)) {
      return true;
    }
  }
  return false;
}

/** Whether it is for want of room on the disk. */
export function isFullDisk(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (hasFullCode(cause) || FULL.test(cause.message)) {
      return true;
    }
  }
  return false;
}

/** A DkvError as it is; anything else as `DKV_STORAGE_FAILED`. `what` begins a sentence: "Reading from /data/n1". */
export function storageError(what: string, cause: unknown): DkvError {
  if (cause instanceof DkvError) {
    return cause;
  }
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new DkvError('DKV_STORAGE_FAILED', `${what} failed: ${reason}.`, { cause });
}

/** Of the system: an error that ends by itself or by an operator's hand, without a restart. */
export function hasPassingCode(error: unknown): boolean {
  return PASSING_CODES.includes(codeOf(error));
}

/** Of the system: an error for want of room. */
export function hasFullCode(error: unknown): boolean {
  return FULL_CODES.includes(codeOf(error));
}

/** Empty where there is none. */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : '';
}
