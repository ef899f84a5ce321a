/** Membership by joint consensus, and members that are brought up by a snapshot. */
import { describe, expect, it } from 'vitest';
import { answer, append, elect, sentBy, testGroup, votersOf } from '../../testing/raft-test-group.js';
import { DkvError } from '../dkv.errors.js';
import { type Configuration, type RaftMessage } from '../model/raft-messages.js';
import { decodeConfiguration, encodeConfiguration } from './configuration-layout.js';
import { mayFollow } from './raft-configurations.js';
import { type RaftGroup } from './raft-group.js';

const abc = ['a', 'b', 'c'];
const ack = (group: RaftGroup, from: string) => {
  sentBy(group);
  group.step(from, { type: 'appended', term: group.term, index: group.lastIndex });
};
const configurationEntry = (term: number, index: number, configuration: Configuration) =>
  ({ term, index, kind: 'configuration', data: encodeConfiguration(configuration) }) as const;

describe('the layout of a configuration', () => {
  const configuration = { voters: ['a@1', 'ü@2'], outgoing: [], learners: ['c@3'] };
  it('gives back what went in', () => {
    expect(decodeConfiguration(encodeConfiguration(configuration))).toEqual(configuration);
  });

  it('reads nothing else', () => {
    const bytes = encodeConfiguration(configuration);
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeConfiguration(bytes.subarray(0, length)), `${length}`).toThrow(DkvError);
    }
    expect(() => decodeConfiguration(Buffer.concat([bytes, Buffer.of(0)]))).toThrow(DkvError);
  });
});

describe('a configuration may follow', () => {
  const joint = { voters: ['a', 'b'], outgoing: abc, learners: [] };
  it.each<[string, Configuration, Configuration, boolean]>([
    ['a new learner', votersOf(...abc), { voters: abc, outgoing: [], learners: ['d'] }, true],
    ['a new voter without joint consensus', votersOf('a'), votersOf('a', 'b'), false],
    ['a removal without joint consensus', votersOf(...abc), votersOf('a', 'b'), false],
    ['into a joint one', votersOf(...abc), joint, true],
    [
      'a voter that was no learner',
      votersOf(...abc),
      { voters: ['a', 'b', 'x'], outgoing: abc, learners: [] },
      false,
    ],
    ['a wrong outgoing side', votersOf(...abc), { voters: ['a'], outgoing: ['a'], learners: [] }, false],
    ['out of a joint one', joint, votersOf('a', 'b'), true],
    ['back out of a joint one', joint, votersOf(...abc), false],
    ['from joint to joint', joint, joint, false],
    ['nobody', votersOf('a'), votersOf(), false],
    [
      'a voter that is a learner, too',
      votersOf('a'),
      { voters: ['a'], outgoing: [], learners: ['a'] },
      false,
    ],
  ])('%s', (_, current, next, expected) => {
    expect(mayFollow(current, next)).toBe(expected);
  });
});

describe('changing the members', () => {
  it('waits for an entry of the own term, and for the change before', () => {
    const group = elect(testGroup([1]));
    const next = { voters: abc, outgoing: [], learners: ['d'] };
    expect(group.proposeConfiguration(next)).toBeUndefined();
    ack(group, 'b');
    expect(group.proposeConfiguration(next)).toBe(3);
    expect(group.configuration).toEqual(next);
    expect(group.proposeConfiguration(votersOf(...abc))).toBeUndefined();
    ack(group, 'd');
    expect(group.commit).toBe(2);
    ack(group, 'b');
    expect(group.commit).toBe(3);
  });

  it('replaces an incarnation: learner, joint, left by itself, and needs both majorities between', () => {
    const voters = ['a', 'b@1', 'c'];
    const group = elect(testGroup([], { configuration: { voters, outgoing: [], learners: ['b@2'] } }));
    group.step('c', { type: 'voteReply', term: 1, granted: true });
    ack(group, 'c');
    const next = ['a', 'b@2', 'c'];
    expect(group.proposeConfiguration({ voters: next, outgoing: voters, learners: [] })).toBe(2);
    ack(group, 'b@1');
    expect(group.commit).toBe(1);
    ack(group, 'b@2');
    expect([group.commit, group.configuration]).toEqual([2, votersOf(...next)]);
    ack(group, 'b@2');
    expect(group.commit).toBe(3);
    expect(group.matchOf('b@1')).toBeUndefined();
  });

  it('a leader that is removed hands over once that is committed', () => {
    const group = elect(testGroup([]));
    ack(group, 'b');
    group.proposeConfiguration({ voters: ['b', 'c'], outgoing: abc, learners: [] });
    ack(group, 'b');
    expect(group.commit).toBe(1);
    ack(group, 'c');
    expect([group.commit, group.role, group.isVoter]).toEqual([2, 'leader', false]);
    ack(group, 'b');
    expect(group.role).toBe('leader');
    ack(group, 'c');
    expect([group.commit, group.role]).toEqual([3, 'follower']);
    const sent = sentBy(group);
    expect(sent).toContainEqual({ to: 'b', message: { type: 'heartbeat', term: 1, commit: 3 } });
    expect(sent.at(-1)).toEqual({ to: 'b', message: { type: 'timeoutNow', term: 1 } });
    group.campaign('silence');
    expect([group.role, group.needsTick]).toEqual(['follower', false]);
  });

  it('a member whose removal is not committed stands: the others may need its log', () => {
    const entries = [
      configurationEntry(1, 1, { voters: ['b', 'c'], outgoing: abc, learners: [] }),
      configurationEntry(1, 2, votersOf('b', 'c')),
    ];
    const stood = (commit: number) => {
      const group = testGroup([], { term: 1, entries, commit });
      group.campaign('silence');
      return group.role;
    };
    expect([stood(1), stood(2)]).toEqual(['preCandidate', 'follower']);
  });

  it('is undone with its entry', () => {
    const group = testGroup([1]);
    const entry = configurationEntry(1, 2, { voters: abc, outgoing: [], learners: ['d'] });
    group.step('b', { ...append(1, 1, 1), entries: [entry] } as RaftMessage);
    sentBy(group);
    expect(group.configuration.learners).toEqual(['d']);
    group.step('c', append(2, 1, 1, [2]));
    expect(group.configuration).toEqual(votersOf(...abc));
  });
});

describe('snapshots', () => {
  const compacted = () => {
    const group = elect(testGroup([1, 1, 1, 1]));
    ack(group, 'b');
    group.applied(5);
    group.compact(99);
    return group;
  };

  it('are not needed for what every member has: that is forgotten, by followers as the leader tells them', () => {
    const leader = elect(testGroup(Array.from({ length: 10 }, () => 1)));
    ack(leader, 'b');
    leader.applied(11);
    leader.compactReplicated();
    expect(leader.firstIndex).toBe(1);
    leader.step('c', { type: 'appended', term: 2, index: 9 });
    leader.compactReplicated();
    expect(leader.firstIndex).toBe(10);
    leader.propose('operations', Buffer.from('x'));
    expect(sentBy(leader).at(-1)).toMatchObject({ message: { type: 'append', matchedByAll: 9 } });

    const follower = testGroup(Array.from({ length: 10 }, () => 1));
    follower.step('b', append(2, 10, 1, [], 10, 9));
    follower.applied(8);
    follower.compactReplicated();
    expect(follower.firstIndex).toBe(9);
  });

  it('a leader offers one where the entries are gone, and goes on behind it', () => {
    const group = compacted();
    expect([group.firstIndex, group.termAt(5), group.termAt(4)]).toEqual([6, 2, undefined]);
    const rejected = { type: 'appendRejected', term: 2, prevIndex: 4, hintIndex: 0, hintTerm: 0 } as const;
    expect(answer(group, 'c', rejected)).toEqual([{ type: 'snapshot', term: 2, index: 5, snapshotTerm: 2 }]);
    group.propose('operations', Buffer.from('x'));
    expect(sentBy(group).map(({ to }) => to)).toEqual(['b']);
    expect(answer(group, 'c', { type: 'appended', term: 2, index: 5 })).toMatchObject([
      { type: 'append', prevIndex: 5, entries: [{ index: 6 }] },
    ]);
  });

  it('a follower fetches it, begins its log anew and answers with what was offered', () => {
    const group = testGroup([1, 1, 1]);
    group.step('b', { type: 'snapshot', term: 3, index: 8, snapshotTerm: 2 });
    expect(group.takeOutput({ announceCommit: false }).snapshotFrom).toEqual({
      member: 'b',
      index: 8,
      term: 2,
    });
    group.restore(9, 3, votersOf('a', 'b'));
    const output = group.takeOutput({ announceCommit: false });
    expect(output.reset).toEqual({ index: 9, term: 3 });
    expect(output.durableMessages).toEqual([{ to: 'b', message: { type: 'appended', term: 3, index: 8 } }]);
    expect([group.commit, group.appliedIndex, group.firstIndex]).toEqual([9, 9, 10]);
    expect(group.configuration).toEqual(votersOf('a', 'b'));
    const early = append(3, 7, 2, [2]);
    expect(answer(group, 'b', early)).toEqual([
      { type: 'appendRejected', term: 3, prevIndex: 7, hintIndex: 9, hintTerm: 3 },
    ]);
    expect(answer(group, 'b', append(3, 7, 2, [2, 3, 3]))).toEqual([
      { type: 'appended', term: 3, index: 10 },
    ]);
  });

  it('a leader that is told of a later beginning goes on from there', () => {
    const group = elect(testGroup([1, 1, 1, 1]));
    sentBy(group);
    group.unreachable('c');
    sentBy(group);
    const rejected = { type: 'appendRejected', term: 2, prevIndex: 0, hintIndex: 3, hintTerm: 1 } as const;
    expect(answer(group, 'c', rejected)).toMatchObject([
      { prevIndex: 3, entries: [{ index: 4 }, { index: 5 }] },
    ]);
  });

  it('a stale one changes nothing, and one that the log leads up to keeps it', () => {
    const group = testGroup([1, 1, 1], { commit: 2 });
    group.restore(2, 1, votersOf('x'));
    expect([group.hasOutput, group.lastIndex]).toEqual([false, 3]);
    group.restore(3, 1, votersOf('x'));
    expect([group.commit, group.firstIndex, group.configuration]).toEqual([3, 1, votersOf(...abc)]);
    expect(answer(group, 'b', { type: 'snapshot', term: 1, index: 2, snapshotTerm: 1 })).toEqual([
      { type: 'appended', term: 1, index: 2 },
    ]);
  });

  it('one of a later term ends the own', () => {
    const group = testGroup([1]);
    group.step('b', { type: 'snapshot', term: 1, index: 5, snapshotTerm: 1 });
    sentBy(group);
    group.restore(6, 4, votersOf(...abc));
    expect([group.term, sentBy(group)]).toEqual([4, []]);
  });
});
