/** What an engine says when it cannot open, told in our codes. */
import { DkvError } from '../../dkv.errors.js';

/** RocksDB has no codes: `lock hold by current process` (this one), `While lock file: …: Resource …` (another). */
const ROCKSDB_LOCKED = /lock hold by current process|while lock file/i;

const ANYBODY = 'another process or in this one';

/** `DKV_STORE_LOCKED` when somebody else has the store open, else `DKV_STORAGE_FAILED`. */
export function openErrorOf(engine: string, folder: string, cause: unknown): DkvError {
  const { message, code } = innermostOf(cause);
  if (code === 'LEVEL_LOCKED' || ROCKSDB_LOCKED.test(message)) {
    return lockedError(folder, ANYBODY, cause);
  }
  return new DkvError('DKV_STORAGE_FAILED', `${engine} cannot open the store in ${folder}: ${message}`, {
    cause,
  });
}

/** `holder`: who has it open. */
export function lockedError(folder: string, holder: string, cause?: unknown): DkvError {
  return new DkvError(
    'DKV_STORE_LOCKED',
    `The data folder ${folder} is open already, in ${holder}. Two nodes cannot share a ` +
      'folder: stop the other one, or give this one its own dataDir. Two DkvModule.forRoot() calls are two nodes.',
    { cause },
  );
}

/** What lies underneath, with the code and the words of the engine. */
export function innermostOf(error: unknown): Error & { readonly code?: unknown } {
  let innermost = error;
  while (innermost instanceof Error && innermost.cause instanceof Error) {
    innermost = innermost.cause;
  }
  return innermost instanceof Error ? innermost : new Error(String(innermost));
}
