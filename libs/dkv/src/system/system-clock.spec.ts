/** The real clock and chance, as far as that can be tested without waiting for them. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SystemClock, SystemRandom } from './system-clock.js';

const DAY_MS = 86_400_000;

describe('the clock', () => {
  const clock = new SystemClock();

  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  /** Whether a task scheduled so has run after so long. */
  const ranAfter = (delayMs: number, elapsedMs: number): boolean => {
    let ran = false;
    clock.schedule(delayMs, () => (ran = true));
    vi.advanceTimersByTime(elapsedMs);
    return ran;
  };

  it('tells the wall time, and a time that a set wall clock does not move', () => {
    vi.setSystemTime(1_700_000_000_000);
    expect(clock.now()).toBe(1_700_000_000_000);
    const before = clock.monotonic();
    vi.setSystemTime(1_600_000_000_000);
    expect(clock.now()).toBe(1_600_000_000_000);
    expect(clock.monotonic()).toBe(before);
    vi.advanceTimersByTime(5);
    expect(clock.monotonic() - before).toBe(5);
  });

  it.each([
    [100, 99, false],
    [100, 100, true],
    [0, 1, true],
    // Node runs a timer of more than 2^31 - 1 ms at once.
    [30 * DAY_MS, 20 * DAY_MS, false],
    [Infinity, 20 * DAY_MS, false],
  ])('runs a task of %d ms: after %d ms it is %s', (delayMs, elapsedMs, ran) => {
    expect(ranAfter(delayMs, elapsedMs)).toBe(ran);
  });

  it('runs no task that was cancelled', () => {
    let ran = false;
    const timer = clock.schedule(100, () => (ran = true));
    timer.cancel();
    timer.cancel();
    vi.advanceTimersByTime(DAY_MS);
    expect(ran).toBe(false);
  });
});

it('runs no task before its time, as timers of Node do', async () => {
  const clock = new SystemClock();
  let early = 0;
  const tasks = Array.from({ length: 300 }, (_, index) => {
    const delayMs = 1 + (index % 20) + index / 1_000;
    const dueMs = clock.monotonic() + delayMs;
    return new Promise<void>((resolve) => {
      clock.schedule(delayMs, () => {
        early += clock.monotonic() < dueMs ? 1 : 0;
        resolve();
      });
    });
  });
  // Timers of the clock keep no process alive.
  const alive = setInterval(() => undefined, 1_000);
  await Promise.all(tasks);
  clearInterval(alive);
  expect(early).toBe(0);
});

it('does not keep the process alive for a timer', () => {
  const before = process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
  const timer = new SystemClock().schedule(DAY_MS, () => undefined);
  const after = process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
  timer.cancel();
  expect(after).toBe(before);
});

it('draws numbers from 0 to below 1, in all parts of that', () => {
  const random = new SystemRandom();
  const drawn = Array.from({ length: 10_000 }, () => random.next());
  expect(drawn.every((number) => number >= 0 && number < 1)).toBe(true);
  expect(new Set(drawn.map((number) => Math.floor(number * 10))).size).toBe(10);
  expect(new Set(drawn).size).toBeGreaterThan(9_990);
});
