import { describe, expect, it } from 'vitest';
import { type RingNode } from '../model/node.js';
import { Hashring } from './hashring.js';
import { md5HashFunc } from './md5-hash-func.js';
import { fairShares } from './quotas.js';

const PARTITIONS = 1024;
const options = { partitions: PARTITIONS, replicas: 2, hashFunc: md5HashFunc };
const SIZES = [3, 10, 50, 100];

type ByIndex<T> = (index: number) => T;
const WEIGHTS: [string, ByIndex<number>][] = [
  ['equal weights', () => 1],
  ['weights of 1 to 4', (i) => 1 + (i % 4)],
  ['weights of 0.1 to 0.7', (i) => 0.1 * (1 + ((i * 5) % 7))],
  ['one node of weight 30', (i) => (i === 1 ? 30 : 1)],
];
const ZONES: [string, ByIndex<string>][] = [
  ['no zones', () => ''],
  ['three zones', (i) => `z${i % 3}`],
  ['five zones', (i) => `z${i % 5}`],
  ['two zones', (i) => `z${i % 2}`],
  ['unequal zones', (i) => (i % 10 < 6 ? 'large' : i % 10 < 9 ? 'middle' : 'small')],
  ['some zones unknown', (i) => (i % 4 === 0 ? '' : `z${i % 3}`)],
];

const nodeAt = (i: number, weight: ByIndex<number>, zone: ByIndex<string>): RingNode => ({
  nodeId: `node-${i}`,
  weight: weight(i),
  zone: zone(i),
});
const nodesOf = (count: number, weight: ByIndex<number> = () => 1, zone: ByIndex<string> = () => '') =>
  Array.from({ length: count }, (_, i) => nodeAt(i, weight, zone));
const listsOf = (ring: Hashring) => Array.from({ length: ring.partitions }, (_, p) => ring.preferenceList(p));
const copiesOn = (ring: Hashring, nodeId: string, ranks = ring.copies) =>
  ring.partitionsOf(nodeId).filter(({ rank }) => rank < ranks).length;

/** Fair shares worked out anew, by handing out small bits: another way than the one under test. */
function sharesByBits(nodes: readonly RingNode[], partitions: number, copies: number): number[] {
  const shares = nodes.map(() => 0);
  let rest = partitions * copies;
  while (rest > 1e-7) {
    const open = nodes.map(({ weight }, i) => (shares[i]! < partitions - 1e-9 ? weight : 0));
    const sum = open.reduce((total, weight) => total + weight, 0);
    const bit = rest;
    open.forEach((weight, i) => {
      const taken = Math.min((bit * weight) / sum, partitions - shares[i]!);
      shares[i]! += taken;
      rest -= taken;
    });
  }
  return shares;
}

/** Nodes with more than max(1.05 × share, share rounded up) of the first `ranks` places of the lists. */
function overloaded(ring: Hashring, ranks: number): string[] {
  const shares = sharesByBits(ring.nodes, ring.partitions, ranks);
  return ring.nodes.flatMap(({ nodeId }, i) => {
    const share = shares[i]!;
    const load = copiesOn(ring, nodeId, ranks);
    const limit = Math.max(1.05 * share, Math.ceil(share - 1e-6));
    return load > limit + 1e-6 ? [`${nodeId} has ${load}, its share is ${share}`] : [];
  });
}

/** Copies that share the zone of another copy in their list; nodes of unknown zone share with none. */
function sharingZones(ring: Hashring, lists = listsOf(ring)): number {
  const zoneOf = new Map(
    ring.nodes.map(({ nodeId, zone }) => [nodeId, zone === '' ? `only ${nodeId}` : zone]),
  );
  return lists.reduce((sum, list) => sum + list.length - new Set(list.map((id) => zoneOf.get(id))).size, 0);
}

/** As many as must, given how many copies lie in each zone: a zone has one list place per partition. */
function sharingZonesAtLeast(ring: Hashring): number {
  const perZone = new Map<string, number>();
  for (const { nodeId, zone } of ring.nodes) {
    perZone.set(zone, (perZone.get(zone) ?? 0) + (zone === '' ? 0 : copiesOn(ring, nodeId)));
  }
  return [...perZone.values()].reduce((sum, copies) => sum + Math.max(0, copies - ring.partitions), 0);
}

const holdersMoved = (from: Hashring, to: Hashring) =>
  listsOf(from).filter((list, partition) => list[0] !== to.preferenceList(partition)[0]).length;

/** What had to move: the copies of those who joined and of those who left, holders only or all. */
function mustMove(from: Hashring, to: Hashring, ranks = Infinity): number {
  const joined = to.nodes.filter(({ nodeId }) => from.node(nodeId) === undefined);
  const left = from.nodes.filter(({ nodeId }) => to.node(nodeId) === undefined);
  return (
    joined.reduce((sum, { nodeId }) => sum + copiesOn(to, nodeId, ranks), 0) +
    left.reduce((sum, { nodeId }) => sum + copiesOn(from, nodeId, ranks), 0)
  );
}

/** Mulberry32: a seed and nothing else. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Everything that holds for every ring, however it came to be. */
function expectGoodTable(ring: Hashring): void {
  expect(overloaded(ring, 1)).toEqual([]);
  expect(overloaded(ring, ring.copies)).toEqual([]);
  expect(sharingZones(ring)).toBe(sharingZonesAtLeast(ring));
}

describe.each(SIZES)('a ring of %d nodes', (count) => {
  describe.each(WEIGHTS)('of %s', (_weights, weight) => {
    it.each(ZONES)(
      'in %s is balanced and spread over zones, also after a join and a leave',
      (_zones, zone) => {
        const nodes = nodesOf(count, weight, zone);
        const ring = Hashring.of(nodes, options);
        expectGoodTable(ring);
        expectGoodTable(ring.change([...nodes, nodeAt(count, weight, zone)]));
        expectGoodTable(ring.change(nodes.toSpliced(count >> 1, 1)));
      },
    );

    it('moves at most 1.2 times what must when a node joins or leaves, and few holders', () => {
      const nodes = nodesOf(count, weight);
      const ring = Hashring.of(nodes, options);
      const joined = [...nodes, nodeAt(count, weight, () => '')];
      for (const changed of [joined, nodes.toSpliced(count >> 1, 1), nodes.slice(1)]) {
        const after = ring.change(changed);
        expect(Hashring.moved(ring, after)).toBeLessThanOrEqual(1.2 * mustMove(ring, after));
        // The 4: of ten holders, one that changes for balance is many in a hundred.
        expect(holdersMoved(ring, after)).toBeLessThanOrEqual(1.2 * mustMove(ring, after, 1) + 4);
      }
    });

    it('is balanced up to every rank, so that a namespace may use the first few of each list', () => {
      const ring = Hashring.of(nodesOf(count, weight), { ...options, replicas: 4 });
      for (let ranks = 1; ranks <= ring.copies; ranks++) {
        expect(overloaded(ring, ranks)).toEqual([]);
      }
    });
  });
});

describe('zones', () => {
  const counted = (...sizes: number[]) =>
    sizes.flatMap((size, z) =>
      nodesOf(size).map((node, i) => ({ ...node, nodeId: `n${z}-${i}`, zone: `z${z}` })),
    );

  it.each([
    ['3 zones of 3', [3, 3, 3], 0],
    ['3 zones of 33 or 34: within 1.05 of the fair share', [34, 33, 33], 0],
    ['4 zones of different sizes', [5, 4, 3, 3], 0],
    ['3 zones of 4, 3 and 3: balance wins over zones', [4, 3, 3], 118],
    ['3 zones, one of a single node: balance wins over zones', [1, 4, 4], 666],
    ['2 zones for 3 copies: both in every list', [3, 3], PARTITIONS],
    ['1 zone', [5], 2 * PARTITIONS],
  ])('%s', (_, sizes, sharing) => {
    const ring = Hashring.of(counted(...sizes), options);
    expect(sharingZones(ring)).toBe(sharing);
    expect(overloaded(ring, 3)).toEqual([]);
  });

  it('come first in a list: no second copy in a zone before a first one in another', () => {
    for (const sizes of [
      [4, 3, 3],
      [6, 2],
      [2, 9, 1],
    ]) {
      const ring = Hashring.of(counted(...sizes), { ...options, replicas: 4 });
      const shrunk = ring.change(ring.nodes.slice(1));
      for (const list of [...listsOf(ring), ...listsOf(shrunk)]) {
        const zones = list.map((id) => id.slice(0, 2));
        const firsts = new Set(zones).size;
        expect(new Set(zones.slice(0, firsts)).size).toBe(firsts);
      }
    }
  });

  it('that are unknown count as different ones', () => {
    const ring = Hashring.of([...nodesOf(5), { nodeId: 'zoned', weight: 1, zone: 'z' }], options);
    expect(ring.nodes.map(({ nodeId }) => copiesOn(ring, nodeId))).toEqual(Array(6).fill(PARTITIONS / 2));
  });

  it.each<[string, number, ByIndex<string>, number]>([
    ['in five zones of ten nodes', 50, (i) => `z${i % 5}`, 1.02],
    ['where some zones are unknown', 30, (i) => (i % 4 === 0 ? '' : `z${i % 3}`), 1.06],
    ['in unequal zones', 50, (i) => (i % 10 < 6 ? 'large' : i % 10 < 9 ? 'middle' : 'small'), 1.25],
  ])('%s cost a leave few moves of their own', (_, count, zone, factor) => {
    const ring = Hashring.of(
      nodesOf(count, () => 1, zone),
      options,
    );
    const left = ring.nodes.flatMap((_node, i) =>
      i % 3 === 0 ? [ring.change(ring.nodes.toSpliced(i, 1))] : [],
    );
    const moved = left.reduce((sum, after) => sum + Hashring.moved(ring, after), 0);
    const had = left.reduce((sum, after) => sum + mustMove(ring, after), 0);
    expect(moved / had).toBeLessThanOrEqual(factor);
  });

  it('that become known spread the copies, and only as many move as must', () => {
    const nodes = nodesOf(12);
    const ring = Hashring.of(nodes, options);
    const zoned = ring.change(nodes.map((node, i) => ({ ...node, zone: `z${i % 4}` })));
    expect(sharingZones(zoned)).toBe(0);
    // Every copy that shared a zone, and one in exchange.
    const shared = sharingZones(zoned, listsOf(ring));
    expect(shared).toBeGreaterThan(0);
    expect(Hashring.moved(ring, zoned)).toBeLessThanOrEqual(2 * shared);
  });
});

describe('a change of weight', () => {
  it.each([
    ['up', 2],
    ['down', 0.25],
  ])('%s moves at most 1.2 times the difference', (_, weight) => {
    const nodes = nodesOf(20);
    const changed = [{ ...nodes[0]!, weight }, ...nodes.slice(1)];
    const ring = Hashring.of(nodes, options);
    const after = ring.change(changed);
    const difference = Math.abs(copiesOn(ring, 'node-0') - copiesOn(after, 'node-0'));
    expect(difference).toBeGreaterThan(100);
    expect(overloaded(after, 3)).toEqual([]);
    expect(Hashring.moved(ring, after)).toBeLessThanOrEqual(1.2 * difference);
  });
});

describe('a long chain of random joins and leaves', () => {
  type Draw<T> = (random: () => number) => T;
  const chains: [string, number, number, Draw<number>, Draw<string>][] = [
    ['equal weights', 1, 8, () => 1, () => ''],
    ['equal weights', 90, 110, () => 1, () => ''],
    ['weights of 1 to 4', 2, 12, (random) => 1 + Math.floor(random() * 4), () => ''],
    ['any weights', 20, 30, (random) => 0.1 + 10 * random(), () => ''],
    ['equal weights in three zones', 3, 12, () => 1, (random) => `z${Math.floor(random() * 3)}`],
    [
      'any weights in five zones',
      3,
      30,
      (random) => 0.1 + 10 * random(),
      (random) => `z${Math.floor(random() * 5)}`,
    ],
  ];

  it.each(chains)(
    '%s, %d to %d nodes: good tables all along, little moved',
    (_, least, most, weight, zone) => {
      const random = randomFrom(least + most);
      let made = 0;
      const next = (): RingNode => ({ nodeId: `n${made++}`, weight: weight(random), zone: zone(random) });
      let ring = Hashring.of(Array.from({ length: (least + most) >> 1 }, next), options);
      let moved = 0;
      let mustHave = 0;
      for (let step = 0; step < 30; step++) {
        const joins = ring.nodes.length === least || (ring.nodes.length < most && random() < 0.5);
        const leaver = Math.floor(random() * ring.nodes.length);
        const after = ring.change(joins ? [...ring.nodes, next()] : ring.nodes.toSpliced(leaver, 1));
        expectGoodTable(after);
        // Zones that a random leave makes unequal cost moves of their own; over the chain they stay few.
        const limit = after.nodes.some((node) => node.zone !== '') ? 2 : 1.2;
        expect(Hashring.moved(ring, after)).toBeLessThanOrEqual(limit * mustMove(ring, after));
        moved += Hashring.moved(ring, after);
        mustHave += mustMove(ring, after);
        ring = after;
      }
      expect(moved).toBeLessThanOrEqual(1.2 * mustHave);
    },
  );
});

describe('fewer partitions than nodes', () => {
  it.each([
    [64, 100],
    [7, 40],
    [1, 5],
  ])('%d for %d: no node is above its limit, also after leaves', (partitions, count) => {
    let ring = Hashring.of(nodesOf(count), { ...options, partitions });
    for (let step = 0; step < 10 && ring.nodes.length > 3; step++) {
      expectGoodTable(ring);
      ring = ring.change(ring.nodes.toSpliced((step * 7) % ring.nodes.length, 1));
    }
  });
});

describe('sets of nodes that differ in one', () => {
  it.each([
    [3, 1.2],
    [10, 1.5],
    [50, 3],
  ])('of %d have similar rings even without `change`', (count, factor) => {
    const [fewer, more] = [nodesOf(count), nodesOf(count + 1)].map((nodes) => Hashring.of(nodes, options));
    expect(Hashring.moved(fewer!, more!)).toBeLessThanOrEqual(factor * mustMove(fewer!, more!));
  });
});

describe('the node that serves when a holder is down', () => {
  it('is not always the same one: the load of a lost node spreads', () => {
    const ring = Hashring.of(nodesOf(30), options);
    for (const { nodeId } of ring.nodes) {
      const held = ring.partitionsOf(nodeId).filter(({ rank }) => rank === 0);
      const seconds = new Set(held.map(({ partition }) => ring.preferenceList(partition)[1]));
      expect(seconds.size).toBeGreaterThan(15);
    }
  });
});

describe('fairShares', () => {
  it.each(WEIGHTS)('agree with shares handed out bit by bit, for %s', (_, weight) => {
    const nodes = nodesOf(7, weight);
    const shares = fairShares(
      nodes.map((node) => node.weight),
      PARTITIONS,
      3,
    );
    sharesByBits(nodes, PARTITIONS, 3).forEach((share, i) => expect(shares[i]).toBeCloseTo(share, 5));
  });
});
