/** The names of requests: no two alike, and always the same for a caller's own key. */
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../testing/manual-clock.js';
import { SimRandom } from '../../testing/simulation/sim-random.js';
import { isRequestId, nodeRequestId } from '../model/request-window.js';
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
      nodeRequestId(NOW_MS, 2 ** 47 + 1),
      nodeRequestId(NOW_MS, 2 ** 47 + 2),
      nodeRequestId(NOW_MS + 1, 2 ** 47 + 3),
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
    expect([ids.next(), ids.next()]).toEqual([nodeRequestId(NOW_MS, 0), nodeRequestId(NOW_MS, 1)]);
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

describe("the id of a caller's own key", () => {
  it.each(['order 4711', '', 'é', 'x'.repeat(10_000), '\0'])(
    'is well formed and above those of nodes: %j',
    (key) => {
      const id = RequestIds.ofKey(key);
      expect(isRequestId(id)).toBe(true);
      expect(id > nodeRequestId(2 ** 48 - 2, 2 ** 48 - 1)).toBe(true);
    },
  );

  it('is the same on every node and for ever', () => {
    expect(RequestIds.ofKey('order 4711')).toBe('ffffffffffff73ec29732d22');
    expect(RequestIds.ofKey('order 4711')).toBe(RequestIds.ofKey('order 4711'));
  });

  it('is another one for another key', () => {
    const ids = Array.from({ length: 1_000 }, (_, at) => RequestIds.ofKey(`order ${at}`));
    expect(new Set(ids).size).toBe(1_000);
  });
});
