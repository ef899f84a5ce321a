/** However often something happens, the log of an operator stays readable, and tells how often that was. */
import { expect, it } from 'vitest';
import { CapturedLog } from '../../testing/captured-log.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { ThrottledLog } from './throttled-log.js';

it('tells of each sort at most once in ten seconds, and then how many were left out', () => {
  const clock = new ManualClock();
  const log = new CapturedLog();
  const throttled = new ThrottledLog(log, clock);
  for (let round = 0; round < 3; round++) {
    for (let count = 0; count < 1000; count++) {
      throttled.error('a fault', `Fault ${round}.${count}.`);
      throttled.warn('an oddity', `Odd ${round}.${count}.`);
    }
    clock.advance(10_000);
  }
  throttled.warn('an oddity', 'Odd at last.');
  expect(log.errors).toEqual([
    'Fault 0.0.',
    'Fault 1.0. Before, not logged: 999 × a fault.',
    'Fault 2.0. Before, not logged: 999 × a fault.',
  ]);
  expect(log.warnings.at(-1)).toBe('Odd at last. Before, not logged: 999 × an oddity.');
  clock.advance(10_000);
  throttled.warn('an oddity', 'Odd again.');
  expect(log.warnings.at(-1)).toBe('Odd again.');
});
