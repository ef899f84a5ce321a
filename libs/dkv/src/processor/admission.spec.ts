/** Admission: all are taken as long as they can be done in time, and the rest is told at once. */
import { beforeEach, expect, it } from 'vitest';
import { caught } from '../../testing/caught.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { Admission } from './admission.js';

let clock: ManualClock;
let admission: Admission;

beforeEach(() => {
  clock = new ManualClock();
  admission = new Admission(clock.monotonic());
});

/** Begins `count` operations that end when the test says so; how many were turned away. */
function begin(count: number): number {
  let turnedAway = 0;
  for (let each = 0; each < count; each++) {
    try {
      admission.enter(clock.monotonic());
    } catch {
      turnedAway++;
    }
  }
  return turnedAway;
}

function end(count: number, isCompleted = true): void {
  for (let each = 0; each < count; each++) {
    admission.leave(isCompleted, clock.monotonic());
  }
}

it('takes 1024 from the start, and not one more', () => {
  expect(begin(1_024)).toBe(0);
  expect(begin(3)).toBe(3);
  const error = caught(() => admission.enter(clock.monotonic()));
  expect(error).toMatchObject({ code: 'DKV_OVERLOADED' });
  expect(error.message).toContain('1024 operations are under way');
});

it('takes as many as half a second completes', () => {
  for (let window = 0; window < 12; window++) {
    begin(500);
    end(500);
    clock.advance(200);
  }
  // 2.5 a millisecond.
  expect(begin(2_000)).toBe(2_000 - Math.ceil(admission.limit));
  expect(admission.limit).toBeGreaterThan(1_200);
  expect(admission.limit).toBeLessThanOrEqual(1_250);
});

it('takes few again when nothing is completed any more', () => {
  for (let window = 0; window < 12; window++) {
    begin(500);
    end(500);
    clock.advance(200);
  }
  for (let window = 0; window < 12; window++) {
    clock.advance(200);
    begin(1);
  }
  expect(admission.limit).toBe(1_024);
});

it('does not count what failed as done', () => {
  for (let window = 0; window < 12; window++) {
    begin(500);
    end(500, false);
    clock.advance(200);
  }
  expect(admission.limit).toBe(1_024);
});
