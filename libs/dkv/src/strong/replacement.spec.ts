/** The next step of a group to the voters that it should have: a table of cases. */
import { describe, expect, it } from 'vitest';
import { type ClusterView } from '../cluster/cluster-view.js';
import { type PeerDirectory } from '../cluster/peer-directory.js';
import { type Configuration, nodeOf } from '../model/raft-messages.js';
import { stepReplacement } from './replacement.js';
import { type StrongGroup } from './strong-group.js';

const COMMIT = 1_000;
/** How often it was asked how far a member is. */
let looks = 0;

interface Case {
  readonly voters: string;
  readonly learners?: string;
  readonly outgoing?: string;
  /** Of the newest configuration of the log. */
  readonly epoch?: number;
  readonly goal: string;
  /** 0 where it does not move. */
  readonly since?: number;
  /** That the leader's node knows. */
  readonly known?: number;
  /** Incarnations that nodes have now, where that is not 1. */
  readonly now?: Record<string, number>;
  /** Nodes that are not heard. */
  readonly down?: string;
  /** The epoch that nodes have said they know, where that is not the leader's. */
  readonly told?: Record<string, number>;
  /** Up to where members have the log, where that is not all of it. */
  readonly match?: Record<string, number>;
  readonly differing?: Partial<Record<'isReady' | 'isSuspended' | 'isSilent', boolean>>;
}

/** `a b@2` are the members a@1 and b@2. */
const membersIn = (text = '') =>
  text
    .split(' ')
    .filter(Boolean)
    .map((name) => (name.includes('@') ? name : `${name}@1`));

/** What the leader proposes, as text: voters, outgoing and learners; '' for nothing. */
function proposed(given: Case): string {
  const { goal, since = 0, known = 5, now = {}, told = {}, match = {} } = given;
  const { isReady = true, isSuspended = false, isSilent = false } = given.differing ?? {};
  const configuration: Configuration = {
    voters: membersIn(given.voters),
    outgoing: membersIn(given.outgoing),
    learners: membersIn(given.learners),
    epoch: given.epoch,
  };
  const down = membersIn(given.down).map(nodeOf);
  const member = (nodeId: string) => `${nodeId}@${now[nodeId] ?? 1}`;
  let found: Configuration | undefined;
  const { voters, learners, outgoing } = configuration;
  const group = {
    number: 0,
    isSuspended,
    isSilent,
    raft: {
      isReady,
      configuration,
      firstIndex: 101,
      commit: COMMIT,
      matchOf: (one: string) => {
        looks++;
        return [...voters, ...learners, ...outgoing].includes(one) ? (match[one] ?? COMMIT) : undefined;
      },
      proposeConfiguration: (next: Configuration) => {
        found = next;
        return COMMIT + 1;
      },
    },
  } as unknown as StrongGroup;
  const directory = {
    find: (nodeId: string) =>
      nodeId === 'x' ? undefined : { hasIntroducedItself: true, clusterId: 'one', member: member(nodeId) },
    isAlive: (one: string) => !down.includes(nodeOf(one)) && one === member(nodeOf(one)),
    knows: (nodeId: string, epoch: number) => (told[nodeId] ?? known) >= epoch,
  } as unknown as PeerDirectory;
  const view = {
    epoch: known,
    isBehind: (epoch: number) => known < epoch,
    goalOf: () => goal.split(' '),
    sinceOf: () => since,
  } as unknown as ClusterView;
  expect(stepReplacement(group, directory, view)).toBe(found !== undefined);
  if (!found) {
    return '';
  }
  expect(found.epoch).toBe(known);
  const text = (members: readonly string[]) => members.map((one) => one.replace('@1', '')).join(' ');
  return [found.voters, found.outgoing, found.learners].map(text).join(' / ');
}

describe('a group that does not move', () => {
  it('is looked at no further where it is as it should be', () => {
    looks = 0;
    expect(proposed({ voters: 'c a b', goal: 'a b c' })).toBe('');
    expect(looks).toBe(0);
    expect(proposed({ voters: 'a b', goal: 'a b c', down: 'c' })).toBe('');
    expect(looks).toBeGreaterThan(0);
  });

  it.each<[string, Case, string]>([
    ['is as it should be', { voters: 'a b c', goal: 'a b c' }, ''],
    [
      'takes in a node that came back as another',
      { voters: 'a b c', goal: 'a b c', now: { b: 2 } },
      'a b c /  / b@2',
    ],
    ['does not while that is not heard', { voters: 'a b c', goal: 'a b c', now: { b: 2 }, down: 'b' }, ''],
    [
      'replaces it when it has caught up',
      { voters: 'a b c', learners: 'b@2', goal: 'a b c', now: { b: 2 }, match: { 'b@2': COMMIT - 64 } },
      'a b@2 c / a b c / ',
    ],
    [
      'waits for that',
      { voters: 'a b c', learners: 'b@2', goal: 'a b c', now: { b: 2 }, match: { 'b@2': COMMIT - 65 } },
      '',
    ],
    [
      'waits for a snapshot, however short the log is',
      { voters: 'a b c', learners: 'b@2', goal: 'a b c', now: { b: 2 }, match: { 'b@2': 99 } },
      '',
    ],
    [
      'drops a learner that is of no use any more',
      { voters: 'a b c', learners: 'b@2', goal: 'a b c', now: { b: 3 } },
      'a b c /  / b@3',
    ],
    ['takes in a node that lost its vote with a majority', { voters: 'a b', goal: 'a b c' }, 'a b /  / c'],
    ['gives it one when it has caught up', { voters: 'a b', learners: 'c', goal: 'a b c' }, 'a b c / a b / '],
  ])('%s', (_, given, expected) => {
    expect(proposed(given)).toBe(expected);
  });
});

describe('a group that moves', () => {
  const moving = { voters: 'a b c', goal: 'a d e', since: 5 };

  it.each<[string, Case, string]>([
    ['takes in the nodes of its goal', moving, 'a b c /  / d e'],
    ['not before they know of it', { ...moving, told: { d: 4 } }, 'a b c /  / e'],
    ['not while they are not heard', { ...moving, down: 'd e' }, ''],
    ['not where nobody ever heard them', { ...moving, goal: 'a x' }, ''],
    ['goes there when all have caught up', { ...moving, learners: 'd e' }, 'a d e / a b c / '],
    ['not when one has, and not all', { ...moving, learners: 'd e', match: { 'e@1': 500 } }, ''],
    [
      'with those of its voters there, also where they are behind',
      { ...moving, learners: 'd e', match: { 'a@1': 500 } },
      'a d e / a b c / ',
    ],
    [
      'says that it is there under the epoch of its goal',
      { voters: 'a b', goal: 'b a', since: 5, epoch: 4 },
      'a b /  / ',
    ],
    ['says so once', { voters: 'a b', goal: 'b a', since: 5, epoch: 5 }, ''],
    [
      'drops those that it was to go to before',
      { ...moving, voters: 'a', learners: 'd f', goal: 'a d' },
      'a /  / d',
    ],
  ])('%s', (_, given, expected) => {
    expect(proposed(given)).toBe(expected);
  });
});

it.each<[string, Partial<Case>]>([
  ['has committed nothing of its term', { differing: { isReady: false } }],
  ['is suspended', { differing: { isSuspended: true } }],
  ['says nothing', { differing: { isSilent: true } }],
  ['is joint', { outgoing: 'a b c' }],
  ['has a later epoch in its log than its node knows', { epoch: 6, known: 5 }],
])('a group that %s proposes nothing', (_, differing) => {
  const given: Case = { voters: 'a b c', goal: 'a d e', since: 5, ...differing };
  expect(proposed(given)).toBe('');
});
