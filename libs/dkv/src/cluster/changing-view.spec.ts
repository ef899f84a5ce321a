/** The view of a cluster that changes: what it takes of a new configuration, what it keeps, and whom it talks to beside members. */
import { beforeEach, describe, expect, it } from 'vitest';
import { caught } from '../../testing/caught.js';
import { SimRandom } from '../../testing/simulation/sim-random.js';
import { testNode, testNodes } from '../../testing/test-nodes.js';
import { testRing } from '../../testing/test-ring.js';
import { type ClusterConfiguration, CONFIGURATION_GROUP } from '../model/membership.js';
import { type ClusterNode } from '../model/node.js';
import { configurationOf } from './cluster-configuration.js';
import { ClusterView } from './cluster-view.js';
import { withChanges, withMoved, withMoves, withNamespaces } from './configuration-changes.js';
import { partitionAt } from './partition-lists.js';

const NODES = testNodes('a', 'b', 'c');
const ring = testRing(NODES);
const FIRST = configurationOf(ring, NODES);
const GUESTS_MAX = 64;

let view: ClusterView;
let changes: number;

beforeEach(() => {
  view = viewOf('a');
  changes = 0;
  view.onConfiguration(() => changes++);
});

function viewOf(selfId: string, own?: ClusterNode): ClusterView {
  return new ClusterView(selfId, FIRST, ring.hashFunc, '', own);
}

/** The members alone differ: enough for who is known. */
function membersNow(...members: readonly ClusterNode[]): ClusterConfiguration {
  return { ...FIRST, epoch: view.epoch + 1, members };
}

const idsOf = (nodes: readonly ClusterNode[]) => nodes.map(({ nodeId }) => nodeId).join();

describe('a new configuration', () => {
  it('is taken for a later epoch alone', () => {
    const next = membersNow(...NODES, testNode('d'));
    expect(view.adopt(next)).toBe(true);
    expect([view.epoch, view.agreed, changes]).toEqual([1, next, 1]);
    expect(view.adopt({ ...FIRST, epoch: 1 })).toBe(false);
    expect(view.adopt(FIRST)).toBe(false);
    expect([view.epoch, view.agreed, changes]).toEqual([1, next, 1]);
  });

  it('of other partitions is a mistake', () => {
    const fewer = { ...FIRST, epoch: 2, partitions: 2 };
    expect(() => view.adopt(fewer)).toThrow(TypeError);
    expect(view.epoch).toBe(0);
  });

  it('leaves states alone: new members are worth asking, who goes is a guest as it was', () => {
    view.setState('b', 'up');
    view.setState('c', 'down');
    view.adopt(membersNow(NODES[0]!, NODES[1]!, testNode('d')));
    expect(['a', 'b', 'c', 'd'].map((nodeId) => view.stateOf(nodeId))).toEqual([
      'up',
      'up',
      'down',
      'suspect',
    ]);
    expect([idsOf(view.peers), idsOf(view.guests), idsOf(view.others)]).toEqual(['b,d', 'c', 'b,d,c']);
    expect(view.address('c')).toEqual(NODES[2]);
  });

  it.each([
    ['as it was said before, stays as discovery says', 7000, 9000],
    ['that is another, is taken', 8000, 8000],
  ])('an address %s', (_, port, expected) => {
    view.relocate([testNode('b', { port: 9000 })]);
    view.adopt(membersNow(NODES[0]!, testNode('b', { port, weight: 3 }), NODES[2]!));
    expect(view.address('b')).toEqual(testNode('b', { port: expected, weight: 3 }));
    expect(view.peers[0]).toEqual(view.address('b'));
  });

  it('is told of when all of it is there to be asked for', () => {
    let seen = '';
    view.onConfiguration(() => (seen = idsOf(view.peers)));
    view.adopt(membersNow(...NODES, testNode('d')));
    expect(seen).toBe('b,c,d');
  });

  it('leaves partitions, copies and keys where they are', () => {
    const all = () => [view.slices, view.partitions, view.replicasOf(), view.partitionOf('k', 2)];
    const before = all();
    view.adopt(withChanges(FIRST, [{ kind: 'join', node: testNode('d') }])!);
    expect(all()).toEqual(before);
  });

  it('counts only members among those whose clocks differ', () => {
    view.welcome(testNode('x'));
    view.setSkewed('x', true);
    view.setSkewed('b', true);
    expect(view.clockSuspect).toBe(false);
    view.adopt(membersNow(NODES[0]!, NODES[1]!));
    expect(view.clockSuspect).toBe(true);
    view.adopt(membersNow(NODES[0]!, NODES[2]!));
    expect(view.clockSuspect).toBe(false);
  });
});

describe('a node that is no member', () => {
  const own = testNode('x', { port: 7777 });

  it('knows itself, and the members as its peers', () => {
    view = viewOf('x', own);
    expect([view.isMember('x'), view.stateOf('x'), view.address('x')]).toEqual([false, 'up', own]);
    expect(view.peers).toEqual(NODES);
    expect(idsOf(view.members.map(({ node }) => node))).toBe('a,b,c');
    expect(view.ownPartitions()).toEqual([]);
    expect([view.welcome(own), idsOf(view.others)]).toEqual([false, 'a,b,c']);
    view.relocate([testNode('x', { port: 7778 })]);
    expect(view.address('x').port).toBe(7778);
  });

  it('is one when it is taken in', () => {
    view = viewOf('x', own);
    view.adopt(membersNow(...NODES, testNode('x')));
    expect([view.isMember('x'), view.stateOf('x'), idsOf(view.peers)]).toEqual([true, 'up', 'a,b,c']);
    expect(view.address('x')).toEqual(testNode('x'));
  });

  it('still knows itself when it has left, and is no guest of itself', () => {
    view.adopt(membersNow(NODES[1]!, NODES[2]!));
    expect([view.isMember('a'), view.stateOf('a'), view.address('a')]).toEqual([false, 'up', NODES[0]]);
    expect([idsOf(view.peers), idsOf(view.others)]).toEqual(['b,c', 'b,c']);
  });
});

describe('a guest', () => {
  it('is talked to, and counts nowhere else', () => {
    expect(view.welcome(testNode('x'))).toBe(true);
    expect([idsOf(view.guests), idsOf(view.others), idsOf(view.peers)]).toEqual(['x', 'b,c,x', 'b,c']);
    expect([view.isMember('x'), view.members.length, view.stateOf('x')]).toEqual([false, 3, 'suspect']);
    expect(view.address('x')).toEqual(testNode('x'));
    view.setState('x', 'up');
    expect(view.stateOf('x')).toBe('up');
    view.dismiss('x');
    expect([idsOf(view.others), view.stateOf('x')]).toEqual(['b,c', 'down']);
    expect(caught(() => view.address('x'))).toMatchObject({ code: 'DKV_PEER_UNREACHABLE' });
    expect(changes).toBe(2);
  });

  it('that is welcomed again is taken at its new address, and news only for that', () => {
    view.welcome(testNode('x'));
    view.setState('x', 'up');
    expect([view.welcome(testNode('x')), changes]).toEqual([true, 1]);
    expect([view.welcome(testNode('x', { port: 7001 })), changes]).toEqual([true, 2]);
    expect([view.address('x').port, view.stateOf('x'), view.guests.length]).toEqual([7001, 'up', 1]);
  });

  it.each(['a', 'b'])('is neither this node nor a member: %s', (nodeId) => {
    expect(view.welcome(testNode(nodeId, { port: 1 }))).toBe(false);
    view.dismiss(nodeId);
    expect([view.address(nodeId).port, changes]).toEqual([7000, 0]);
  });

  it('keeps its state as a member, and has the address of the configuration', () => {
    view.welcome(testNode('d', { port: 7001 }));
    view.setState('d', 'up');
    view.adopt(membersNow(...NODES, testNode('d', { port: 7002 })));
    expect([view.isMember('d'), view.stateOf('d'), view.address('d').port]).toEqual([true, 'up', 7002]);
    expect(view.guests).toEqual([]);
  });

  it('is refused beyond the bound; a member that goes takes the place of the longest there', () => {
    for (let number = 0; number < GUESTS_MAX; number++) {
      expect(view.welcome(testNode(`x${number}`))).toBe(true);
    }
    expect(view.welcome(testNode('late'))).toBe(false);
    expect(view.welcome(testNode('x3'))).toBe(true);
    view.adopt(membersNow(NODES[0]!, NODES[1]!));
    expect(view.guests).toHaveLength(GUESTS_MAX);
    expect(idsOf(view.guests.slice(-1))).toBe('c');
    expect(idsOf(view.guests.slice(0, 1))).toBe('x1');
  });

  it('that was leaving is not one that leaves when it is taken in again', () => {
    view.adopt(membersNow(NODES[0]!, NODES[1]!, { ...NODES[2]!, isLeaving: true } as ClusterNode));
    view.adopt(membersNow(NODES[0]!, NODES[1]!));
    expect(view.guests).toEqual([NODES[2]]);
  });
});

describe('where a partition is to be', () => {
  const few = { name: 'few', mode: 'strong', placement: 2, codec: '', merger: '' } as const;
  const joined = withChanges(withNamespaces(FIRST, [few]), [{ kind: 'join', node: testNode('d') }])!;
  const begun = withMoves(joined, 1_000)!;
  // Some of each class.
  const moving = { ...begun, moving: begun.moving.filter((_, index) => index % 3 === 0) };

  it('is where it is, unless it moves', () => {
    view.adopt(joined);
    for (let partition = 0; partition < view.partitions; partition++) {
      expect(view.goalOf(partition)).toBe(view.listOf(partition));
      expect(view.nodesOf(partition)).toBe(view.listOf(partition));
      expect(view.sinceOf(partition)).toBe(0);
    }
  });

  it('is its target while it moves, and both lists together are its nodes', () => {
    view.adopt(moving);
    for (const [place, list] of moving.lists.entries()) {
      const partition = partitionAt(moving, place);
      const isMoving = moving.moving.some((move) => move.place === place);
      const goal = isMoving ? moving.target[place]! : list;
      expect(view.listOf(partition)).toBe(list);
      expect(view.goalOf(partition)).toBe(goal);
      expect(view.nodesOf(partition)).toEqual([...new Set([...list, ...goal])]);
      expect(view.sinceOf(partition)).toBe(isMoving ? moving.epoch : 0);
      expect(view.nodesOf(partition)).toBe(view.nodesOf(partition));
    }
    const classes = new Set(moving.moving.map(({ place }) => view.placementOf(partitionAt(moving, place))));
    expect([...classes]).toEqual(expect.arrayContaining([0, 2]));
  });

  it('is the list once it has moved: nothing is remembered of before', () => {
    view.adopt(moving);
    const { place } = moving.moving.at(-1)!;
    const partition = partitionAt(moving, place);
    view.nodesOf(partition);
    view.adopt(withMoved(moving, [place])!);
    expect(view.listOf(partition)).toBe(moving.target[place]);
    expect(view.goalOf(partition)).toBe(view.listOf(partition));
    expect(view.nodesOf(partition)).toBe(view.listOf(partition));
  });

  it('of the configuration itself is its last list, as long as that is', () => {
    expect(view.listOf(CONFIGURATION_GROUP)).toEqual(['a', 'b', 'c']);
    view.adopt({
      ...FIRST,
      epoch: 2,
      target: [...FIRST.target.slice(0, -1), ['a', 'b', 'c', 'd', 'e']],
      moving: [{ place: view.slices, since: 2, also: [] }],
    });
    expect(view.listOf(CONFIGURATION_GROUP)).toEqual(['a', 'b', 'c']);
    expect(view.goalOf(CONFIGURATION_GROUP)).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(view.nodesOf(CONFIGURATION_GROUP)).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect([view.sinceOf(CONFIGURATION_GROUP), view.copiesOf(CONFIGURATION_GROUP)]).toEqual([2, 3]);
    expect([view.sinceOf(0), view.goalOf(0)]).toEqual([0, view.listOf(0)]);
  });
});

describe('whatever comes and goes', () => {
  const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('members and guests are as a simple model says (seed %i)', (seed) => {
    const random = new SimRandom(seed);
    const members = new Set(['a', 'b', 'c']);
    const guests = new Set<string>();
    for (let step = 0; step < 400; step++) {
      const nodeId = random.pick(NAMES);
      const isOther = nodeId !== 'a' && !members.has(nodeId);
      switch (random.int(3)) {
        case 0:
          expect(view.welcome(testNode(nodeId))).toBe(isOther);
          if (isOther) {
            guests.add(nodeId);
          }
          break;
        case 1:
          view.dismiss(nodeId);
          guests.delete(nodeId);
          break;
        case 2: {
          const before = [...members];
          members.clear();
          NAMES.filter(() => random.chance(0.5)).forEach((member) => members.add(member));
          view.adopt(membersNow(...testNodes(...members)));
          before.forEach((member) => guests.add(member));
          members.forEach((member) => guests.delete(member));
          guests.delete('a');
        }
      }
      const others = [...members].filter((member) => member !== 'a');
      expect(view.peers).toEqual(testNodes(...others));
      expect(view.others).toEqual(testNodes(...others, ...guests));
      expect(NAMES.filter((name) => view.isMember(name))).toEqual([...members]);
      const known = new Set(['a', ...others, ...guests]);
      expect(NAMES.filter((name) => view.stateOf(name) !== 'down')).toEqual([...known].sort());
    }
  });
});
