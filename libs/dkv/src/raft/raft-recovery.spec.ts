/** Which members may go on without those that are gone, and what each of them must agree to. */
import { describe, expect, it } from 'vitest';
import { answer, sentBy, testGroup, votersOf, write } from '../../testing/raft-test-group.js';
import { type MemberId } from '../model/raft-messages.js';
import { forcedConfiguration } from './raft-recovery.js';

const gone = (members: string) => (member: MemberId) => members.includes(member);

describe('those that are left', () => {
  it.each([
    ['one of two', 'ab', '', 'b', 'a', ''],
    ['two of four', 'abcd', '', 'bd', 'ac', ''],
    ['of a joint configuration, where both lists allow it', 'ax', 'ab', 'bx', 'a', 'a'],
    ['of a joint configuration, where one list has its majority', 'abx', 'abcd', 'cd', 'abx', 'ab'],
  ])('go on: %s', (_, voters, outgoing, lost, left, leftOfOutgoing) => {
    const configuration = { voters: [...voters], outgoing: [...outgoing], learners: ['l'] };
    const forced = { voters: [...left], outgoing: [...leftOfOutgoing], learners: ['l'] };
    expect(forcedConfiguration(configuration, gone(lost))).toEqual(forced);
  });

  it.each([
    ['all are there', 'abcd', '', ''],
    ['a majority is there', 'abc', '', 'c'],
    ['one of three is left: it may lack what the others had', 'abc', '', 'bc'],
    [
      'three of six are left: the other three could come back and elect with one of them',
      'abcdef',
      '',
      'def',
    ],
    ['nobody is left', 'ab', '', 'ab'],
    ['one of two is left, and of the other list one of three', 'ab', 'abc', 'bc'],
    ['nobody votes', '', '', ''],
  ])('do not: %s', (_, voters, outgoing, lost) => {
    const configuration = { voters: [...voters], outgoing: [...outgoing], learners: [] };
    expect(forcedConfiguration(configuration, gone(lost))).toBeUndefined();
  });

  it('has for every size quorums that meet all there were, whoever is left', () => {
    for (let size = 1; size <= 7; size++) {
      const voters = [...'abcdefg'].slice(0, size);
      for (let lost = 0; lost < 1 << size; lost++) {
        const forced = forcedConfiguration(
          votersOf(...voters),
          (member) => (lost >> voters.indexOf(member)) % 2 === 1,
        );
        for (const quorum of forced ? majoritiesOf(forced.voters) : []) {
          for (const old of majoritiesOf(voters)) {
            expect(
              quorum.some((member) => old.includes(member)),
              `${quorum.join()} and ${old.join()}`,
            ).toBe(true);
          }
        }
      }
    }
  });
});

describe('an election among those that are left', () => {
  const four = { configuration: votersOf('a', 'b', 'c', 'd') };

  it('needs each of two, and begins its term with the configuration that drops the others', () => {
    const group = testGroup([1], four, { isGone: gone('cd') });
    group.campaign('silence');
    expect(sentBy(group)).toEqual([
      { to: 'b', message: { type: 'preVote', term: 2, lastIndex: 1, lastTerm: 1, survivors: ['a', 'b'] } },
    ]);
    group.step('b', { type: 'preVoteReply', term: 2, granted: true });
    expect(sentBy(group)).toMatchObject([{ to: 'b', message: { type: 'vote', survivors: ['a', 'b'] } }]);
    group.step('b', { type: 'voteReply', term: 2, granted: true });
    expect([group.role, group.configuration]).toEqual(['leader', votersOf('a', 'b')]);
    expect(write(group).entries.map(({ kind, term }) => [kind, term])).toEqual([['configuration', 2]]);
    expect(group.commit).toBe(0);
    group.step('b', { type: 'appended', term: 2, index: 2 });
    expect(group.commit).toBe(2);
  });

  it('is of one alone where there were two', () => {
    const group = testGroup([1], { configuration: votersOf('a', 'b') }, { isGone: gone('b') });
    group.campaign('silence');
    write(group);
    expect([group.role, group.commit, group.configuration]).toEqual(['leader', 2, votersOf('a')]);
  });

  it.each([
    ['agrees', 'cd', true],
    ['knows one of the others to be there', 'c', false],
    ['knows nothing of it', '', false],
  ])('has the vote of who %s', (_, known, granted) => {
    const group = testGroup([1], { ...four, term: 1 }, { isGone: gone(known) });
    const ask = { term: 2, lastIndex: 1, lastTerm: 1, survivors: ['a', 'b'] };
    const [preVote] = answer(group, 'b', { type: 'preVote', ...ask });
    expect(preVote).toMatchObject({ granted });
    expect(answer(group, 'b', { type: 'vote', ...ask, transfer: false })).toEqual(
      granted ? [{ type: 'voteReply', term: 2, granted }] : [],
    );
    expect(group.term).toBe(granted ? 2 : 1);
  });

  it('has not the vote of who is taken for gone, nor of who has more of the log', () => {
    const ask = { type: 'vote', term: 2, lastIndex: 1, lastTerm: 1, transfer: false } as const;
    const isGone = gone('cd');
    expect(answer(testGroup([1], four, { isGone }), 'b', { ...ask, survivors: ['b', 'c'] })).toEqual([]);
    expect(answer(testGroup([1, 1], four, { isGone }), 'b', { ...ask, survivors: ['a', 'b'] })).toMatchObject(
      [{ granted: false }],
    );
  });
});

function majoritiesOf(members: readonly MemberId[]): MemberId[][] {
  return Array.from({ length: 1 << members.length }, (_, set) =>
    members.filter((_member, place) => (set >> place) % 2 === 1),
  ).filter(({ length }) => 2 * length > members.length);
}
