/** The rate of repair: a second's worth at once, then no faster than allowed. */
import { beforeEach, expect, it } from 'vitest';
import { ManualClock } from '../../testing/manual-clock.js';
import { microtasks } from '../../testing/microtasks.js';
import { RateLimit } from './rate-limit.js';

let clock: ManualClock;
let rate: RateLimit;

beforeEach(() => {
  clock = new ManualClock();
  rate = new RateLimit(1_000, clock);
});

/** After how many milliseconds `bytes` may be sent. */
async function waitOf(bytes: number): Promise<number> {
  let waiting = true;
  void rate.take(bytes).then(() => (waiting = false));
  await microtasks();
  let waitedMs = 0;
  for (; waiting && waitedMs < 100_000; waitedMs++) {
    clock.advance(1);
    await microtasks();
  }
  return waitedMs;
}

it('lets a second of bytes through at once, and makes the next byte wait', async () => {
  expect(await waitOf(400)).toBe(0);
  expect(await waitOf(600)).toBe(0);
  expect(await waitOf(1)).toBe(1);
});

it('lets one through that is larger than the bound, late', async () => {
  expect(await waitOf(3_000)).toBe(2_000);
});

it('makes the next pay for what was borrowed', async () => {
  const large = rate.take(3_000);
  const small = waitOf(500);
  expect(await small).toBe(2_500);
  await large;
});

it('saves up no more than a second, however long nothing was sent', async () => {
  await rate.take(1_000);
  clock.advance(3_600_000);
  expect(await waitOf(1_000)).toBe(0);
  expect(await waitOf(1_000)).toBe(1_000);
});

it('keeps the rate over many small ones', async () => {
  const started = clock.monotonic();
  for (let sent = 0; sent < 200; sent++) {
    await waitOf(100);
  }
  const tookMs = clock.monotonic() - started;
  expect(tookMs).toBeGreaterThanOrEqual(19_000);
  expect(tookMs).toBeLessThan(19_500);
});
