import { describe, expect, it } from 'vitest';
import { ANY_COST, level, type Levelling } from './leveller.js';

/** Lists of nodes, written as words: each letter a node, `a` is 0. */
function levelling(lists: string[], quotas: number[], cost: (to: string) => number = () => 0) {
  const letter = (node: number) => String.fromCharCode(97 + node);
  const loadOf = (node: number) => lists.filter((list) => list.includes(letter(node))).length;
  const nodes = Math.max(
    quotas.length,
    ...lists
      .join('')
      .split('')
      .map((name) => name.charCodeAt(0) - 96),
  );
  const loads = Int32Array.from({ length: nodes }, (_, node) => loadOf(node));
  let steps = 0;
  const value: Levelling = {
    loads,
    quotas,
    *partitionsOf(node) {
      for (const [partition, list] of lists.entries()) {
        if (list.includes(letter(node))) {
          yield partition;
        }
      }
    },
    cost: (partition, from, to) =>
      lists[partition]!.includes(letter(from)) && !lists[partition]!.includes(letter(to))
        ? cost(letter(to))
        : Infinity,
    draw: (partition, to) => ((partition * 7 + to * 3) % 10) / 10,
    shift: (partition, from, to) => {
      lists[partition] = lists[partition]!.replace(letter(from), letter(to));
      loads[from]!--;
      loads[to]!++;
      steps++;
    },
  };
  return { value, lists, steps: () => steps };
}

describe('level', () => {
  it.each([
    ['does nothing where all is well', ['ab', 'bc', 'ca'], [2, 2, 2], 0],
    ['shifts in one step', ['ab', 'ab', 'ab', 'ab'], [3, 3, 2], 2],
    ['empties a node that is no longer one', ['ad', 'bd', 'cd'], [2, 2, 2], 3],
    // `a` shares its only lists with `c`, so it gives to `b`, who gives to `c` elsewhere.
    ['shifts by a chain where there is no step', ['ac', 'ac', 'bd', 'bd'], [1, 2, 3, 2], 2],
  ])('%s', (_, lists, quotas, steps) => {
    const case_ = levelling(lists, quotas);
    level(case_.value, ANY_COST);
    expect([...case_.value.loads].slice(0, quotas.length)).toEqual(quotas);
    expect([...case_.value.loads].slice(quotas.length).every((load) => load === 0)).toBe(true);
    expect(case_.lists.every((list) => new Set(list).size === list.length)).toBe(true);
    expect(case_.steps()).toBe(steps);
  });

  it('takes the cheaper taker first', () => {
    const { value, lists } = levelling(['ab', 'ab'], [1, 2, 1, 1], (to) => (to === 'd' ? 1 : 2));
    level(value, ANY_COST);
    expect(lists.join()).toContain('d');
    expect(lists.join()).not.toContain('c');
  });

  it('leaves what would cost too much', () => {
    const { value, lists } = levelling(['ab', 'ab'], [1, 2, 1], () => 5);
    level(value, 4);
    expect(lists).toEqual(['ab', 'ab']);
    level(value, 5);
    expect(lists.join('')).toContain('c');
  });

  it('gives up where it cannot go on, and levels the rest', () => {
    const blocked = levelling(['ab', 'ab', 'cd', 'cd'], [1, 3, 1, 2, 1], (to) => (to === 'b' ? Infinity : 0));
    level(blocked.value, ANY_COST);
    expect(blocked.value.loads[4]).toBe(1);
  });
});
