/** Nodes that would like to be members: who counts as one, for how long, and what a node says of itself. */
import { beforeEach, describe, expect, it } from 'vitest';
import { testNode, testNodes } from '../../../testing/test-nodes.js';
import { testRing } from '../../../testing/test-ring.js';
import { configurationOf } from '../../cluster/cluster-configuration.js';
import { ClusterView } from '../../cluster/cluster-view.js';
import { type PeerDirectory } from '../../cluster/peer-directory.js';
import { type ClusterConfiguration } from '../../model/membership.js';
import { type NodeMessage } from '../../model/node-messages.js';
import { GroupList } from '../group-list.js';
import { type StrongGroup } from '../strong-group.js';
import { Newcomers } from './newcomers.js';

const NODES = testNodes('a', 'b', 'c');
const BORN: ClusterConfiguration = {
  ...configurationOf(testRing(NODES, { partitions: 4, replicas: 1 }), NODES),
  epoch: 3,
  clusterId: 'one',
};
const NEWCOMER = testNode('n', { zone: 'north' });

let view: ClusterView;
let groups: GroupList;
let up: Set<string>;
/** By node: of which cluster, and whether it has said who it is. */
let peers: Map<string, { clusterId: string; hasIntroducedItself: boolean }>;
let hasLeft: boolean;
let hasLeftOver: boolean;
let said: [nodeId: string, message: NodeMessage][];
let newcomers: Newcomers;

beforeEach(() => begin(BORN));

function begin(known: ClusterConfiguration, selfId = 'a'): void {
  view = new ClusterView(selfId, known, testRing(NODES).hashFunc, '', testNode(selfId));
  groups = new GroupList();
  up = new Set(['a', 'b', 'c', 'n']);
  peers = new Map([['n', { clusterId: '', hasIntroducedItself: true }]]);
  hasLeft = false;
  hasLeftOver = false;
  said = [];
  newcomers = new Newcomers({
    view,
    groups,
    directory: {
      find: (nodeId: string) => peers.get(nodeId),
      isUp: (nodeId: string) => up.has(nodeId),
    } as unknown as PeerDirectory,
    clusterId: () => 'one',
    hasLeft: () => hasLeft,
    hasLeftOver: () => hasLeftOver,
    say: (nodeId, message) => void said.push([nodeId, message]),
  });
}

function ticks(count: number): void {
  for (let tick = 0; tick < count; tick++) {
    newcomers.tick();
  }
}

const ids = () => newcomers.candidates.map(({ nodeId }) => nodeId);
const guestIds = () => view.guests.map(({ nodeId }) => nodeId);

describe('a node that says that it would like to be a member', () => {
  it('is a candidate, with its zone and weight', () => {
    newcomers.receive(NEWCOMER, 3);
    expect(newcomers.candidates).toEqual([NEWCOMER]);
  });

  it.each([0, 2, 4])('is talked to, and is no candidate, where it means epoch %i and not 3', (wishes) => {
    newcomers.receive(NEWCOMER, wishes);
    expect(ids()).toEqual([]);
    expect(guestIds()).toEqual(['n']);
  });

  it('is nobody before the cluster is born', () => {
    begin({ ...BORN, epoch: 0, clusterId: '' });
    newcomers.receive(NEWCOMER, 0);
    expect(guestIds()).toEqual([]);
  });

  it('is no candidate where it is a member, or this very node', () => {
    newcomers.receive(NODES[1]!, 3);
    newcomers.receive(NODES[0]!, 3);
    expect([ids(), guestIds()]).toEqual([[], []]);
  });

  it.each<[string, () => unknown]>([
    ['is not heard', () => up.delete('n')],
    ['is not known', () => peers.delete('n')],
    ['has not introduced itself', () => (peers.get('n')!.hasIntroducedItself = false)],
    ['is of another cluster', () => (peers.get('n')!.clusterId = 'two')],
  ])('is no candidate as long as it %s', (_, change) => {
    newcomers.receive(NEWCOMER, 3);
    change();
    expect(ids()).toEqual([]);
  });

  it('is one of this cluster where it has been here before', () => {
    peers.get('n')!.clusterId = 'one';
    newcomers.receive(NEWCOMER, 3);
    expect(ids()).toEqual(['n']);
  });

  it('is a candidate for fifty ticks, and again when it says so again', () => {
    newcomers.receive(NEWCOMER, 3);
    ticks(50);
    expect(ids()).toEqual(['n']);
    ticks(1);
    expect(ids()).toEqual([]);
    newcomers.receive(NEWCOMER, 3);
    expect(ids()).toEqual(['n']);
  });

  it('is dismissed when nothing was heard of it for long, and not while it is heard', () => {
    newcomers.receive(NEWCOMER, 3);
    ticks(700);
    expect(guestIds()).toEqual(['n']);
    up.delete('n');
    ticks(600);
    expect(guestIds()).toEqual(['n']);
    ticks(2);
    expect(guestIds()).toEqual([]);
  });

  it('is one of 64 at most', () => {
    for (let number = 0; number < 70; number++) {
      newcomers.receive(testNode(`n${number}`), 3);
      peers.set(`n${number}`, { clusterId: '', hasIntroducedItself: true });
      up.add(`n${number}`);
    }
    expect(ids()).toHaveLength(64);
  });
});

describe('a node says where it listens', () => {
  const heard = () => said.map(([nodeId, { kind }]) => `${kind} ${nodeId}`);

  it('to nobody where all members hear it', () => {
    ticks(1);
    expect(said).toEqual([]);
  });

  it('without a wish to a member that is not heard: that may have taken another configuration over', () => {
    up.delete('b');
    ticks(1);
    expect(said).toEqual([['b', { kind: 'guest', node: view.address('a'), wishes: 0 }]]);
  });

  it('to all members with the wish to be one, under the epoch in which it is none', () => {
    begin(BORN, 'n');
    ticks(1);
    expect(heard()).toEqual(['guest a', 'guest b', 'guest c']);
    expect(said[0]![1]).toEqual({ kind: 'guest', node: testNode('n'), wishes: 3 });
  });

  it('without the wish, where it has left, as long as it has copies to give up', () => {
    begin(BORN, 'n');
    hasLeft = true;
    groups.add({ number: 1 } as StrongGroup);
    ticks(1);
    expect(said.map(([, message]) => message)).toEqual(
      Array(3).fill({ kind: 'guest', node: testNode('n'), wishes: 0 }),
    );
    groups.withdraw(1);
    ticks(1);
    expect(said).toHaveLength(3);
  });
});
