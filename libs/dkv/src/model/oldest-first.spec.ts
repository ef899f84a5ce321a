import { describe, expect, it } from 'vitest';
import { SimRandom } from '../../testing/simulation/sim-random.js';
import { OldestFirst } from './oldest-first.js';

describe('OldestFirst', () => {
  it('gives what was added, once', () => {
    const map = new OldestFirst<number>();
    map.add('a', 1);
    expect(map.get('a')).toBe(1);
    expect(map.take('a')).toBe(1);
    expect(map.take('a')).toBeUndefined();
    expect(map.get('a')).toBeUndefined();
    expect(map.size).toBe(0);
    expect(map.oldest).toBeUndefined();
  });

  it('is in the order of adding whatever is taken out, as a Map is', () => {
    const random = new SimRandom('oldest first');
    const map = new OldestFirst<number>();
    const model = new Map<string, number>();
    for (let step = 0; step < 2_000; step++) {
      const key = `k${Math.floor(random.next() * 20)}`;
      expect(map.take(key)).toBe(model.get(key));
      model.delete(key);
      if (random.next() < 0.6) {
        map.add(key, step);
        model.set(key, step);
      }
      const oldest = model.entries().next().value;
      expect(map.oldest && [map.oldest.key, map.oldest.value]).toEqual(oldest);
      expect(map.size).toBe(model.size);
    }
  });
});
