/** What an engine says when it cannot open, told in our codes: both engines say it in words only. */
import { DkvError } from '../dkv.errors.js';

/** LevelDB: `already held by process`; RocksDB: `lock hold by current process`, `While lock file: …: Resource …`. */
const LOCKED = /already held by process|lock hold by current process|while lock file/i;

/** `DKV_STORE_LOCKED` when somebody else has the store open, else `DKV_STORAGE_FAILED`. */
export function openErrorOf(engine: string, folder: string, cause: unknown): DkvError {
  const reason = innermostReasonOf(cause);
  if (LOCKED.test(reason)) {
    return lockedError(folder, cause);
  }
  return new DkvError('DKV_STORAGE_FAILED', `${engine} cannot open the store in ${folder}: ${reason}`, {
    cause,
  });
}

export function lockedError(folder: string, cause?: unknown): DkvError {
  return new DkvError(
    'DKV_STORE_LOCKED',
    `The data folder ${folder} is open already, in another process or in this one. Two nodes cannot share a ` +
      'folder: stop the other one, or give this one its own dataDir. Two DkvModule.forRoot() calls are two nodes.',
    { cause },
  );
}

function innermostReasonOf(error: unknown): string {
  let innermost = error;
  while (innermost instanceof Error && innermost.cause instanceof Error) {
    innermost = innermost.cause;
  }
  return innermost instanceof Error ? innermost.message : String(innermost);
}
