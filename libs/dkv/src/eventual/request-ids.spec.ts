/** The names of requests: well formed, and no two alike. */
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../testing/manual-clock.js';
import { SimRandom } from '../../testing/simulation/sim-random.js';
import { formatRequestId, isRequestId } from '../model/request-id.js';
import { type Random } from '../ports/random.js';
import { RequestIds } from './request-ids.js';

const NOW_MS = 1_700_000_000_000;
const fixed = (value: number): Random => ({ next: () => value });

describe('the id of a request of this node', () => {
  it('has its moment, and is another one each time', () => {
    const clock = new ManualClock(NOW_MS);
    const ids = new RequestIds(clock, fixed(0.5));
    const made = [ids.next(), ids.next()];
    clock.advance(1);
    made.push(ids.next());
    expect(made).toEqual([
      formatRequestId(NOW_MS, 2 ** 47 + 1),
      formatRequestId(NOW_MS, 2 ** 47 + 2),
      formatRequestId(NOW_MS + 1, 2 ** 47 + 3),
    ]);
  });

  it.each([0, 0.25, 1 - 2 ** -48, 1 - Number.EPSILON / 2])(
    'is well formed whatever the chance was: %d',
    (chance) => {
      const ids = new RequestIds(new ManualClock(NOW_MS), fixed(chance));
      const made = Array.from({ length: 5 }, () => ids.next());
      expect(made.filter((id) => !isRequestId(id))).toEqual([]);
      expect(new Set(made).size).toBe(5);
    },
  );

  it('begins again at 0 past the highest', () => {
    const ids = new RequestIds(new ManualClock(NOW_MS), fixed(1 - 2 ** -48));
    expect([ids.next(), ids.next()]).toEqual([formatRequestId(NOW_MS, 0), formatRequestId(NOW_MS, 1)]);
  });

  it('is another one at every node, also within a millisecond', () => {
    const clock = new ManualClock(NOW_MS);
    const made = Array.from({ length: 100 }, (_, node) => {
      const ids = new RequestIds(clock, new SimRandom(`node ${node}`));
      return Array.from({ length: 20 }, () => ids.next());
    }).flat();
    expect(new Set(made).size).toBe(2_000);
  });
});
