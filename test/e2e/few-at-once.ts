/** Many requests without a stampede: on a busy machine hundreds at once would run into their own time limits. */

const AT_ONCE = 16;

/** As `Promise.all(items.map(work))`, with at most a few under way. */
export async function fewAtOnce<I, T>(
  items: readonly I[],
  work: (item: I, index: number) => Promise<T>,
): Promise<T[]> {
  const results = new Array<T>(items.length);
  const rest = items.entries();
  const worker = async () => {
    for (const [index, item] of rest) {
      results[index] = await work(item, index);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}
