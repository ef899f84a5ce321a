/** The nodes of partitions while they move: who holds them, whose copies count, and which epoch whoever asks has to know. */
import { describe, expect, it } from 'vitest';
import { testNodes } from '../../testing/test-nodes.js';
import { testRing } from '../../testing/test-ring.js';
import { type ClusterConfiguration, type Move } from '../model/membership.js';
import { configurationOf } from './cluster-configuration.js';
import { PartitionLists } from './partition-lists.js';

const NODES = testNodes('a', 'b', 'c', 'd');
const BORN: ClusterConfiguration = {
  ...configurationOf(testRing(NODES, { partitions: 4, replicas: 1 }), NODES),
  clusterId: 'one',
  epoch: 5,
};
const LIST = ['a', 'b'];
const GOAL = ['c', 'b'];

/** Partition 2 is on `LIST` and moves to `GOAL`; the others are where they are. */
function moving(epoch: number, move: Partial<Move>): ClusterConfiguration {
  return {
    ...BORN,
    epoch,
    lists: BORN.lists.with(2, LIST),
    target: BORN.target.with(2, GOAL),
    moving: [{ place: 2, since: 6, also: [], ...move }],
  };
}

const settled = (epoch: number, list = GOAL): ClusterConfiguration => ({
  ...BORN,
  epoch,
  lists: BORN.lists.with(2, list),
  target: BORN.target.with(2, list),
});

/** As a node has them that started with the first of these and heard of the others, one after the other. */
function after(first: ClusterConfiguration, ...later: readonly ClusterConfiguration[]): PartitionLists {
  return later.reduce((before, next) => new PartitionLists(next, before), new PartitionLists(first));
}

const barriers = (lists: PartitionLists) => [0, 1, 2, 3].map((partition) => lists.barrierOf(partition));

describe('the epoch that whoever counts copies must know', () => {
  it.each<[string, PartitionLists, number[]]>([
    ['at a start is that of the start', after(settled(9)), [9, 9, 9, 9]],
    ['stays while copies are made', after(BORN, moving(6, {})), [5, 5, 5, 5]],
    ['is that of the joint stage then', after(BORN, moving(6, {}), moving(8, { joint: 8 })), [5, 5, 8, 5]],
    ['stays so after the move', after(BORN, moving(8, { joint: 8 }), settled(11)), [5, 5, 8, 5]],
    [
      'is that of the last of several',
      after(BORN, moving(8, { joint: 8 }), settled(11), moving(15, { since: 12, joint: 14 })),
      [5, 5, 14, 5],
    ],
    [
      'is that of the joint stage at a start within it, elsewhere that of the start',
      after(moving(9, { joint: 8 })),
      [9, 9, 8, 9],
    ],
    ['is not taken from before there was a cluster', after({ ...BORN, epoch: 0 }, settled(7)), [7, 7, 7, 7]],
  ])('%s', (_, lists, expected) => {
    expect(barriers(lists)).toEqual(expected);
  });

  it('of a partition of a class that there is not is that of the configuration', () => {
    expect(after(BORN, settled(7)).barrierOf(4 * 3)).toBe(7);
  });
});

describe('a partition that moves', () => {
  it('while copies are made is on its list, whose copies alone count', () => {
    const lists = after(moving(6, {}));
    expect([lists.listOf(2), lists.goalOf(2), lists.quorumListsOf(2)]).toEqual([LIST, GOAL, [LIST]]);
    expect([lists.sinceOf(2), lists.stageOf(2)]).toEqual([6, 6]);
  });

  it('has two lists that count in its joint stage', () => {
    const lists = after(moving(8, { joint: 8 }));
    expect([lists.listOf(2), lists.quorumListsOf(2)]).toEqual([LIST, [LIST, GOAL]]);
    expect([lists.sinceOf(2), lists.stageOf(2)]).toEqual([6, 8]);
  });

  it('has its nodes, those of the goal, and those of earlier goals, each once', () => {
    expect(after(moving(6, { also: ['d', 'b'] })).nodesOf(2)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('has arrived where it was to be, and is in no stage', () => {
    const lists = after(moving(8, { joint: 8 }), settled(11));
    expect([lists.listOf(2), lists.goalOf(2), lists.nodesOf(2), lists.quorumListsOf(2)]).toEqual([
      GOAL,
      GOAL,
      GOAL,
      [GOAL],
    ]);
    expect([lists.sinceOf(2), lists.stageOf(2)]).toEqual([0, 0]);
  });
});
