import { describe, expect, it } from 'vitest';
import { fairShares, loadLimit, roundNear, roundZonesNear, waterFill, zonedShares } from './quotas.js';

describe('waterFill', () => {
  it.each([
    ['by weight', [1, 2, 3], [9, 9, 9], 12, [2, 4, 6]],
    ['no one above its cap, the rest by weight', [1, 1, 4], [9, 9, 6], 12, [3, 3, 6]],
    ['one cap after the other', [1, 2, 4, 8], [10, 10, 10, 10], 35, [5, 10, 10, 10]],
    ['different caps', [1, 1, 1], [1, 3, 9], 9, [1, 3, 5]],
    ['all at their caps', [1, 5], [4, 4], 8, [4, 4]],
    ['decimal weights like whole ones', [0.1, 0.2, 0.3], [9, 9, 9], 12, [2, 4, 6]],
    ['the largest weights that there are', [1.7e308, 1.7e308], [9, 9], 4, [2, 2]],
    ['weights too far apart for a double', [1e-300, 1e300, 1e300], [5, 5, 5], 12, [2, 5, 5]],
  ])('splits %s', (_, weights, caps, total, shares) => {
    expect(waterFill(weights, caps, total)).toEqual(shares);
  });
});

describe('fairShares', () => {
  it.each([
    ['equal weights', [1, 1, 1, 1], 1024, 3, [768, 768, 768, 768]],
    ['as many copies as nodes', [1, 2, 3], 10, 3, [10, 10, 10]],
    ['a heavy node has one copy of every partition', [10, 1, 1, 1], 12, 3, [12, 8, 8, 8]],
    ['holders are not capped that way', [10, 1, 1], 12, 1, [10, 1, 1]],
  ])('%s', (_, weights, partitions, copies, shares) => {
    expect(fairShares(weights, partitions, copies)).toEqual(shares);
  });
});

describe('loadLimit', () => {
  it.each([
    [100, 105],
    [100.5, 105],
    [30.72, 32],
    [10.24, 11],
    [10, 10],
    [0.03, 1],
    [1020, 1024],
  ])('of a share of %d copies in 1024 partitions is %d', (share, limit) => {
    expect(loadLimit(share, 1024)).toBe(limit);
  });
});

describe('zonedShares', () => {
  const zones = (...sizes: number[]) => {
    let next = 0;
    return sizes.map((size) => Array.from({ length: size }, () => next++));
  };
  const totals = (sizes: number[]) => {
    const shares = zonedShares(
      sizes.flatMap((size) => Array<number>(size).fill(1)),
      zones(...sizes),
      1024,
      3,
    );
    return zones(...sizes).map((zone) => Math.round(zone.reduce((sum, node) => sum + shares[node]!, 0)));
  };

  it('are the fair shares where no zone has more copies than partitions', () => {
    expect(totals([3, 3, 3])).toEqual([1024, 1024, 1024]);
    expect(totals([2, 2, 2, 2])).toEqual([768, 768, 768, 768]);
  });

  it('bring a zone down to one copy of every partition where the others can take the rest', () => {
    expect(totals([34, 33, 33])).toEqual([1024, 1024, 1024]);
  });

  it('stay within the limits of the nodes that take', () => {
    const shares = zonedShares(Array<number>(10).fill(1), zones(4, 3, 3), 1024, 3);
    expect(Math.max(...shares.map(Math.ceil))).toBe(loadLimit(307.2, 1024));
    expect(totals([4, 3, 3])).toEqual([1143, 965, 965]);
  });

  it('do not jump where a share becomes whole: that would move copies everywhere', () => {
    const shareOfSmallZones = (weight: number) =>
      zonedShares(
        [...Array<number>(60).fill(1), ...Array<number>(40).fill(weight)],
        zones(60, 20, 20),
        1024,
        3,
      )[60]!;
    const below = shareOfSmallZones(0.999);
    const above = shareOfSmallZones(1.001);
    expect(above - below).toBeLessThan(0.2);
  });
});

describe('roundNear', () => {
  it.each([
    ['largest remainders up', [1.5, 2.2, 3.3], 7, [0, 0, 0], undefined, [2, 2, 3]],
    ['what is there already stays', [1.5, 2.2, 3.3], 7, [1, 3, 3], undefined, [1, 3, 3]],
    ['more than there is comes down', [1.5, 2.5, 3], 7, [5, 5, 5], undefined, [2, 2, 3]],
    ['whole shares stay whole', [2, 3, 2], 7, [9, 0, 0], undefined, [2, 3, 2]],
    ['the first of equals', [0.5, 0.5, 0.5, 0.5], 2, [0, 0, 0, 0], undefined, [1, 1, 0, 0]],
    ['nobody above his ceiling', [1.5, 1.5, 1], 4, [0, 0, 0], [1, 9, 9], [1, 2, 1]],
  ])('%s', (_, shares, total, current, ceilings, quotas) => {
    expect(roundNear(shares, total, current, ceilings)).toEqual(quotas);
  });
});

describe('roundZonesNear', () => {
  it('does not round a whole zone up', () => {
    const zones = [
      [0, 1, 2],
      [3, 4, 5],
    ];
    const shares = [3.4, 3.3, 3.3, 3.4, 3.3, 3.3];
    // By largest remainder alone, with these current loads, the first zone would have 11.
    const quotas = roundZonesNear(shares, zones, 20, [4, 4, 4, 3, 3, 3]);
    expect(quotas).toEqual([4, 3, 3, 4, 3, 3]);
  });

  it('takes a zone for whole whose shares miss it by the last bit of a double', () => {
    // 0.1 + 2.7 + 0.2 is more than 3.
    const shares = [0.1, 2.7, 0.2, 1, 1, 1];
    const zones = [
      [0, 1, 2],
      [3, 4, 5],
    ];
    expect(roundZonesNear(shares, zones, 6, [1, 3, 1, 0, 0, 0])).toEqual([0, 3, 0, 1, 1, 1]);
  });
});
