/** Work a few at a time: bounded, complete, ended by the first error. */
import { expect, it } from 'vitest';
import { microtasks } from '../../../testing/microtasks.js';
import { forEachConcurrently } from './concurrently.js';

it('does all, never more than so many together', async () => {
  let together = 0;
  let most = 0;
  const done: number[] = [];
  await forEachConcurrently([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
    most = Math.max(most, ++together);
    await microtasks();
    together--;
    done.push(item);
  });
  expect(most).toBe(3);
  expect(done.sort()).toEqual([1, 2, 3, 4, 5, 6, 7]);
});

it('begins nothing after an error, and rejects with it', async () => {
  const begun: number[] = [];
  const work = forEachConcurrently([1, 2, 3, 4, 5, 6], 2, async (item) => {
    begun.push(item);
    await microtasks();
    if (item === 2) {
      throw new RangeError('two');
    }
  });
  await expect(work).rejects.toThrow(RangeError);
  await microtasks();
  expect(begun.length).toBeLessThan(5);
});

it('has nothing to do for nothing', async () => {
  await forEachConcurrently([], 4, () => Promise.reject(new Error('called')));
});
