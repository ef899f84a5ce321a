/** Which groups a node has a member in, and who votes first in them: as the cluster was born, not as it is now. */
import { describe, expect, it } from 'vitest';
import { testNodes } from '../../testing/test-nodes.js';
import { testRing } from '../../testing/test-ring.js';
import { configurationOf } from '../cluster/cluster-configuration.js';
import { ClusterView } from '../cluster/cluster-view.js';
import { type ClusterConfiguration, CONFIGURATION_GROUP } from '../model/membership.js';
import { NO_CONFIGURATION } from '../model/raft-messages.js';
import { type Namespaces } from '../cluster/namespaces.js';
import { firstConfiguration, ownGroups, strongClasses } from './own-groups.js';

const NODES = testNodes('a', 'b', 'c', 'd');
const LISTS = [
  ['a', 'b', 'c'],
  ['b', 'c', 'd'],
  ['a', 'b', 'c'],
];
const MADE: ClusterConfiguration = {
  ...configurationOf(testRing(NODES, { partitions: 2, replicas: 2 }), NODES),
  lists: LISTS,
  target: LISTS,
};
const viewOf = (selfId: string, differing: Partial<ClusterConfiguration> = {}) =>
  new ClusterView(selfId, { ...MADE, epoch: 1, ...differing }, testRing(NODES).hashFunc);

it('counts the classes of strong namespaces, each once', () => {
  const namespaces = [
    { mode: 'strong', placement: 0 },
    { mode: 'eventual', placement: 2 },
    { mode: 'strong', placement: 1 },
    { mode: 'strong', placement: 0 },
  ];
  expect(strongClasses(namespaces as unknown as Namespaces)).toEqual([0, 1]);
});

describe('the groups of a node', () => {
  it('are those on whose lists it is, of the class', () => {
    const lists = [...LISTS.slice(0, 2), ['c', 'b'], ['d', 'c'], LISTS[2]!];
    const classes = [
      { number: 0, replicas: 2 },
      { number: 2, replicas: 1 },
    ];
    const of = (nodeId: string, placement: number) =>
      ownGroups(viewOf(nodeId, { lists, target: lists, classes }), placement);
    expect(of('a', 0)).toEqual([0]);
    expect(of('c', 0)).toEqual([0, 1]);
    // By number: partitions 4 and 5, since nothing is of class 1.
    expect(of('c', 2)).toEqual([4, 5]);
    expect(of('b', 2)).toEqual([4]);
    expect(of('c', 1)).toEqual([]);
  });

  it('are also those that come, go, and came before their goal was another', () => {
    const target = [['b', 'a'], ...LISTS.slice(1)];
    const moving = [{ place: 0, since: 2, also: ['d'] }];
    for (const nodeId of ['a', 'b', 'c', 'd']) {
      expect(ownGroups(viewOf(nodeId, { target, moving }), 0), nodeId).toContain(0);
    }
    expect(ownGroups(viewOf('d', { target }), 0)).toEqual([1]);
  });
});

describe('who votes first', () => {
  const born = {
    members: ['a@1', 'b@2', 'c@3', 'd@4'],
    lists: [
      [0, 1, 2],
      [1, 2, 3],
      [0, 1, 2],
    ],
    isBorn: true,
  };
  const ofClass = { ...born, lists: born.lists.slice(0, 2) };
  const voters = (...members: string[]) => ({ voters: members, outgoing: [], learners: [] });

  it('is who was on the list when the cluster was born', () => {
    expect(firstConfiguration('b', 1, ofClass)).toEqual(voters('b@2', 'c@3', 'd@4'));
    // Of the second class of two partitions each.
    expect(firstConfiguration('b', 3, ofClass)).toEqual(voters('b@2', 'c@3', 'd@4'));
    expect(firstConfiguration('b', CONFIGURATION_GROUP, born)).toEqual(voters('a@1', 'b@2', 'c@3'));
  });

  it.each<[string, Parameters<typeof firstConfiguration>]>([
    ['a node that was none of them', ['a', 1, ofClass]],
    ['a node that the cluster was born without', ['e', 0, ofClass]],
    ['groups that are not born', ['b', 1, { ...ofClass, isBorn: false }]],
    ['groups of whose birth nothing is known', ['b', 1, { members: [], lists: [], isBorn: true }]],
  ])('is nobody for %s', (_, known) => {
    expect(firstConfiguration(...known)).toEqual(NO_CONFIGURATION);
  });
});
