import { expect, it } from 'vitest';
import { sumOf, UsageWindow } from './window.js';

const OBJECTS = 2_000_000;
/** A number and a link: two fields of 4 or 8 bytes and a header of three. */
const BYTES_MIN = 20;

it('counts what was allocated, also when it was collected before the end, and what that cost', () => {
  const window = new UsageWindow();
  let last: object | undefined;
  for (let number = 0; number < OBJECTS; number++) {
    last = { number, last: number % 10 === 0 ? undefined : last };
  }
  const { cpuUs, rssBytes, gcUs, allocatedBytes } = window.end();
  expect(last).toBeDefined();
  expect(allocatedBytes).toBeGreaterThan(OBJECTS * BYTES_MIN);
  expect(allocatedBytes).toBeLessThan(OBJECTS * 10 * BYTES_MIN);
  expect(gcUs).toBeGreaterThan(0);
  expect(cpuUs).toBeGreaterThan(0);
  expect(rssBytes).toBeGreaterThan(0);
});

it('adds up the usage of several processes', () => {
  const usage = { cpuUs: 1, rssBytes: 2, gcUs: 3, allocatedBytes: 4 };
  expect(sumOf([usage, usage])).toEqual({ cpuUs: 2, rssBytes: 4, gcUs: 6, allocatedBytes: 8 });
});
