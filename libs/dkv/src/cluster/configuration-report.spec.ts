/** What operators are told of a configuration, through a change of its members. */
import { expect, it } from 'vitest';
import { testNode, testNodes } from '../../testing/test-nodes.js';
import { FakeMembership, NO_PROGRESS } from '../../testing/fake-membership.js';
import { Hashring } from '../hashring/hashring.js';
import { md5HashFunc } from '../hashring/md5-hash-func.js';
import { configurationOf } from './cluster-configuration.js';
import { type CountedMoves } from '../ports/membership.js';
import { memberCopiesOf, movesReportOf, waitingIn } from './configuration-report.js';

const PARTITIONS = 8;

function membershipOf(...nodeIds: string[]): FakeMembership {
  const nodes = testNodes(...nodeIds);
  const ring = Hashring.of(nodes, { partitions: PARTITIONS, replicas: 1, hashFunc: md5HashFunc });
  return new FakeMembership({ ...configurationOf(ring, nodes), epoch: 1 });
}

const COUNTED: CountedMoves = {
  whole: { ...NO_PROGRESS.whole, bytesTotal: 7 },
  of: (place) => ({ bytesCopied: place, bytesToCopy: 2 * place }),
};

it('tells of a cluster as it was made that nothing moves', () => {
  const { configuration } = membershipOf('a', 'b');
  const copies = { held: PARTITIONS, target: PARTITIONS };
  expect(movesReportOf(configuration, COUNTED)).toEqual({
    epoch: 1,
    isSettled: true,
    copies: { asked: 2, held: 2 },
    moving: [],
    waiting: 0,
    progress: COUNTED.whole,
    members: ['a', 'b'].map((nodeId) => ({ nodeId, membership: 'member', copies, keepsConfiguration: true })),
  });
});

it('tells of a node that leaves what it has until it is none', async () => {
  const membership = membershipOf('a', 'b', 'c', 'd');
  const before = memberCopiesOf(membership.configuration).get('c')!;
  expect(before.copies).toEqual({ held: before.copies.held, target: before.copies.held });
  await membership.change([{ kind: 'leave', nodeId: 'c' }], 1_000);
  const { configuration } = membership;
  const asked = movesReportOf(configuration, COUNTED);
  const differing = configuration.lists.filter((list, place) => list !== configuration.target[place]).length;
  expect(asked).toMatchObject({ epoch: 2, isSettled: false, moving: [], waiting: differing });
  expect(asked.members.find(({ nodeId }) => nodeId === 'c')).toEqual({
    nodeId: 'c',
    membership: 'leaving',
    copies: { held: before.copies.held, target: 0 },
    keepsConfiguration: true,
  });
  expect(asked.members.reduce((sum, { copies }) => sum + copies.target, 0)).toBe(2 * PARTITIONS);

  membership.begin(2);
  const { lists, target } = membership.configuration;
  const begun = movesReportOf(membership.configuration, COUNTED);
  expect([begun.epoch, begun.isSettled, begun.waiting]).toEqual([3, false, differing - 2]);
  // The keepers go first, and have no number.
  const place = membership.configuration.moving[1]!.place;
  expect(begun.moving).toEqual([
    { from: lists.at(-1), to: target.at(-1), sinceEpoch: 3, ...COUNTED.of(PARTITIONS) },
    { partition: place, from: lists[place], to: target[place], sinceEpoch: 3, ...COUNTED.of(place) },
  ]);

  membership.arrive();
  expect(memberCopiesOf(membership.configuration).get('c')).toMatchObject({
    copies: { held: before.copies.held - 1, target: 0 },
    keepsConfiguration: false,
  });
  for (let step = 0; step < differing; step++) {
    membership.begin(1);
    membership.arrive();
  }
  const end = movesReportOf(membership.configuration, COUNTED);
  expect([end.isSettled, end.waiting, end.members.map(({ nodeId }) => nodeId)]).toEqual([
    true,
    0,
    ['a', 'b', 'd'],
  ]);
});

it('counts what moves back to where it is as moving, and not as waiting', async () => {
  const membership = membershipOf('a', 'b', 'c');
  await membership.change([{ kind: 'leave', nodeId: 'c' }], 1_000);
  membership.begin(100);
  const { length } = membership.configuration.moving;
  expect([length > 1, waitingIn(membership.configuration)]).toEqual([true, 0]);
  membership.candidates = [testNode('d')];
  await membership.change([{ kind: 'stay', nodeId: 'c' }], 1_000);
  expect(movesReportOf(membership.configuration, COUNTED)).toMatchObject({ isSettled: false, waiting: 0 });
  expect(membership.configuration.moving).toHaveLength(length);
});
