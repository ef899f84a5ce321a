/** What the node log tells an operator when files fail: which file, which offset, what to do. */
import { DkvError } from '../../dkv.errors.js';
import { codeOf, hasPassingCode } from '../storage-error.js';
import { type LogFiles } from './log-files.js';

/** A sync that failed: what of the file is on the medium is not known any more, and no later sync tells. */
export class FailedSyncError extends Error {
  override readonly name = 'FailedSyncError';

  constructor(cause: Error) {
    super(cause.message, { cause });
  }
}

const DESCRIPTOR_CODES = new Set(['EMFILE', 'ENFILE']);

/** Tells a failed sync from other errors. */
export async function syncedFinally(sync: Promise<void>): Promise<void> {
  try {
    await sync;
  } catch (error) {
    throw new FailedSyncError(error instanceof Error ? error : new Error(String(error)));
  }
}

/** A folder is opened to be synced: that there are no descriptors is no failed sync. */
export async function folderSynced(files: LogFiles): Promise<void> {
  try {
    await files.syncFolder();
  } catch (error) {
    if (DESCRIPTOR_CODES.has(codeOf(error))) {
      throw error;
    }
    throw new FailedSyncError(error instanceof Error ? error : new Error(String(error)));
  }
}

/** Rule 6 of the strong mode. */
export function passes(error: unknown): boolean {
  return !(error instanceof FailedSyncError) && hasPassingCode(error);
}

export function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT';
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function appendFailed(where: string, cause: unknown): DkvError {
  const remedy = passes(cause)
    ? 'This node takes no writes until that is over; it tries again by itself. Make room, or raise the limit of open files.'
    : 'This node takes no more writes; mend the storage and start it again.';
  return new DkvError(
    'DKV_STORAGE_FAILED',
    `Appending to the log in ${where} failed: ${messageOf(cause)}. ${remedy}`,
    { cause },
  );
}

export function logReadOnly(cause: DkvError): DkvError {
  return new DkvError('DKV_READ_ONLY', `This node takes no writes now: ${cause.message}`, { cause });
}

export function logOverloaded(where: string, pendingBytes: number, bytesMax: number): DkvError {
  return new DkvError(
    'DKV_OVERLOADED',
    `${pendingBytes} bytes wait to be written to the log in ${where}; the limit is ${bytesMax}. Try again later, or ` +
      'send less at a time.',
  );
}

export function logClosed(where: string): DkvError {
  return new DkvError('DKV_NOT_READY', `The log in ${where} is closed: the node is stopping.`);
}

export function openFailed(where: string, cause: unknown): DkvError {
  return new DkvError(
    'DKV_STORAGE_FAILED',
    `The log in ${where} cannot be opened: ${messageOf(cause)}. Check the disk and that this process may write there.`,
    { cause },
  );
}

export function noteFailed(where: string, cause: unknown): DkvError {
  return new DkvError(
    'DKV_STORAGE_FAILED',
    `Where the log in ${where} ends could not be noted: ${messageOf(cause)}. Check the disk.`,
    { cause },
  );
}

/** Rule 5 of the strong mode: never cut by itself, since what is behind the damage may have been acknowledged. */
export function logDamaged(
  where: string,
  dataDir: string,
  file: string,
  offset: number,
  what: string,
): DkvError {
  return new DkvError(
    'DKV_LOG_DAMAGED',
    `The log in ${where} is damaged: ${file}, offset ${offset}: ${what}. Put the file back if you have it. Else go on ` +
      'without what is behind the damage, as a new voter that the other nodes bring up to date: ' +
      `npx -p nestjs-dkv dkv recover --data-dir ${dataDir}`,
  );
}

export function logOfOtherVersion(where: string, file: string, what: string, cause?: unknown): DkvError {
  return new DkvError(
    'DKV_STORE_MISMATCH',
    `The log in ${where} was written by another version of nestjs-dkv: ${file}: ${what}. Start the version that wrote it.`,
    { cause },
  );
}
