/** Admission: all are taken as long as they can be done in time, and the rest is told at once. */
import { beforeEach, expect, it } from 'vitest';
import { rejected } from '../../testing/caught.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { microtasks } from '../../testing/microtasks.js';
import { Admission } from './admission.js';

let clock: ManualClock;
let admission: Admission;
let open: (() => void)[];

beforeEach(() => {
  clock = new ManualClock();
  admission = new Admission(clock);
  open = [];
});

/** Begins `count` operations that end when the test says so; how many were turned away. */
async function begin(count: number): Promise<number> {
  let turnedAway = 0;
  for (let each = 0; each < count; each++) {
    admission.pass(() => new Promise<void>((resolve) => open.push(resolve))).catch(() => turnedAway++);
  }
  await microtasks();
  return turnedAway;
}

async function end(count: number): Promise<void> {
  open.splice(0, count).forEach((resolve) => resolve());
  await microtasks();
}

it('takes 1024 from the start, and not one more', async () => {
  expect(await begin(1_024)).toBe(0);
  expect(await begin(3)).toBe(3);
  const error = await rejected(admission.pass(async () => {}));
  expect(error).toMatchObject({ code: 'DKV_OVERLOADED' });
  expect(error.message).toContain('1024 operations are under way');
});

it('takes as many as half a second completes', async () => {
  for (let window = 0; window < 12; window++) {
    await begin(500);
    await end(500);
    clock.advance(200);
  }
  // 2.5 a millisecond.
  expect(await begin(2_000)).toBe(2_000 - Math.ceil(admission.limit));
  expect(admission.limit).toBeGreaterThan(1_200);
  expect(admission.limit).toBeLessThanOrEqual(1_250);
});

it('takes few again when nothing is completed any more', async () => {
  for (let window = 0; window < 12; window++) {
    await begin(500);
    await end(500);
    clock.advance(200);
  }
  for (let window = 0; window < 12; window++) {
    clock.advance(200);
    await begin(1);
  }
  expect(admission.limit).toBe(1_024);
});

it('does not count what failed as done', async () => {
  for (let window = 0; window < 12; window++) {
    for (let each = 0; each < 500; each++) {
      await admission.pass(() => Promise.reject(new Error('no'))).catch(() => undefined);
    }
    clock.advance(200);
  }
  expect(admission.limit).toBe(1_024);
});
