/** The view of the cluster: of members as they are, addresses and states come and go. */
import { beforeEach, describe, expect, it } from 'vitest';
import { caught } from '../../testing/caught.js';
import { testNode, testNodes } from '../../testing/test-nodes.js';
import { partitionWhere, testRing, type TestRingOptions } from '../../testing/test-ring.js';
import { Hashring } from '../hashring/hashring.js';
import { type ClusterNode, type NodeState } from '../model/node.js';
import { type AgreedNamespace } from '../model/membership.js';
import { ClusterView } from './cluster-view.js';
import { withNamespaces } from './configuration-changes.js';

const NODES = testNodes('a', 'b', 'c', 'd');
const ring = testRing(NODES);
/** A partition that a, b and c hold, in this order. */
const ABC = partitionWhere(ring, (list) => list.join() === 'a,b,c');

let view: ClusterView;

function of(...nodes: ClusterNode[]): ClusterView {
  return ClusterView.of('a', testRing(nodes), nodes);
}

function withRing(options: TestRingOptions): ClusterView {
  return ClusterView.of('a', testRing(NODES, options), NODES);
}

function hashedOtherwise(): Hashring {
  return Hashring.of(NODES, { partitions: 64, replicas: 2, hashFunc: { name: 'other', hash: () => 0 } });
}

beforeEach(() => {
  view = ClusterView.of('a', ring, NODES);
});

function set(states: Record<string, NodeState>): void {
  Object.entries(states).forEach(([nodeId, state]) => view.setState(nodeId, state));
}

describe('at first', () => {
  it('this node is up and the others are worth asking', () => {
    expect(view.members.map(({ node, state }) => `${node.nodeId} ${state}`)).toEqual([
      'a up',
      'b suspect',
      'c suspect',
      'd suspect',
    ]);
    expect(view.reachable(ABC)).toHaveLength(3);
  });

  it('the peers are the other members', () => {
    expect(view.peers).toEqual(NODES.slice(1));
  });

  it.each<[string, ClusterView, boolean]>([
    ['of another node', ClusterView.of('b', ring, NODES), true],
    [
      'of other members, weights and zones',
      of(testNode('a', { weight: 2 }), testNode('x', { zone: 'z' })),
      true,
    ],
    ['with other partitions', withRing({ partitions: 32 }), false],
    ['with other replicas', withRing({ replicas: 1 }), true],
    ['with another hash function', ClusterView.of('a', hashedOtherwise(), NODES), false],
    ['with leases', ClusterView.of('a', ring, NODES, '+leases1000'), false],
  ])('the configuration %s: whether it is the same', (_, other, isSame) => {
    expect(other.configuration === view.configuration).toBe(isSame);
  });
});

describe('the nodes worth asking', () => {
  it.each<[Record<string, NodeState>, string]>([
    [{ b: 'up', c: 'up' }, 'a,b,c'],
    [{ b: 'suspect', c: 'up' }, 'a,c,b'],
    [{ b: 'up', c: 'suspect' }, 'a,b,c'],
    [{ b: 'suspect', c: 'suspect' }, 'a,b,c'],
    [{ b: 'down', c: 'up' }, 'a,c'],
    [{ b: 'down', c: 'suspect' }, 'a,c'],
    [{ b: 'down', c: 'down' }, 'a'],
    [{ b: 'up', c: 'up', d: 'down' }, 'a,b,c'],
  ])('are those up in the order of the list, then the suspects: %j', (states, expected) => {
    set(states);
    expect(view.reachable(ABC).join()).toBe(expected);
  });
});

describe('a new address', () => {
  it('of a member is taken, its weight and zone are not', () => {
    view.relocate([testNode('b', { host: 'elsewhere', port: 7001, weight: 9, zone: 'z' })]);
    expect(view.address('b')).toEqual(testNode('b', { host: 'elsewhere', port: 7001 }));
    expect(view.address('c')).toEqual(NODES[2]);
  });

  it('of a stranger makes no member of it', () => {
    view.relocate([...NODES, testNode('e')]);
    expect(view.isMember('e')).toBe(false);
    expect(view.members).toHaveLength(4);
    expect(caught(() => view.address('e'))).toMatchObject({ code: 'DKV_PEER_UNREACHABLE' });
  });

  it('for some of the members does not make the others leave', () => {
    view.relocate([testNode('b')]);
    view.relocate([]);
    expect(view.members.map(({ node }) => node.nodeId)).toEqual(['a', 'b', 'c', 'd']);
    expect(view.listOf(ABC)).toEqual(['a', 'b', 'c']);
  });

  it('does not change what is believed of the node', () => {
    set({ b: 'down' });
    view.relocate([testNode('b', { port: 7001 })]);
    expect(view.stateOf('b')).toBe('down');
  });
});

describe('a state', () => {
  it('is told to listeners when it changes, and only then', () => {
    const told: string[] = [];
    view.onState((nodeId, state) => told.push(`${nodeId} ${state}`));
    set({ b: 'suspect' });
    set({ b: 'up', c: 'down' });
    set({ b: 'up' });
    set({ b: 'down' });
    expect(told).toEqual(['b up', 'c down', 'b down']);
  });

  it('is set by the time that listeners hear of it', () => {
    let seen: NodeState | undefined;
    view.onState((nodeId) => (seen = view.stateOf(nodeId)));
    set({ b: 'up' });
    expect(seen).toBe('up');
  });

  it('of a stranger is down and stays it', () => {
    set({ e: 'up' });
    expect(view.stateOf('e')).toBe('down');
    expect(view.isMember('e')).toBe(false);
  });
});

describe('partitions', () => {
  it('are held by the nodes of their list', () => {
    expect(['a', 'b', 'c', 'd', 'e'].map((nodeId) => view.holds(ABC, nodeId))).toEqual([
      true,
      true,
      true,
      false,
      false,
    ]);
    expect(view.holds(ABC)).toBe(true);
  });

  it('of this node are those that it holds', () => {
    const own = view.ownPartitions();
    expect(own).toContain(ABC);
    expect(own).toEqual(
      [...Array(ring.partitions).keys()].filter((p) => ring.preferenceList(p).includes('a')),
    );
    expect(own.length).toBeLessThan(ring.partitions);
  });

  it('are under-replicated when another holder of an own one is down', () => {
    const ownWith = (...nodeIds: string[]) =>
      view.ownPartitions().filter((p) => ring.preferenceList(p).some((nodeId) => nodeIds.includes(nodeId)))
        .length;
    expect(view.underReplicated()).toBe(0);
    set({ b: 'suspect' });
    expect(view.underReplicated()).toBe(0);
    set({ b: 'down' });
    expect(view.underReplicated()).toBe(ownWith('b'));
    set({ c: 'down' });
    expect(view.underReplicated()).toBe(ownWith('b', 'c'));
    set({ b: 'up', c: 'up' });
    expect(view.underReplicated()).toBe(0);
  });
});

describe('partitions of another class', () => {
  const PARTITIONS = ring.partitions;
  const FEW = 2;
  const ALONE = 1;
  const all = [...Array(3 * PARTITIONS).keys()];
  const declared = [FEW, ALONE].map((placement): AgreedNamespace => ({
    name: `n${placement}`,
    mode: 'strong',
    placement,
    codec: '',
    merger: '',
  }));
  const proposedBy = (known: ClusterView) => {
    known.propose(withNamespaces(known.agreed, declared));
    return known;
  };

  beforeEach(() => {
    proposedBy(view);
  });

  it('have numbers of their own, above those of the cluster', () => {
    expect(view.partitions).toBe(3 * PARTITIONS);
    expect(ClusterView.of('a', ring, NODES).partitions).toBe(PARTITIONS);
  });

  it.each([
    [0, 3],
    [ALONE, 1],
    [FEW, 2],
  ])('%i: a key lies in the same slice of the ring, with %i copies', (placement, copies) => {
    for (const key of ['k', 'l', '\u{1f642}']) {
      const partition = view.partitionOf(key, placement);
      expect(partition).toBe(placement * PARTITIONS + ring.partitionOf(key));
      expect(view.placementOf(partition)).toBe(placement);
      expect(view.copiesOf(partition)).toBe(copies);
      expect(view.copiesAskedOf(partition)).toBe(copies);
      expect(view.replicasOf(placement)).toBe(copies - 1);
    }
  });

  it('have distinct nodes, as many as copies, each about as often', () => {
    for (const partition of all) {
      const list = view.listOf(partition);
      expect(new Set(list).size).toBe(view.copiesOf(partition));
      expect(view.reachable(partition)).toHaveLength(list.length);
      expect(NODES.filter(({ nodeId }) => view.holds(partition, nodeId))).toHaveLength(list.length);
    }
    for (const { nodeId } of NODES) {
      const held = (placement: number) =>
        all.filter((number) => view.placementOf(number) === placement && view.holds(number, nodeId)).length;
      expect([held(ALONE), held(FEW)]).toEqual([PARTITIONS / 4, PARTITIONS / 2]);
    }
  });

  it('keep the order of states among their own nodes', () => {
    const partition = all.find((number) => view.listOf(number).join() === 'a,b')!;
    set({ a: 'suspect', b: 'up', c: 'up' });
    expect(view.reachable(partition).join()).toBe('b,a');
    set({ a: 'down' });
    expect(view.reachable(partition).join()).toBe('b');
  });

  it('are own ones where this node is on the list, as others are', () => {
    const expected = all.filter((partition) => view.holds(partition));
    expect([...view.ownPartitions()].sort((one, two) => one - two)).toEqual(expected);
    set({ c: 'down' });
    const lacking = view.ownPartitions().filter((partition) => view.listOf(partition).includes('c'));
    expect(view.underReplicated()).toBe(lacking.length);
  });

  it('have the same numbers where there are fewer nodes than copies asked for, and as many copies as there are nodes', () => {
    const alone = proposedBy(ClusterView.of('a', testRing(testNodes('a')), testNodes('a')));
    expect(alone.partitions).toBe(view.partitions);
    for (const [placement, copies] of [
      [0, 3],
      [ALONE, 1],
      [FEW, 2],
    ] as const) {
      const partition = alone.partitionOf('k', placement);
      expect(partition).toBe(view.partitionOf('k', placement));
      expect(alone.listOf(partition)).toEqual(['a']);
      expect(alone.copiesAskedOf(partition)).toBe(copies);
    }
  });

  it('of a class that the cluster does not have are nowhere', () => {
    const partition = view.partitionOf('k', 7);
    expect([view.listOf(partition), view.goalOf(partition), view.nodesOf(partition)]).toEqual([[], [], []]);
    expect(view.sinceOf(partition)).toBe(0);
  });

  it('are proposed before the cluster is born alone', () => {
    view.adopt({ ...view.agreed, epoch: 1 });
    const { agreed } = view;
    view.propose({ ...agreed, epoch: 0, namespaces: [] });
    expect(view.agreed).toBe(agreed);
  });
});

describe('this clock', () => {
  it.each([
    [[], false],
    [['b'], false],
    [['b', 'b'], false],
    [['b', 'c'], true],
    [['b', 'c', 'd'], true],
  ])('of four nodes is suspect when more than half of the others disagree: %j is %s', (skewed, suspect) => {
    skewed.forEach((nodeId) => view.setSkewed(nodeId, true));
    expect(view.clockSuspect).toBe(suspect);
    skewed.forEach((nodeId) => view.setSkewed(nodeId, false));
    expect(view.clockSuspect).toBe(false);
  });

  it('of a node that is alone never is', () => {
    const alone = testNodes('a');
    expect(ClusterView.of('a', testRing(alone), alone).clockSuspect).toBe(false);
  });
});
