/** Keeps a process going while it waits for nothing but time: timers of the clock do not. */

const LONG_MS = 2 ** 30;

/** Until `work` has ended. */
export async function awakeDuring<T>(work: Promise<T>): Promise<T> {
  const timer = setInterval(() => undefined, LONG_MS);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}
