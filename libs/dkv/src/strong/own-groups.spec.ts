/** Which groups a node has a member in, and who votes first in them: as the cluster was born, not as it is now. */
import { describe, expect, it } from 'vitest';
import { testNodes } from '../../testing/test-nodes.js';
import { testRing } from '../../testing/test-ring.js';
import { configurationOf } from '../cluster/cluster-configuration.js';
import { ClusterView } from '../cluster/cluster-view.js';
import { type ClusterConfiguration, CONFIGURATION_GROUP } from '../model/membership.js';
import { NO_CONFIGURATION } from '../model/raft-messages.js';
import { type Namespaces } from '../cluster/namespaces.js';
import { copiesOfNamespaces, firstConfiguration, ownGroups } from './own-groups.js';

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

it('counts the copies that strong namespaces ask for, each number once', () => {
  const namespaces = [
    { mode: 'strong', copies: 3 },
    { mode: 'eventual', copies: 2 },
    { mode: 'strong', copies: 1 },
    { mode: 'strong', copies: 3 },
  ];
  expect(copiesOfNamespaces(namespaces as unknown as Namespaces)).toEqual([3, 1]);
});

describe('the groups of a node', () => {
  it('are those on whose lists it is; with fewer copies the first of them', () => {
    expect(ownGroups(viewOf('a'), 3)).toEqual([0]);
    expect(ownGroups(viewOf('c'), 3)).toEqual([0, 1]);
    // Two copies: partitions 2 and 3, one copy: 4 and 5.
    expect(ownGroups(viewOf('c'), 2)).toEqual([3]);
    expect(ownGroups(viewOf('c'), 1)).toEqual([]);
    expect(ownGroups(viewOf('b'), 1)).toEqual([5]);
  });

  it('are also those that come, go, and came before their goal was another', () => {
    const target = [['b', 'a'], ...LISTS.slice(1)];
    const moving = [{ place: 0, since: 2, also: ['d'] }];
    for (const nodeId of ['a', 'b', 'c', 'd']) {
      expect(ownGroups(viewOf(nodeId, { target, moving }), 3), nodeId).toContain(0);
    }
    expect(ownGroups(viewOf('d', { target }), 3)).toEqual([1]);
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
  const voters = (...members: string[]) => ({ voters: members, outgoing: [], learners: [] });

  it('is who was on the list when the cluster was born', () => {
    expect(firstConfiguration('b', 1, 3, born)).toEqual(voters('b@2', 'c@3', 'd@4'));
    expect(firstConfiguration('b', 3, 2, born)).toEqual(voters('b@2', 'c@3'));
    expect(firstConfiguration('b', CONFIGURATION_GROUP, 3, born)).toEqual(voters('a@1', 'b@2', 'c@3'));
  });

  it.each<[string, Parameters<typeof firstConfiguration>]>([
    ['a node that was none of them', ['a', 1, 3, born]],
    ['a node that has fewer copies than would reach it', ['d', 3, 2, born]],
    ['a node that the cluster was born without', ['e', 0, 3, born]],
    ['groups that are not born', ['b', 1, 3, { ...born, isBorn: false }]],
    ['groups of whose birth nothing is known', ['b', 1, 3, { members: [], lists: [], isBorn: true }]],
  ])('is nobody for %s', (_, known) => {
    expect(firstConfiguration(...known)).toEqual(NO_CONFIGURATION);
  });
});
