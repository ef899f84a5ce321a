/** Changes of a cluster, one epoch at a time: each step is small, nothing moves twice, and in the end all is where it should be. */
import { describe, expect, it } from 'vitest';
import { SimRandom } from '../../testing/simulation/sim-random.js';
import { testNode, testNodes } from '../../testing/test-nodes.js';
import { testRing } from '../../testing/test-ring.js';
import { type ClusterConfiguration, type MembershipChange } from '../model/membership.js';
import { type ClusterNode } from '../model/node.js';
import { configurationFrom, configurationOf, textOf } from './cluster-configuration.js';
import { goalOf, withChanges, withMoved, withMoves } from './configuration-changes.js';

const MOVES_MAX = 4;

function made(...nodeIds: string[]): ClusterConfiguration {
  const nodes = testNodes(...nodeIds);
  return configurationOf(testRing(nodes), nodes);
}

const join = (nodeId: string, differing: Partial<ClusterNode> = {}): MembershipChange => ({
  kind: 'join',
  node: testNode(nodeId, differing),
});
const leave = (nodeId: string): MembershipChange => ({ kind: 'leave', nodeId });
const idsOf = ({ members }: ClusterConfiguration) => members.map(({ nodeId }) => nodeId);
const keepersOf = ({ lists }: ClusterConfiguration) => lists.at(-1)!;

/** All moves, in the order in which they are planned; what each step must keep is looked at. */
function finished(configuration: ClusterConfiguration): { end: ClusterConfiguration; copied: number } {
  let now = configuration;
  let copied = 0;
  for (let steps = 0; ; steps++) {
    expect(steps).toBeLessThan(10_000);
    const begun = withMoves(now, MOVES_MAX);
    if (begun) {
      expect(begun.epoch).toBe(now.epoch + 1);
      expect(begun.moving.length).toBeLessThanOrEqual(MOVES_MAX);
      expect(begun.lists).toBe(now.lists);
      now = begun;
    }
    const [move] = now.moving;
    if (move === undefined) {
      return { end: now, copied };
    }
    const { place } = move;
    const goal = goalOf(now, place)!;
    copied += goal.filter((nodeId) => !now.lists[place]!.includes(nodeId)).length;
    const next = withMoved(now, [place])!;
    expect(next.epoch).toBe(now.epoch + 1);
    expect(next.lists[place]).toBe(goal);
    now = next;
  }
}

function expectSettled({ members, lists, target, moving }: ClusterConfiguration): void {
  expect(moving).toEqual([]);
  expect(lists).toEqual(target);
  expect(members.filter(({ isLeaving }) => isLeaving)).toEqual([]);
  const ids = new Set(members.map(({ nodeId }) => nodeId));
  expect(lists.flat().every((nodeId) => ids.has(nodeId))).toBe(true);
  const copies = Math.min(3, members.length);
  const loads = new Map<string, number>();
  for (const list of lists.slice(0, -1)) {
    expect(new Set(list).size).toBe(copies);
    list.forEach((nodeId) => loads.set(nodeId, (loads.get(nodeId) ?? 0) + 1));
  }
  const share = ((lists.length - 1) * copies) / members.length;
  for (const load of loads.values()) {
    expect(load).toBeLessThanOrEqual(Math.max(Math.ceil(share), 1.05 * share));
  }
}

describe('a node that joins', () => {
  it('is a member at once, and moves begin a few at a time', () => {
    const before = made('a', 'b', 'c');
    const joined = withChanges(before, [join('d')])!;
    expect(joined.epoch).toBe(1);
    expect(idsOf(joined)).toEqual(['a', 'b', 'c', 'd']);
    expect(joined.lists).toEqual(before.lists);
    expect(joined.moving).toEqual([]);
    expect(withMoves(joined, MOVES_MAX)!.moving).toHaveLength(MOVES_MAX);
  });

  it('gets its share, and hardly more is copied', () => {
    const joined = withChanges(made('a', 'b', 'c'), [join('d')])!;
    const { end, copied } = finished(joined);
    expectSettled(end);
    const ideal = ((end.lists.length - 1) * 3) / 4;
    expect(copied).toBeLessThanOrEqual(1.2 * ideal);
  });

  it('fills lists up to their full length', () => {
    const { end } = finished(withChanges(made('a'), [join('b'), join('c')])!);
    expectSettled(end);
    expect(end.lists.every((list) => list.length === 3)).toBe(true);
  });

  it('is no news where it is a member', () => {
    expect(withChanges(made('a', 'b', 'c'), [join('b')])).toBeUndefined();
  });
});

describe('a node that leaves', () => {
  it('is a member until nothing is left on it', () => {
    const left = withChanges(made('a', 'b', 'c', 'd'), [leave('b')])!;
    expect(idsOf(left)).toContain('b');
    expect(left.target.flat()).not.toContain('b');
    let now = withMoves(left, 1_000)!;
    for (const { place } of now.moving) {
      expect(idsOf(now)).toContain('b');
      now = withMoved(now, [place])!;
    }
    expectSettled(now);
    expect(idsOf(now)).toEqual(['a', 'c', 'd']);
  });

  it('may stay after all: what was not begun is not moved, and what was goes back', () => {
    const before = made('a', 'b', 'c', 'd');
    const begun = withMoves(withChanges(before, [leave('b')])!, MOVES_MAX)!;
    const again = withChanges(begun, [{ kind: 'stay', nodeId: 'b' }])!;
    expect(again.members.every(({ isLeaving }) => !isLeaving)).toBe(true);
    const { end, copied } = finished(again);
    expectSettled(end);
    expect(copied).toBeLessThanOrEqual(2 * MOVES_MAX);
  });

  it('while another leaves and one joins, in one plan', () => {
    const { end } = finished(withChanges(made('a', 'b', 'c', 'd'), [leave('a'), leave('b'), join('x')])!);
    expectSettled(end);
    expect(idsOf(end)).toEqual(['c', 'd', 'x']);
  });
});

describe('weight and zone', () => {
  it('of a node move what they must', () => {
    const heavier = withChanges(made('a', 'b', 'c', 'd'), [{ kind: 'weight', nodeId: 'd', weight: 3 }])!;
    const { end } = finished(heavier);
    const held = (nodeId: string) => end.lists.slice(0, -1).filter((list) => list.includes(nodeId)).length;
    expect(held('d')).toBe(end.lists.length - 1);
    expect(withChanges(end, [{ kind: 'weight', nodeId: 'd', weight: 3 }])).toBeUndefined();
  });

  it('copies lie in zones of their own after a change of zones', () => {
    const zones = ['a', 'b', 'c', 'd', 'e', 'f'].map((nodeId, index): MembershipChange => ({
      kind: 'zone',
      nodeId,
      zone: `z${index % 3}`,
    }));
    const { end } = finished(withChanges(made('a', 'b', 'c', 'd', 'e', 'f'), zones)!);
    const zoneOf = new Map(end.members.map(({ nodeId, zone }) => [nodeId, zone]));
    for (const list of end.lists.slice(0, -1)) {
      expect(new Set(list.map((nodeId) => zoneOf.get(nodeId))).size).toBe(3);
    }
  });
});

describe('the keepers of the configuration', () => {
  it.each([
    [1, 1],
    [2, 2],
    [3, 3],
    [4, 3],
    [5, 5],
    [6, 5],
    [20, 5],
  ])('of %i nodes are %i', (nodes, keepers) => {
    const ids = Array.from({ length: nodes }, (_, index) => `n${String(index).padStart(2, '0')}`);
    expect(keepersOf(made(...ids))).toHaveLength(keepers);
  });

  it('lie in as many zones as there are, and stay who they are', () => {
    const nodes = ['a', 'b', 'c', 'd', 'e', 'f'].map((id, i) => testNode(id, { zone: i < 4 ? 'x' : id }));
    const before = configurationOf(testRing(nodes), nodes);
    expect(keepersOf(before)).toEqual(['a', 'e', 'f', 'b', 'c']);
    const { end } = finished(withChanges(before, [join('0', { zone: 'w' }), leave('e')])!);
    expect(keepersOf(end)).toEqual(['a', 'f', 'b', 'c', '0']);
  });

  it('move first', () => {
    const left = withChanges(made('a', 'b', 'c', 'd'), [leave('a')])!;
    expect(withMoves(left, 1)!.moving).toEqual([{ place: left.lists.length - 1, since: 2, also: [] }]);
  });
});

it.each(Array.from({ length: 30 }, (_, seed) => seed))(
  'changes that come while others are under way end well (%i)',
  (seed) => {
    const random = new SimRandom(`changes ${seed}`);
    let now = made('a', 'b', 'c');
    for (let step = 0; step < 60; step++) {
      const staying = now.members.filter(({ isLeaving }) => !isLeaving);
      const any = random.pick(now.members).nodeId;
      const changes: readonly (() => MembershipChange)[] = [
        () => join(`n${random.int(10)}`),
        () => (staying.length > 1 ? leave(random.pick(staying).nodeId) : join('n0')),
        () => ({ kind: 'stay', nodeId: any }),
        () => ({ kind: 'weight', nodeId: any, weight: random.pick([1, 2, 3]) }),
      ];
      const before = now;
      if (random.chance(0.3)) {
        now = withChanges(now, [random.pick(changes)()]) ?? now;
      }
      now = withMoves(now, MOVES_MAX) ?? now;
      if (now.moving.length > 0 && random.chance(0.7)) {
        now = withMoved(now, [random.pick(now.moving).place]) ?? now;
      }
      expect(now === before || now.epoch > before.epoch).toBe(true);
      const ids = new Set(idsOf(now));
      expect([...now.lists, ...now.target].flat().every((nodeId) => ids.has(nodeId))).toBe(true);
      expect(now.lists.every((list) => list.length > 0)).toBe(true);
    }
    const even = now.members.map(({ nodeId }): MembershipChange => ({ kind: 'weight', nodeId, weight: 1 }));
    expectSettled(finished(withChanges(now, even) ?? now).end);
  },
);

describe('zones that leaders prefer', () => {
  const nodes = ['a', 'b', 'c', 'd', 'e', 'f'].map((nodeId, place) =>
    testNode(nodeId, { zone: ['x', 'y', 'z'][place % 3]! }),
  );
  const made = configurationOf(testRing(nodes), nodes);
  const zoneOf = (nodeId: string) => nodes.find((node) => node.nodeId === nodeId)!.zone;
  const holders = ({ lists }: ClusterConfiguration) => lists.slice(0, -1).map(([first]) => first!);
  const prefer = (...zones: string[]): MembershipChange => ({ kind: 'preferredZones', zones });

  it('have their nodes first in every list, at once, and nothing moves', () => {
    const changed = withChanges(made, [prefer('z', 'y')])!;
    expect(changed).toMatchObject({ epoch: made.epoch + 1, preferredZones: ['z', 'y'], moving: [] });
    for (const [place, list] of changed.lists.entries()) {
      expect([...list].sort()).toEqual([...made.lists[place]!].sort());
      expect(changed.target[place]).toBe(list);
      expect(list.map(zoneOf).slice(0, 2)).toEqual(['z', 'y']);
    }
    // Both nodes of the zone lead half of it.
    const led = holders(changed).filter((nodeId) => nodeId === 'c').length;
    expect(Math.abs(led - holders(changed).length / 2)).toBeLessThanOrEqual(0.1 * holders(changed).length);
  });

  it('change nothing when asked for again, and spread leaders over all when there are none', () => {
    const changed = withChanges(made, [prefer('z')])!;
    expect(withChanges(changed, [prefer('z')])).toBeUndefined();
    const back = withChanges(changed, [prefer()])!;
    expect(back.moving).toEqual([]);
    const most = Math.max(...nodes.map(({ nodeId }) => holders(back).filter((one) => one === nodeId).length));
    expect(most).toBeLessThanOrEqual(Math.ceil((1.05 * holders(back).length) / nodes.length));
  });

  it('last over other changes, and over keeping and reading', () => {
    const changed = withChanges(withChanges(made, [prefer('z')])!, [leave('c')])!;
    const { end } = finished(configurationFrom(textOf(changed)));
    expect(end.preferredZones).toEqual(['z']);
    // One node of the zone is left, and leads what it has.
    const itsLists = end.lists.filter((list) => list.includes('f'));
    expect(itsLists.length).toBeGreaterThan(1);
    expect(new Set(itsLists.map(([first]) => first))).toEqual(new Set(['f']));
  });

  it('of which nobody is there, count for nothing', () => {
    const changed = withChanges(made, [prefer('elsewhere')])!;
    expect(changed.lists.map((list) => [...list].sort())).toEqual(made.lists.map((list) => [...list].sort()));
    expect(changed.moving).toEqual([]);
  });
});
