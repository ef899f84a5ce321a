/** Changes of a cluster, one epoch at a time: each step is small, nothing moves twice, and in the end all is where it should be. */
import { describe, expect, it } from 'vitest';
import { SimRandom } from '../../testing/simulation/sim-random.js';
import { testNode, testNodes } from '../../testing/test-nodes.js';
import { testRing } from '../../testing/test-ring.js';
import {
  type AgreedNamespace,
  type ClusterConfiguration,
  CONFIGURATION_GROUP,
  type MembershipChange,
} from '../model/membership.js';
import { type ClusterNode } from '../model/node.js';
import { configurationFrom, configurationOf, textOf } from './cluster-configuration.js';
import {
  goalOf,
  withChanges,
  withJoint,
  withMoved,
  withMoves,
  withNamespaces,
  withoutLeft,
} from './configuration-changes.js';
import { listsOfClass, partitionAt } from './partition-lists.js';

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
      return { end: withoutLeft(now, () => true) ?? now, copied };
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
    now = withoutLeft(now, () => true)!;
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

describe('a move', () => {
  const begun = withMoves(withChanges(made('a', 'b', 'c', 'd'), [leave('a')])!, MOVES_MAX)!;
  const { place } = begun.moving[0]!;

  it('is joint from the epoch on that says so, once', () => {
    const joint = withJoint(begun, [place])!;
    expect([joint.epoch, joint.moving[0]]).toEqual([3, { place, since: 2, also: [], joint: 3 }]);
    expect(joint.moving.slice(1)).toEqual(begun.moving.slice(1));
    expect([withJoint(joint, [place]), withJoint(begun, [-1])]).toEqual([undefined, undefined]);
  });

  it('to other nodes than before begins anew', () => {
    const joint = withJoint(
      begun,
      begun.moving.map((move) => move.place),
    )!;
    const again = withChanges(joint, [{ kind: 'stay', nodeId: 'a' }, leave('b')])!;
    const changed = again.moving.filter(({ since }) => since === again.epoch);
    expect(changed.length).toBeGreaterThan(0);
    expect(changed.every((move) => move.joint === undefined && move.also.length > 0)).toBe(true);
  });
});

describe('a member that leaves', () => {
  it('is one until it has no copy and has handed over what it had', () => {
    let now = withChanges(made('a', 'b', 'c', 'd'), [leave('a')])!;
    expect(withoutLeft(now, () => true)).toBeUndefined();
    for (let next = withMoves(now, 100); now.moving.length > 0 || next; next = undefined) {
      now = next ?? withMoved(now, [now.moving[0]!.place])!;
    }
    expect([idsOf(now).join(), withoutLeft(now, () => false)]).toEqual(['a,b,c,d', undefined]);
    const asked: string[] = [];
    const left = withoutLeft(now, (nodeId) => asked.push(nodeId) > 0)!;
    expect([idsOf(left).join(), left.epoch - now.epoch, asked]).toEqual(['b,c,d', 1, ['a']]);
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
      now = withoutLeft(now, () => random.chance(0.5)) ?? now;
      expect(now === before || now.epoch > before.epoch).toBe(true);
      const ids = new Set(idsOf(now));
      expect([...now.lists, ...now.target].flat().every((nodeId) => ids.has(nodeId))).toBe(true);
      expect(now.lists.every((list) => list.length > 0)).toBe(true);
    }
    const even = now.members.map(({ nodeId }): MembershipChange => ({ kind: 'weight', nodeId, weight: 1 }));
    expectSettled(finished(withChanges(now, even) ?? now).end);
  },
);

const named = (name: string, differing: Partial<AgreedNamespace> = {}): AgreedNamespace => ({
  ...{ name, mode: 'strong', placement: 0, codec: 'json', merger: '' },
  ...differing,
});
const adding = (...namespaces: readonly AgreedNamespace[]) =>
  namespaces.map((namespace): MembershipChange => ({ kind: 'namespace', namespace }));
const copies = (replicas: number, placement = 0): MembershipChange => ({
  kind: 'replicas',
  placement,
  replicas,
});

describe('a namespace', () => {
  it('is added in an epoch of its own, by name, and moves nothing', () => {
    const before = made('a', 'b', 'c');
    const next = withChanges(before, adding(named('n'), named('m', { mode: 'eventual' })))!;
    expect(next).toEqual({
      ...before,
      epoch: 1,
      namespaces: [named('m', { mode: 'eventual' }), named('n')],
    });
    expect(next.lists).toBe(before.lists);
  });

  it('stays as it was added first', () => {
    const before = withNamespaces(made('a', 'b', 'c'), [named('n'), named('n', { mode: 'eventual' })]);
    expect(before.namespaces).toEqual([named('n')]);
    expect(withChanges(before, adding(named('n', { mode: 'eventual', placement: 2 })))).toBeUndefined();
  });

  it('that asks for copies has partitions of its own, with nodes in fair shares, whose numbers are those of its class', () => {
    const before = made('a', 'b', 'c', 'd');
    const next = withNamespaces(before, [named('n', { placement: 2 }), named('m', { placement: 1 })]);
    expect(next.classes).toEqual([
      { number: 0, replicas: 2 },
      { number: 2, replicas: 1 },
      { number: 1, replicas: 0 },
    ]);
    expect(listsOfClass(next, 0)).toEqual(before.lists.slice(0, -1));
    expect(next.lists).toHaveLength(3 * next.partitions + 1);
    expect(next.lists.map((_, place) => partitionAt(next, place))).toEqual([
      ...Array.from({ length: next.partitions }, (_, slice) => slice),
      ...Array.from({ length: next.partitions }, (_, slice) => 2 * next.partitions + slice),
      ...Array.from({ length: next.partitions }, (_, slice) => next.partitions + slice),
      CONFIGURATION_GROUP,
    ]);
    for (const [placement, count] of [
      [2, 2],
      [1, 1],
    ] as const) {
      const lists = listsOfClass(next, placement)!;
      expect(lists.every((list) => new Set(list).size === count)).toBe(true);
      expect(lists.flat().filter((nodeId) => nodeId === 'a')).toHaveLength((next.partitions * count) / 4);
    }
    expect(next.target.every((list, place) => list === next.lists[place])).toBe(true);
  });

  it('that is added while partitions and the keepers move leaves these on their way', () => {
    const moving = withMoves(withChanges(made('a', 'b', 'c', 'd'), [leave('a')])!, 1_000)!;
    const next = withChanges(moving, adding(named('n', { placement: 1 })))!;
    expect(keepersOf(next)).toBe(keepersOf(moving));
    const goals = (now: ClusterConfiguration) =>
      new Map(now.moving.map(({ place }) => [partitionAt(now, place), goalOf(now, place)]));
    expect(goals(next)).toEqual(goals(moving));
    expect(goals(next).has(CONFIGURATION_GROUP)).toBe(true);
    expect(listsOfClass(next, 1)!.flat()).not.toContain('a');
    expect(idsOf(finished(next).end)).toEqual(['b', 'c', 'd']);
  });
});

describe('another number of copies', () => {
  it('changes nothing but where partitions are to be, and no number of one', () => {
    const before = made('a', 'b', 'c', 'd');
    const next = withChanges(before, [copies(1)])!;
    expect(next.epoch).toBe(1);
    expect(next.classes).toEqual([{ number: 0, replicas: 1 }]);
    expect(next.lists).toEqual(before.lists);
    expect(next.lists.map((_, place) => partitionAt(next, place))).toEqual(
      before.lists.map((_, place) => partitionAt(before, place)),
    );
    expect(withChanges(next, [copies(1)])).toBeUndefined();
  });

  it.each([0, 1, 3, 15])(
    '%i, and back: lists are so long, as far as there are nodes, balanced, and nothing is left over',
    (replicas) => {
      const before = made('a', 'b', 'c', 'd');
      const { end } = finished(withChanges(before, [copies(replicas)])!);
      const count = Math.min(4, replicas + 1);
      const lists = end.lists.slice(0, -1);
      expect(lists.every((list) => new Set(list).size === count)).toBe(true);
      for (const nodeId of idsOf(end)) {
        const held = lists.filter((list) => list.includes(nodeId)).length;
        expect(held).toBe((lists.length * count) / 4);
      }
      expectSettled(finished(withChanges(end, [copies(2)])!).end);
    },
  );

  it('copies what is added alone: who has a copy keeps it as long as it is to have one', () => {
    const one = finished(withChanges(made('a', 'b', 'c'), [copies(0)])!).end;
    const { end, copied } = finished(withChanges(one, [copies(1)])!);
    expect(copied).toBe(one.partitions);
    expect(end.lists.slice(0, -1).every((list, place) => list.includes(one.lists[place]![0]!))).toBe(true);
  });

  it('of a class leaves the others alone', () => {
    const before = withNamespaces(made('a', 'b', 'c'), [named('n', { placement: 2 })]);
    const { end } = finished(withChanges(before, [copies(0, 2)])!);
    expect(listsOfClass(end, 0)).toEqual(listsOfClass(before, 0));
    expect(listsOfClass(end, 2)!.every((list) => list.length === 1)).toBe(true);
    const { end: more } = finished(withChanges(end, [copies(1, 0)])!);
    expect(listsOfClass(more, 2)).toEqual(listsOfClass(end, 2));
  });

  it('that changes again while partitions move remembers the nodes of the goals before', () => {
    const begun = withMoves(
      withChanges(finished(withChanges(made('a', 'b', 'c'), [copies(0)])!).end, [copies(2)])!,
      2,
    )!;
    const again = withChanges(begun, [copies(0)])!;
    for (const { since, also } of again.moving) {
      expect(since).toBe(again.epoch);
      expect([...also].sort()).toEqual(['a', 'b', 'c']);
    }
    expect(
      finished(again)
        .end.lists.slice(0, -1)
        .every((list) => list.length === 1),
    ).toBe(true);
  });

  it('of a class that there is not changes nothing', () => {
    expect(withChanges(made('a', 'b'), [copies(0, 7)])).toBeUndefined();
  });
});

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
