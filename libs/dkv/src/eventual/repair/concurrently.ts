/** Does many pieces of background work a few at a time: faster than one by one, and never all together. */

/** Resolves when `work` is done for all. The first error ends it: what is under way ends, nothing new begins. */
export async function forEachConcurrently<T>(
  items: Iterable<T>,
  concurrentMax: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items[Symbol.iterator]();
  let failed = false;
  const worker = async () => {
    for (let step = rest.next(); !step.done && !failed; step = rest.next()) {
      try {
        await work(step.value);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: concurrentMax }, worker));
}
