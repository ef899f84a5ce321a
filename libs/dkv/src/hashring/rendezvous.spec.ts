import { describe, expect, it } from 'vitest';
import { seedOf } from './pseudo-random.js';
import { drawLists, type DrawnNode, weightedDraw } from './rendezvous.js';

const PARTITIONS = 20_000;

/** Each a zone of its own, drawn by its chance. */
const zonesOf = (chances: number[], copiesPerWeight = chances.map(() => 1)) =>
  chances.map((chance, node) => {
    const seed = seedOf(`node ${node}`);
    const only: DrawnNode[] = [{ node, seed, chance: 1, copiesPerWeight: copiesPerWeight[node]! }];
    return { seed, chance, always: 0, nodes: [only, only] as const };
  });

const countOf = (slots: Int32Array, node: number) => slots.filter((other) => other === node).length;

describe('weightedDraw', () => {
  it('is the same for the same candidate and between 0 and 1', () => {
    for (let partition = 0; partition < 1000; partition++) {
      const draw = weightedDraw(7, 0.3, partition);
      expect(draw).toBe(weightedDraw(7, 0.3, partition));
      expect(draw).toBeGreaterThan(0);
      expect(draw).toBeLessThan(1);
    }
  });

  it('is lower for a higher chance, lowest of all for a certain one', () => {
    const draws = [0, 0.1, 0.5, 0.9, 1].map((chance) => weightedDraw(7, chance, 5));
    expect(draws).toEqual(draws.toSorted((a, b) => b - a));
    expect(draws[0]).toBe(1);
    expect(draws.at(-1)).toBe(0);
  });
});

describe('drawLists', () => {
  it('draws each with nearly its chance', () => {
    const chances = [1, 0.9, 0.5, 0.3, 0.2, 0.1];
    const slots = drawLists(zonesOf(chances), PARTITIONS, 3);
    for (const [node, chance] of chances.entries()) {
      expect(Math.abs(countOf(slots, node) / PARTITIONS - chance)).toBeLessThan(0.02);
    }
  });

  it('makes holders by weight, not by copies', () => {
    // Both in every list; the first has three times the weight.
    const slots = drawLists(zonesOf([1, 1], [1, 3]), PARTITIONS, 2);
    const holders = slots.filter((_, slot) => slot % 2 === 0);
    expect(countOf(holders, 0) / countOf(holders, 1)).toBeGreaterThan(2.5);
  });

  it('keeps the order of the others when one is gone', () => {
    const chances = [0.6, 0.6, 0.6, 0.6, 0.6];
    const all = drawLists(zonesOf(chances), PARTITIONS, 3);
    const fewer = drawLists(zonesOf(chances.slice(0, 4)), PARTITIONS, 3);
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const stay = [...all.subarray(partition * 3, partition * 3 + 3)].filter((node) => node !== 4);
      const now = [...fewer.subarray(partition * 3, partition * 3 + 3)];
      expect(now.filter((node) => stay.includes(node))).toEqual(stay);
    }
  });

  it('gives a zone its copies of every partition, to distinct nodes', () => {
    const nodes = [0.75, 0.75].map((chance, node) => ({
      node,
      seed: seedOf(`n${node}`),
      chance,
      copiesPerWeight: 1,
    }));
    const large = {
      seed: 1,
      always: 1,
      chance: 0.5,
      nodes: [nodes.map((n) => ({ ...n, chance: 0.5 })), nodes] as const,
    };
    const small = zonesOf([0, 0, 0.5]).slice(2);
    const slots = drawLists([large, ...small], PARTITIONS, 2);
    for (let partition = 0; partition < PARTITIONS; partition++) {
      expect(slots[partition * 2]).not.toBe(slots[partition * 2 + 1]);
    }
    expect(Math.abs(countOf(slots, 2) / PARTITIONS - 0.5)).toBeLessThan(0.02);
    expect(Math.abs(countOf(slots, 0) / PARTITIONS - 0.75)).toBeLessThan(0.02);
  });
});
