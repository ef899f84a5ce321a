import { describe, expect, it } from 'vitest';
import { ENTERS_CROWD, IMPOSSIBLE, LEAVES_CROWD, Placement } from './placement.js';

/** Two zones of three nodes and a node of its own; lists as they are written. */
const ZONE_OF = [0, 0, 0, 1, 1, 1, 2];
function placementOf(...lists: number[][]): Placement {
  const slots = Int32Array.from(lists.flat());
  const shape = { partitions: lists.length, copies: lists[0]!.length, zoneOf: ZONE_OF };
  return new Placement(shape, slots, slots.slice());
}

describe('effectOf', () => {
  it.each([
    ['another zone for the same', [0, 3, 6], 0, 1, 0],
    ['the same zone in a crowd', [0, 1, 3], 0, 2, 0],
    ['a new zone out of a crowd', [0, 1, 3], 0, 6, LEAVES_CROWD],
    ['into a zone that is there', [0, 3, 6], 6, 1, ENTERS_CROWD],
    ['out of one crowd into another', [0, 1, 3], 1, 4, LEAVES_CROWD + ENTERS_CROWD],
    ['a node that is in the list', [0, 3, 6], 0, 3, IMPOSSIBLE],
    ['from a node that is not', [0, 3, 6], 1, 4, IMPOSSIBLE],
    ['to itself', [0, 3, 6], 0, 0, IMPOSSIBLE],
  ])('%s', (_, list, from, to, effect) => {
    expect(placementOf(list).effectOf(0, from, to)).toBe(effect);
  });
});

describe('a placement', () => {
  it('keeps count of who holds what and of crowded copies', () => {
    const placement = placementOf([0, 1, 2], [0, 3, 6]);
    expect([...placement.crowded]).toEqual([2, 0, 0]);
    placement.replace(0, 1, 4);
    placement.replace(1, 6, 5);
    const again = placementOf([0, 4, 2], [0, 3, 5]);
    expect([...placement.crowded]).toEqual([1, 1, 0]);
    expect(placement.crowded).toEqual(again.crowded);
    expect(placement.held).toEqual(again.held);
    expect([...placement.slots]).toEqual([0, 4, 2, 0, 3, 5]);
  });

  it('remembers the ranks from before', () => {
    const placement = placementOf([0, 3, 6]);
    placement.replace(0, 3, 4);
    placement.swap(0, 0, 1);
    expect([4, 0, 6, 3].map((node) => placement.rankOf(0, node))).toEqual([0, 1, 2, -1]);
    expect([4, 0, 6, 3].map((node) => placement.rankBefore(0, node))).toEqual([-1, 0, 2, 1]);
  });

  it('tells crowded lists from others', () => {
    const placement = placementOf([0, 3, 1], [0, 3, 6]);
    expect([0, 1].map((partition) => placement.isCrowded(partition))).toEqual([true, false]);
    expect([0, 1, 2].map((rank) => placement.isZoneBefore(0, rank))).toEqual([false, false, true]);
  });
});
