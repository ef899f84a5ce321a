/** The error of what must fail, so that a test can look at its code, its message and its cause. */
import { DkvError } from '../src/dkv.errors.js';

/** What `action` throws; anything but a DkvError is thrown on. */
export function caught(action: () => unknown): DkvError {
  try {
    action();
  } catch (error) {
    return asDkvError(error);
  }
  throw new Error('It did not fail.');
}

/** What `work` rejects with; anything but a DkvError is thrown on. */
export async function rejected(work: Promise<unknown>): Promise<DkvError> {
  try {
    await work;
  } catch (error) {
    return asDkvError(error);
  }
  throw new Error('It did not fail.');
}

function asDkvError(error: unknown): DkvError {
  if (error instanceof DkvError) {
    return error;
  }
  throw error;
}
