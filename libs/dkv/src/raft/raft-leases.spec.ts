/** What a member that granted a leader a lease keeps out of, and what a leader must not count on any more. */
import { describe, expect, it } from 'vitest';
import { answer, append, elect, sentBy, testGroup, votersOf } from '../../testing/raft-test-group.js';
import { type MemberId } from '../model/raft-messages.js';

const NOBODY = () => true;
const ASK = { lastIndex: 1, lastTerm: 1 };

/** `a` of three in term 1, which follows `b` and is held back from helping any of `candidates`. */
function heldGroup(isHeldBack: (candidate: MemberId, isTransfer: boolean) => boolean = NOBODY) {
  const group = testGroup([1], {}, { isHeldBack });
  answer(group, 'b', append(1, 1, 1));
  group.leaderLost();
  return group;
}

describe('a member that is held back', () => {
  it.each(['silence', 'transfer', 'single'] as const)('does not stand for election: %s', (reason) => {
    const group = heldGroup();
    group.campaign(reason);
    expect([group.role, group.term, sentBy(group)]).toEqual(['follower', 1, []]);
  });

  it('not even alone', () => {
    const group = testGroup([1], { configuration: votersOf('a') }, { isHeldBack: NOBODY });
    group.campaign('single');
    expect(group.role).toBe('follower');
  });

  it('nor where all others are gone', () => {
    const configuration = votersOf('a', 'b');
    const group = testGroup([1], { configuration }, { isHeldBack: NOBODY, isGone: (other) => other === 'b' });
    group.campaign('silence');
    expect(group.role).toBe('follower');
  });

  it('counts no ticks: those who wait for the same moment would all stand at it', () => {
    let isHeld = true;
    const group = heldGroup(() => isHeld);
    for (let tick = 0; tick < 20; tick++) {
      group.tick();
    }
    isHeld = false;
    group.tick();
    expect(group.role).toBe('follower');
  });

  it.each([false, true])('gives no vote, and takes over no term for one (transfer: %s)', (transfer) => {
    const group = heldGroup();
    expect(answer(group, 'c', { type: 'vote', term: 2, transfer, ...ASK })).toEqual([]);
    expect([group.term, group.vote]).toEqual([1, '']);
  });

  it('gives none in a term that it was told of by others, either', () => {
    const group = heldGroup();
    group.step('c', { type: 'appended', term: 2, index: 1 });
    expect(group.term).toBe(2);
    expect(answer(group, 'c', { type: 'vote', term: 2, transfer: false, ...ASK })).toEqual([]);
    expect(group.vote).toBe('');
  });

  it('answers a pre-vote when it is held back no more, and lets whoever asked stand first', () => {
    let isHeld = true;
    const group = heldGroup(() => isHeld);
    expect(answer(group, 'c', { type: 'preVote', term: 2, ...ASK })).toEqual([]);
    group.leaderLost();
    expect(sentBy(group)).toEqual([]);
    isHeld = false;
    group.leaseEnded();
    expect(sentBy(group)).toEqual([{ to: 'c', message: { type: 'preVoteReply', term: 2, granted: true } }]);
  });

  it('is asked about the candidate, and whether the leader itself wished for it', () => {
    const asked: [MemberId, boolean][] = [];
    const group = heldGroup((candidate, isTransfer) => {
      asked.push([candidate, isTransfer]);
      return false;
    });
    asked.length = 0;
    group.step('c', { type: 'preVote', term: 2, ...ASK });
    group.step('c', { type: 'vote', term: 2, transfer: true, ...ASK });
    group.step('c', { type: 'timeoutNow', term: 2 });
    expect(asked).toEqual([
      ['c', false],
      ['c', true],
      ['a', true],
    ]);
  });
});

describe('a leader', () => {
  it('may hold a lease as long as it has asked nobody to take over', () => {
    const group = elect(testGroup([1]));
    expect(group.mayHoldLease).toBe(true);
    group.step('b', { type: 'appended', term: 2, index: 1 });
    group.transferTo('b');
    // The successor lacks an entry yet: it has not been asked.
    sentBy(group);
    expect(group.mayHoldLease).toBe(true);
    group.step('b', { type: 'appended', term: 2, index: 2 });
    expect(group.takeOutput({ announceCommit: false }).messages.map(({ message }) => message.type)).toContain(
      'timeoutNow',
    );
    expect(group.mayHoldLease).toBe(false);
    for (let tick = 0; tick < 10; tick++) {
      group.tick();
    }
    expect([group.transferee, group.role, group.mayHoldLease]).toEqual([undefined, 'leader', false]);
    group.transferTo('c');
    expect(group.mayHoldLease).toBe(false);
  });

  it('of the past holds none', () => {
    const group = elect(testGroup([1]));
    group.step('b', { type: 'appended', term: 3, index: 1 });
    expect([group.role, group.mayHoldLease]).toEqual(['follower', false]);
  });
});
