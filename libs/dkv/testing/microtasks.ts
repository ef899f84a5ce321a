/** Lets everything run that waits for promises only, so that a test need not guess how many turns that takes. */
import { setImmediate } from 'node:timers';

/** Resolves when no promise reaction is left to run. Real I/O is not waited for. */
export function microtasks(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
