import { describe, expect, it } from 'vitest';
import { SimRandom } from './sim-random.js';
import { SimTrace } from './trace.js';

const draw = (random: SimRandom, count = 20): number[] =>
  Array.from({ length: count }, () => random.uint32());

describe('SimRandom', () => {
  it('gives the same numbers for the same seed, others for another', () => {
    expect(draw(new SimRandom(42))).toEqual(draw(new SimRandom('42')));
    const firsts = new Set(Array.from({ length: 1000 }, (_, seed) => new SimRandom(seed).uint32()));
    expect(firsts.size).toBe(1000);
  });

  it('forks streams that depend on the label only, not on what was drawn', () => {
    const parent = new SimRandom(7);
    const early = draw(parent.fork('disk'));
    draw(parent, 100);
    expect(draw(parent.fork('disk'))).toEqual(early);
    expect(draw(parent.fork('link'))).not.toEqual(early);
    expect(draw(parent.fork('disk').fork('x'))).not.toEqual(draw(parent.fork('x')));
  });

  it('is uniform, every bit of it', () => {
    const random = new SimRandom(3);
    const count = 20_000;
    const bits = new Array<number>(32).fill(0);
    const slots = new Array<number>(10).fill(0);
    for (let index = 0; index < count; index++) {
      const word = random.uint32();
      bits.forEach((_, bit) => (bits[bit]! += (word >>> bit) & 1));
      slots[random.int(10)]!++;
    }
    // Five standard deviations.
    bits.forEach((ones) => expect(Math.abs(ones - count / 2)).toBeLessThan(5 * Math.sqrt(count / 4)));
    slots.forEach((hits) => expect(Math.abs(hits - count / 10)).toBeLessThan(5 * Math.sqrt(count * 0.09)));
  });

  it('keeps what its distributions promise', () => {
    const random = new SimRandom(9);
    const shape = { minMs: 1, meanMs: 5, maxMs: 40 };
    const delays = Array.from({ length: 20_000 }, () => random.delay(shape));
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(1);
    expect(Math.max(...delays)).toBeLessThanOrEqual(40);
    expect(delays.reduce((a, b) => a + b) / delays.length).toBeCloseTo(5, 0);
    expect(random.shuffle([1, 2, 3, 4, 5]).sort()).toEqual([1, 2, 3, 4, 5]);
    const orders = new Set(Array.from({ length: 100 }, () => random.shuffle(['a', 'b', 'c']).join('')));
    expect([...orders].sort()).toEqual(['abc', 'acb', 'bac', 'bca', 'cab', 'cba']);
    expect(random.chance(0)).toBe(false);
    expect(random.chance(1)).toBe(true);
    expect(() => random.pick([])).toThrow(TypeError);
    expect(random.bytes(5)).toHaveLength(5);
  });
});

describe('SimTrace', () => {
  it('has one digest for one sequence of events, and another for any other', () => {
    const digest = (...lines: [number, string, string][]): string => {
      const trace = new SimTrace();
      lines.forEach((line) => trace.record(...line));
      return trace.digest;
    };
    const base = digest([1, 'send', 'a'], [2, 'send', 'b']);
    expect(digest([1, 'send', 'a'], [2, 'send', 'b'])).toBe(base);
    const others = [
      digest([2, 'send', 'b'], [1, 'send', 'a']),
      digest([1, 'send', 'a']),
      digest([1, 'send', 'a'], [2, 'send', 'c']),
      digest([1, 'send', 'a'], [2.001, 'send', 'b']),
      digest([1, 'send', 'a\n2 send b']),
      digest(),
    ];
    expect(new Set([base, ...others]).size).toBe(others.length + 1);
    expect(base).toMatch(/^[0-9a-f]{16}$/);
  });

  it('keeps the last lines when asked, and never more', () => {
    const trace = new SimTrace({ linesMax: 3 });
    for (let index = 0; index < 100; index++) {
      trace.record(index, 'tick', `${index}`);
      expect(trace.tail().length).toBeLessThanOrEqual(3);
    }
    expect(trace.tail()).toEqual(['97 tick 97', '98 tick 98', '99 tick 99']);
    expect(trace.tail(1)).toEqual(['99 tick 99']);
    expect(trace.length).toBe(100);
    expect(new SimTrace().tail()).toEqual([]);
  });
});
