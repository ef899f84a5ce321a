/** Elections: who stands, who votes for whom, and what a live leader is protected from. */
import { describe, expect, it } from 'vitest';
import { answer, append, elect, sentBy, testGroup, votersOf, write } from '../../testing/raft-test-group.js';
import { NO_CONFIGURATION } from '../model/raft-messages.js';

describe('standing for election', () => {
  it('begins with a pre-vote that raises no term', () => {
    const group = testGroup([1, 1]);
    for (let tick = 0; tick < 4; tick++) {
      group.tick();
    }
    expect([group.role, group.term]).toEqual(['preCandidate', 1]);
    const ask = { type: 'preVote', term: 2, lastIndex: 2, lastTerm: 1 };
    expect(sentBy(group)).toEqual([
      { to: 'b', message: ask },
      { to: 'c', message: ask },
    ]);
  });

  it('waits for another random time before each candidacy: two that split the votes would split them for ever', () => {
    const draws = [0, 0.99, 0.5, 0];
    const group = testGroup([1], {}, { random: { next: () => draws.shift()! } });
    const waited = [1, 2, 3].map(() => {
      let ticks = 0;
      for (; !group.hasOutput; ticks++) {
        group.tick();
      }
      sentBy(group);
      return ticks;
    });
    expect(waited).toEqual([4, 7, 6]);
  });

  it('is elected by who refused an earlier pre-vote of the same term', () => {
    const group = testGroup([1]);
    group.campaign('silence');
    group.step('b', { type: 'preVoteReply', term: 1, granted: false });
    group.step('c', { type: 'preVoteReply', term: 1, granted: false });
    expect(group.role).toBe('preCandidate');
    group.step('b', { type: 'preVoteReply', term: 2, granted: true });
    expect(group.role).toBe('candidate');
  });

  it('asks for votes once the term and the own vote are durable', () => {
    const group = testGroup([1]);
    group.campaign('silence');
    write(group);
    group.step('b', { type: 'preVoteReply', term: 2, granted: true });
    const { hardState, messages, durableMessages } = group.takeOutput({ announceCommit: false });
    expect(hardState).toEqual({ term: 2, vote: 'a' });
    expect(messages).toEqual([]);
    expect(durableMessages.map(({ message }) => message.type)).toEqual(['vote', 'vote']);
  });

  it.each([
    ['a sole voter wins at once', votersOf('a'), 'leader'],
    ['one of two needs the other', votersOf('a', 'b'), 'preCandidate'],
    ['a learner never stands', { voters: ['b'], outgoing: [], learners: ['a'] }, 'follower'],
    ['a removed member never stands', votersOf('b', 'c'), 'follower'],
    ['nor does one without configuration', NO_CONFIGURATION, 'follower'],
    ['one that is being left may', { voters: ['b'], outgoing: ['a', 'b'], learners: [] }, 'preCandidate'],
  ])('%s', (_, configuration, role) => {
    const group = testGroup([], { configuration });
    group.campaign('silence');
    expect(group.role).toBe(role);
  });

  it.each([
    ['one grant of three and the own', ['b'], [], 'leader'],
    [
      'a grant told twice counts once of five',
      ['b', 'b'],
      [],
      'candidate',
      votersOf('a', 'b', 'c', 'd', 'e'),
    ],
    ['two refusals of three', [], ['b', 'c'], 'follower'],
    ['one refusal of three', [], ['b'], 'candidate'],
    [
      'joint: a majority of one only',
      ['b'],
      [],
      'candidate',
      { voters: ['a', 'b'], outgoing: ['a', 'c', 'd'], learners: [] },
    ],
    [
      'joint: both majorities',
      ['b', 'c'],
      [],
      'leader',
      { voters: ['a', 'b'], outgoing: ['a', 'c', 'd'], learners: [] },
    ],
    ['grants of strangers', ['x', 'y'], [], 'candidate'],
  ])(
    '%s: %j granted, %j refused makes a %s',
    (_, granted, refused, role, configuration = votersOf('a', 'b', 'c')) => {
      const group = testGroup([1], { configuration });
      group.campaign('transfer');
      for (const from of granted) {
        group.step(from, { type: 'voteReply', term: 2, granted: true });
      }
      for (const from of refused) {
        group.step(from, { type: 'voteReply', term: 2, granted: false });
      }
      expect(group.role).toBe(role);
    },
  );

  it('counts no answers of another term', () => {
    const group = testGroup([1]);
    group.campaign('transfer');
    group.step('b', { type: 'voteReply', term: 1, granted: true });
    group.step('b', { type: 'preVoteReply', term: 2, granted: true });
    expect(group.role).toBe('candidate');
  });
});

describe('voting', () => {
  it.each([
    ['a log as long', 2, 3, true],
    ['a longer one', 2, 4, true],
    ['a later last term, though shorter', 3, 1, true],
    ['a shorter one', 2, 2, false],
    ['an earlier last term, though longer', 1, 9, false],
  ])('looks at the candidate log: %s', (_, lastTerm, lastIndex, granted) => {
    const vote = { type: 'vote', term: 4, lastTerm, lastIndex, transfer: false } as const;
    expect(answer(testGroup([1, 2, 2]), 'b', vote)).toEqual([{ type: 'voteReply', term: 4, granted }]);
    const preVote = { type: 'preVote', term: 4, lastTerm, lastIndex } as const;
    const term = granted ? 4 : 2;
    expect(answer(testGroup([1, 2, 2]), 'b', preVote)).toEqual([{ type: 'preVoteReply', term, granted }]);
  });

  it('is once a term, and durable first', () => {
    const group = testGroup([1]);
    const vote = { type: 'vote', term: 2, lastTerm: 1, lastIndex: 1, transfer: false } as const;
    group.step('b', vote);
    const output = group.takeOutput({ announceCommit: false });
    expect(output.hardState).toEqual({ term: 2, vote: 'b' });
    expect(output.messages).toEqual([]);
    expect(output.durableMessages).toHaveLength(1);
    expect(answer(group, 'c', vote)).toEqual([{ type: 'voteReply', term: 2, granted: false }]);
    expect(answer(group, 'b', vote)).toEqual([{ type: 'voteReply', term: 2, granted: true }]);
    expect(answer(testGroup([1], { term: 2, vote: 'b' }), 'c', vote)).toMatchObject([{ granted: false }]);
  });

  it('counts entries that are not durable yet as part of the own log', () => {
    const group = testGroup([1]);
    group.step('b', append(1, 1, 1, [1]));
    group.leaderLost();
    group.step('c', { type: 'vote', term: 2, lastTerm: 1, lastIndex: 1, transfer: false });
    expect(group.takeOutput({ announceCommit: false }).durableMessages.at(-1)).toMatchObject({
      message: { granted: false },
    });
  });

  it('refuses while the leader lives, and takes over no term', () => {
    const group = testGroup([1]);
    group.step('b', append(1, 1, 1));
    const vote = { type: 'vote', term: 9, lastTerm: 9, lastIndex: 9, transfer: false } as const;
    expect(answer(group, 'c', vote)).toEqual([]);
    expect(answer(group, 'c', { type: 'preVote', term: 9, lastTerm: 9, lastIndex: 9 })).toEqual([]);
    expect([group.term, group.leader]).toEqual([1, 'b']);
    expect(answer(group, 'c', { ...vote, transfer: true })).toMatchObject([{ term: 9, granted: true }]);
  });

  it('a leader refuses, too, and is not disrupted', () => {
    const group = elect(testGroup([1]));
    expect(answer(group, 'c', { type: 'vote', term: 9, lastTerm: 9, lastIndex: 9, transfer: false })).toEqual(
      [],
    );
    expect(group.role).toBe('leader');
  });

  it('a member that lost its leader votes again', () => {
    const group = testGroup([1]);
    group.step('b', append(1, 1, 1));
    group.leaderLost();
    expect(group.needsTick).toBe(true);
    expect(answer(group, 'c', { type: 'preVote', term: 2, lastTerm: 1, lastIndex: 1 })).toMatchObject([
      { granted: true },
    ]);
    group.heardFrom('b');
    expect([group.leader, group.needsTick]).toEqual(['b', false]);
  });
});

describe('a candidate that the members meet one after the other', () => {
  const preVote = { type: 'preVote', term: 2, lastTerm: 1, lastIndex: 2 } as const;

  it('is answered by one that believed in the leader once that is lost', () => {
    const group = testGroup([1, 1]);
    group.step('b', append(1, 2, 1));
    expect(answer(group, 'c', preVote)).not.toContainEqual(expect.objectContaining({ type: 'preVoteReply' }));
    group.leaderLost();
    expect(sentBy(group)).toEqual([{ to: 'c', message: { type: 'preVoteReply', term: 2, granted: true } }]);
  });

  it.each([
    ['sent entries since', append(1, 2, 1, [1])],
    ['is another since', append(2, 2, 1)],
  ])('is not answered any more where the leader %s', (_, message) => {
    const group = testGroup([1, 1]);
    group.step('b', append(1, 2, 1));
    group.step('c', preVote);
    group.step('b', message);
    sentBy(group);
    group.leaderLost();
    expect([sentBy(group), group.lacksEntries('c')]).toEqual([[], false]);
  });

  it.each([
    ['which is named later, steps aside', 'b', 'follower'],
    ['which is named first, goes on', 'a', 'preCandidate'],
  ])('is one of two that ask at the same time: the other, %s', (_, self, role) => {
    const group = testGroup([1, 1], {}, { self });
    group.campaign('silence');
    expect(answer(group, self === 'a' ? 'b' : 'a', preVote)).toEqual([
      { type: 'preVoteReply', term: 2, granted: true },
    ]);
    expect(group.role).toBe(role);
  });

  it('does not make one step aside that it cannot win against', () => {
    const group = testGroup([1, 1, 1], {}, { self: 'b' });
    group.campaign('silence');
    group.step('a', preVote);
    expect(group.role).toBe('preCandidate');
  });

  it('is not known to lack entries any more when it asks again and has them', () => {
    const group = testGroup([1, 1, 1]);
    group.step('b', preVote);
    group.step('b', { ...preVote, lastIndex: 3 });
    expect(group.lacksEntries('b')).toBe(false);
  });

  it('is known to lack entries until there is a leader again', () => {
    const group = testGroup([1, 1, 1]);
    group.step('b', preVote);
    group.step('c', { ...preVote, lastIndex: 3 });
    expect([group.lacksEntries('b'), group.lacksEntries('c')]).toEqual([true, false]);
    group.heardFrom('c');
    expect(group.lacksEntries('b')).toBe(false);
  });
});

describe('terms', () => {
  it.each([
    ['append', append(1, 1, 1)],
    ['heartbeat', { type: 'heartbeat', term: 1, commit: 1 } as const],
    ['snapshot', { type: 'snapshot', term: 1, index: 1, snapshotTerm: 1 } as const],
  ])('a leader of the past is told so: %s', (_, message) => {
    const group = testGroup([1], { term: 3 });
    expect(answer(group, 'b', message)).toMatchObject([{ type: 'appendRejected', term: 3 }]);
    expect([group.leader, group.commit]).toEqual([undefined, 0]);
  });

  it('and steps down', () => {
    const group = elect(testGroup([1]));
    group.step('c', { type: 'appendRejected', term: 7, prevIndex: 0, hintIndex: 0, hintTerm: 0 });
    expect([group.role, group.term, group.vote, group.leader]).toEqual(['follower', 7, '', undefined]);
  });

  it('a leader without a majority steps down', () => {
    const group = elect(testGroup([1]));
    group.checkQuorum((member) => member === 'c');
    expect(group.role).toBe('leader');
    group.checkQuorum(() => false);
    expect(group.role).toBe('follower');
  });

  it('a leader of the same term does not believe another', () => {
    const group = elect(testGroup([1]));
    expect(answer(group, 'b', append(2, 0, 0, [2, 2, 2, 2]))).toEqual([]);
    expect([group.role, group.lastIndex]).toEqual(['leader', 2]);
  });
});

describe('handing leadership on', () => {
  const caughtUp = () => {
    const group = elect(testGroup([1]));
    sentBy(group);
    group.step('b', { type: 'appended', term: 2, index: 2 });
    sentBy(group, true);
    return group;
  };

  it('tells a member that has all of the log at once, and proposes nothing meanwhile', () => {
    const group = caughtUp();
    expect(group.transferTo('b')).toBe(true);
    expect(sentBy(group)).toEqual([{ to: 'b', message: { type: 'timeoutNow', term: 2 } }]);
    expect(() => group.propose('operations', Buffer.from('x'))).toThrow(TypeError);
    expect(group.needsTick).toBe(true);
  });

  it('waits for one that lags', () => {
    const group = caughtUp();
    group.transferTo('c');
    expect(sentBy(group)).toEqual([]);
    expect(answer(group, 'c', { type: 'appended', term: 2, index: 2 })).toEqual([
      { type: 'timeoutNow', term: 2 },
    ]);
  });

  it('ends after an election timeout', () => {
    const group = caughtUp();
    group.transferTo('c');
    for (let tick = 0; tick < 4; tick++) {
      expect(group.mayPropose).toBe(false);
      group.tick();
    }
    expect(group.mayPropose).toBe(true);
  });

  it.each([['x'], ['a']])('goes to no %s, which is no other voter', (member) => {
    expect(caughtUp().transferTo(member)).toBe(false);
  });

  it('the new leader stands at once, without pre-vote', () => {
    const group = testGroup([1]);
    group.step('b', append(1, 1, 1));
    expect(answer(group, 'b', { type: 'timeoutNow', term: 1 })).toMatchObject([
      { type: 'vote', term: 2, transfer: true },
      { type: 'vote', term: 2, transfer: true },
    ]);
  });
});
