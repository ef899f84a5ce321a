/** Waiting for what another process does: asked again and again, within a bound, never slept for blindly. */
import { setTimeout as pause } from 'node:timers/promises';

const POLL_MS = 50;

/**
 * Resolves with the first answer of `probe` that is neither false nor undefined; a rejection counts as "not yet".
 * @throws Error naming `what` when that takes longer than `withinMs`.
 */
export async function until<T>(
  what: string,
  probe: () => Promise<T | false | undefined>,
  withinMs = 120_000,
): Promise<T> {
  const endsMs = performance.now() + withinMs;
  let last: unknown;
  do {
    try {
      const answer = await probe();
      if (answer !== false && answer !== undefined) {
        return answer;
      }
      last = answer;
    } catch (error) {
      last = error;
    }
    await pause(POLL_MS);
  } while (performance.now() < endsMs);
  throw new Error(`Waited ${withinMs} ms in vain for: ${what}. The last answer: ${String(last)}`);
}
