import { describe, expect, it } from 'vitest';
import { type RingNode } from '../model/node.js';
import { type HashFunc } from '../ports/hash-func.js';
import { Hashring } from './hashring.js';
import { md5HashFunc } from './md5-hash-func.js';

const node = (nodeId: string, weight = 1, zone = ''): RingNode => ({ nodeId, weight, zone });
const options = { partitions: 64, replicas: 2, hashFunc: md5HashFunc };
const five = [node('a'), node('b', 2), node('c', 0.5, 'east'), node('d', 1, 'west'), node('e')];

const listsOf = (ring: Hashring) => Array.from({ length: ring.partitions }, (_, p) => ring.preferenceList(p));
const invalid = (message: RegExp): unknown =>
  expect.objectContaining({
    code: 'DKV_INVALID_OPTIONS',
    message: expect.stringMatching(message) as unknown,
  });
const failureOf = (task: () => unknown): unknown => {
  try {
    task();
  } catch (error) {
    return error;
  }
  return undefined;
};

describe('Hashring.of', () => {
  it('does not depend on the order of the nodes', () => {
    const ring = Hashring.of(five, options);
    const reversed = Hashring.of([...five].reverse(), options);
    expect(listsOf(reversed)).toEqual(listsOf(ring));
    expect(reversed.fingerprint).toBe(ring.fingerprint);
  });

  // If this fails, a new version of the library would look for the keys of an old one on other nodes: tables of
  // existing clusters must not change. Not a value to update, but an algorithm to restore.
  it.each([
    ['equal nodes', ['a', 'b', 'c'].map((id) => node(id)), 'f9656894dc1b914d'],
    ['weights and zones', five, '520ad3bee2e28988'],
    [
      'many nodes',
      Array.from({ length: 40 }, (_, i) => node(`pod-${i}`, 1 + (i % 4), `z${i % 3}`)),
      '785963f7297f6000',
    ],
  ])('gives this very table for %s, for ever', (_, nodes, fingerprint) => {
    expect(Hashring.of(nodes, { ...options, partitions: 1024 }).fingerprint).toBe(fingerprint);
  });

  it('gives each partition distinct nodes, the holder and then the replicas', () => {
    const ring = Hashring.of(five, options);
    expect(ring.copies).toBe(3);
    for (const list of listsOf(ring)) {
      expect(list).toHaveLength(3);
      expect(new Set(list).size).toBe(3);
      expect(Object.isFrozen(list)).toBe(true);
    }
  });

  it.each([
    [1, 2, 1],
    [2, 2, 2],
    [3, 0, 1],
    [3, 15, 3],
  ])('of %d nodes and %d replicas has lists of %d', (nodes, replicas, copies) => {
    const ring = Hashring.of(five.slice(0, nodes), { ...options, replicas });
    expect(ring.copies).toBe(copies);
    expect(listsOf(ring).every((list) => new Set(list).size === copies)).toBe(true);
  });

  it.each([
    [1, 3],
    [2, 100],
    [65_536, 3],
  ])('works with %d partitions on %d nodes', (partitions, count) => {
    const nodes = Array.from({ length: count }, (_, i) => node(`n${i}`));
    const ring = Hashring.of(nodes, { ...options, partitions });
    expect(listsOf(ring)).toHaveLength(partitions);
    expect(listsOf(ring).every((list) => new Set(list).size === 3)).toBe(true);
  });

  it('keeps of a node what places data, sorted by id', () => {
    const ring = Hashring.of(
      [{ ...node('b', 2, 'z'), host: 'h', port: 1 } as RingNode, node('B'), node('a')],
      options,
    );
    expect(ring.nodes).toEqual([node('B'), node('a'), node('b', 2, 'z')]);
    expect(ring.node('b')).toEqual(node('b', 2, 'z'));
    expect(ring.node('x')).toBeUndefined();
  });

  it.each([
    ['no nodes', [], {}, /nodes is empty.*at least one/],
    ['a name twice', [node('a'), node('b'), node('a')], {}, /nodeId a is given twice/],
    ['a bad name', [node('a b')], {}, /nodeId is "a b": give 1 to 100 characters/],
    ['weight 0', [node('a', 0)], {}, /weight of a is 0: .*above 0/],
    ['a weight below 0', [node('a', -1)], {}, /weight of a is -1/],
    ['an endless weight', [node('a', Infinity)], {}, /weight of a is Infinity/],
    ['no weight', [node('a', NaN)], {}, /weight of a is NaN/],
    ['no zone', [{ nodeId: 'a', weight: 1 } as RingNode], {}, /zone of a is undefined/],
    ['no partitions', [node('a')], { partitions: 0 }, /partitions is 0: .*1 to 65536/],
    ['too many partitions', [node('a')], { partitions: 65_537 }, /partitions is 65537/],
    ['half a partition', [node('a')], { partitions: 1.5 }, /partitions is 1.5/],
    ['replicas below 0', [node('a')], { replicas: -1 }, /replicas is -1: .*0 to 15/],
    ['too many replicas', [node('a')], { replicas: 16 }, /replicas is 16/],
    [
      'a signed hash',
      [node('a')],
      { hashFunc: { name: 'signed', hash: () => -1 } },
      /hashFunc signed gives -1/,
    ],
    ['a fraction', [node('a')], { hashFunc: { name: 'half', hash: () => 0.5 } }, /hashFunc half gives 0.5/],
  ])('refuses %s', (_, nodes, wrong, message) => {
    expect(failureOf(() => Hashring.of(nodes, { ...options, ...wrong }))).toEqual(invalid(message));
  });
});

describe('partitionOf', () => {
  const fixed = (hash: number): HashFunc => ({ name: 'fixed', hash: () => hash });

  it.each([
    [0, 1000, 0],
    [0xffff_ffff, 1000, 999],
    [0x8000_0000, 1000, 500],
    [0x7fff_ffff, 1000, 499],
    [0xffff_ffff, 65_536, 65_535],
    [0xffff_ffff, 1, 0],
  ])('maps the hash %d to one of %d partitions: %d', (hash, partitions, partition) => {
    const ring = Hashring.of(five, { partitions, replicas: 1, hashFunc: fixed(hash) });
    expect(ring.partitionOf('k')).toBe(partition);
  });

  it('hashes the UTF-8 bytes of the key', () => {
    const seen: number[][] = [];
    const hashFunc: HashFunc = { name: 'spy', hash: (bytes) => seen.push([...bytes]) };
    Hashring.of(five, { ...options, hashFunc }).partitionOf('aй€😀');
    expect(seen.at(-1)).toEqual([0x61, 0xd0, 0xb9, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0x80]);
  });
});

describe('a ring', () => {
  const ring = Hashring.of(five, options);

  it('is immutable', () => {
    expect(Object.isFrozen(ring)).toBe(true);
    expect(Object.isFrozen(ring.nodes)).toBe(true);
    expect(Object.isFrozen(ring.nodes[0])).toBe(true);
  });

  it('tells the same as the lists when asked what a node holds', () => {
    for (const { nodeId } of five) {
      const held = listsOf(ring).flatMap((list, partition) =>
        list.includes(nodeId) ? [{ partition, rank: list.indexOf(nodeId) }] : [],
      );
      expect(ring.partitionsOf(nodeId)).toEqual(held);
    }
    expect(ring.partitionsOf('x')).toEqual([]);
  });

  it.each([-1, 64, 0.5, NaN])('has no partition %d', (partition) => {
    expect(failureOf(() => ring.preferenceList(partition))).toMatchObject({ code: 'DKV_INVALID_ARGUMENT' });
  });

  const same = { ...options, hashFunc: { ...md5HashFunc } };
  it.each<[string, Hashring, boolean]>([
    ['the same made again', Hashring.of(five, same), true],
    ['another node', Hashring.of([...five.slice(1), node('x')], options), false],
    ['another weight', Hashring.of([...five.slice(1), node('a', 1.000001)], options), false],
    ['another zone', Hashring.of([...five.slice(1), node('a', 1, 'north')], options), false],
    ['another number of partitions', Hashring.of(five, { ...options, partitions: 65 }), false],
    ['another number of replicas', Hashring.of(five, { ...options, replicas: 1 }), false],
    ['another hash', Hashring.of(five, { ...options, hashFunc: { ...md5HashFunc, name: 'md6' } }), false],
    ['the same nodes by another way', ring.change(five.slice(1)).change(five), false],
  ])('has a fingerprint that tells it from %s', (_, other, equal) => {
    expect(ring.fingerprint).toMatch(/^[0-9a-f]{16}$/);
    expect(other.fingerprint === ring.fingerprint).toBe(equal);
  });

  it('has a fingerprint that tells numbers of replicas apart even where the lists are equal', () => {
    const one = [node('a')];
    expect(Hashring.of(one, { ...options, replicas: 1 }).fingerprint).not.toBe(
      Hashring.of(one, { ...options, replicas: 2 }).fingerprint,
    );
  });
});

describe('change', () => {
  const ring = Hashring.of(five, options);

  it('to the same nodes changes nothing', () => {
    expect(ring.change([...five].reverse()).fingerprint).toBe(ring.fingerprint);
  });

  it('leaves the ring itself as it was, and is the same every time', () => {
    const before = ring.fingerprint;
    const lists = listsOf(ring);
    const changed = ring.change([...five, node('f')]);
    expect(listsOf(ring)).toEqual(lists);
    expect(ring.fingerprint).toBe(before);
    expect(ring.change([node('f'), ...five]).fingerprint).toBe(changed.fingerprint);
    expect(changed.nodes.map(({ nodeId }) => nodeId)).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
    expect(changed).toMatchObject({ partitions: 64, replicas: 2, hashFunc: md5HashFunc });
  });

  it.each([
    ['all nodes for others', [node('v'), node('w'), node('x'), node('y')], 3],
    ['fewer nodes than copies', [node('b'), node('d')], 2],
    ['one node', [node('e')], 1],
    ['one stranger', [node('x')], 1],
    ['many more nodes', [...five, ...Array.from({ length: 30 }, (_, i) => node(`n${i}`))], 3],
  ])('to %s gives full lists of the new nodes only', (_, nodes, copies) => {
    const changed = ring.change(nodes);
    const ids = new Set(nodes.map(({ nodeId }) => nodeId));
    expect(changed.copies).toBe(copies);
    for (const list of listsOf(changed)) {
      expect(new Set(list).size).toBe(copies);
      expect(list.every((nodeId) => ids.has(nodeId))).toBe(true);
    }
  });

  it('grows lists to their full length as nodes join, and moves only to those', () => {
    const one = Hashring.of([node('a')], options);
    const two = one.change([node('a'), node('b')]);
    const three = two.change([node('a'), node('b'), node('c')]);
    expect([one.copies, two.copies, three.copies]).toEqual([1, 2, 3]);
    expect(Hashring.moved(one, two)).toBe(64);
    expect(Hashring.moved(two, three)).toBe(64);
  });

  it('refuses what `of` refuses', () => {
    expect(failureOf(() => ring.change([]))).toEqual(invalid(/nodes is empty/));
    expect(failureOf(() => ring.change([node('a', -1)]))).toEqual(invalid(/weight/));
  });
});

describe('Hashring.moved', () => {
  it('counts copies on nodes that did not have the partition, whatever their rank', () => {
    const [one, other] = [Hashring.of([node('a')], options), Hashring.of([node('b')], options)];
    const both = Hashring.of([node('a'), node('b')], options);
    expect(Hashring.moved(one, one)).toBe(0);
    expect(Hashring.moved(one, other)).toBe(64);
    expect(Hashring.moved(one, both)).toBe(64);
    expect(Hashring.moved(both, one)).toBe(0);
  });

  it.each([
    [8, 16],
    [16, 8],
  ])('refuses rings of %d and %d partitions', (...partitions) => {
    const [from, to] = partitions.map((count) => Hashring.of([node('a')], { ...options, partitions: count }));
    expect(failureOf(() => Hashring.moved(from!, to!))).toMatchObject({
      code: 'DKV_INVALID_ARGUMENT',
      message: expect.stringContaining(`of ${partitions[0]} and ${partitions[1]} partitions`) as unknown,
    });
  });
});
