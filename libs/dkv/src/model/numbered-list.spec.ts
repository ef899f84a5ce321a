import { describe, expect, it } from 'vitest';
import { SimRandom } from '../../testing/simulation/sim-random.js';
import { NumberedList } from './numbered-list.js';

describe('a list by number', () => {
  it('agrees with a Map, whatever order numbers come and go in', () => {
    const random = new SimRandom(7);
    const list = new NumberedList<string>();
    const model = new Map<number, string>();
    const pick = (below: number) => Math.floor(random.next() * below);
    let lowest = 0;
    for (let step = 0; step < 20_000; step++) {
      const number = lowest + pick(80);
      switch (pick(5)) {
        case 0:
        case 1:
          list.set(number, `${step}`);
          model.set(number, `${step}`);
          break;
        case 2:
          list.delete(number);
          model.delete(number);
          break;
        case 3:
          lowest += pick(3);
          list.dropBelow(lowest);
          model.forEach((_, one) => one < lowest && model.delete(one));
          break;
        default:
          if (pick(500) === 0) {
            list.clear();
            model.clear();
          }
      }
      expect(list.size).toBe(model.size);
      expect(list.get(number)).toBe(model.get(number));
    }
    const all: [number, string][] = [];
    list.forEach((number, value) => all.push([number, value]));
    expect(all).toEqual([...model].sort(([a], [b]) => a - b));
    expect(all.length).toBeGreaterThan(0);
  });
});
