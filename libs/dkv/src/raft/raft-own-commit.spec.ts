/** A follower that is a majority together with its leader: what both have durably it commits without being told. */
import { describe, expect, it } from 'vitest';
import { append, elect, sentBy, testGroup, votersOf, write } from '../../testing/raft-test-group.js';
import { type RaftMessage } from '../model/raft-messages.js';
import { type RaftGroup } from './raft-group.js';

/** Entries 2 and 3 of term 2 behind one of term 1, as `b` sends them that has all up to `durable` on its disk. */
const sent = (durable: number): RaftMessage => append(2, 1, 1, [2, 2], 0, 0, durable);

/** Takes a message, writes it, and sends its acknowledgement. */
function follow(group: RaftGroup, message: RaftMessage): number {
  group.step('b', message);
  for (const { message } of sentBy(group)) {
    if (message.type === 'appended') {
      group.acknowledgementLeft(message.term, message.index);
    }
  }
  return group.commit;
}

describe('a follower commits by itself', () => {
  it('what its leader has durably and what it has acknowledged, whichever is less', () => {
    expect(follow(testGroup([1]), sent(3))).toBe(3);
    expect(follow(testGroup([1]), sent(2))).toBe(2);
    expect(follow(testGroup([1]), sent(9))).toBe(3);
  });

  it('when it hears later of what the leader has', () => {
    const group = testGroup([1]);
    expect(follow(group, sent(1))).toBe(0);
    expect(follow(group, append(2, 3, 2, [], 0, 0, 3))).toBe(3);
  });

  it('not before its acknowledgement has left', () => {
    const group = testGroup([1]);
    group.step('b', sent(3));
    write(group);
    expect(group.commit).toBe(0);
    group.acknowledgementLeft(2, 2);
    expect(group.commit).toBe(2);
  });

  it('also when it believes that its leader is lost by then', () => {
    const group = testGroup([1]);
    group.step('b', sent(3));
    write(group);
    group.leaderLost();
    group.acknowledgementLeft(2, 3);
    expect(group.commit).toBe(3);
  });

  it('nothing of an earlier term, as long as nothing of this one follows', () => {
    const group = testGroup([1, 1]);
    expect(follow(group, append(2, 2, 1, [], 0, 0, 2))).toBe(0);
    expect(follow(group, append(2, 2, 1, [2], 0, 0, 3))).toBe(3);
  });

  it('nothing by what it acknowledged in another term', () => {
    const group = testGroup([1]);
    follow(group, sent(1));
    group.step('c', append(3, 1, 1, [3, 3], 0, 0, 3));
    group.acknowledgementLeft(2, 3);
    expect(group.commit).toBe(0);
  });

  it('nothing by what it heard in another term', () => {
    const group = testGroup([1]);
    group.step('b', sent(3));
    group.step('c', append(3, 1, 1, [3, 3], 0, 0, 1));
    sentBy(group);
    group.acknowledgementLeft(3, 3);
    expect(group.commit).toBe(0);
  });

  it.each([
    ['of two voters', ['a', 'b'], [], true],
    ['of three', ['a', 'b', 'c'], [], true],
    ['where four vote', ['a', 'b', 'c', 'd'], [], false],
    ['where five vote', ['a', 'b', 'c', 'd', 'e'], [], false],
    ['that only listens', ['b', 'c', 'd'], [], false],
    ['of three that are entered, and of three that are left', ['a', 'b', 'c'], ['a', 'b', 'd'], true],
    ['that is not among those who are left', ['a', 'b', 'c'], ['b', 'd', 'e'], false],
    ['whose leader is not among those who are entered', ['a', 'c', 'd'], ['a', 'b', 'c'], false],
  ])('%s', (_, voters, outgoing, commits) => {
    const configuration = { voters, outgoing, learners: voters.includes('a') ? [] : ['a'] };
    expect(follow(testGroup([1], { configuration }), sent(3))).toBe(commits ? 3 : 0);
  });
});

describe('a leader', () => {
  /** Of term 2 with its first entry, 2, which `b` and `c` have. */
  function leading(): RaftGroup {
    const group = elect(testGroup([1], { configuration: votersOf('a', 'b', 'c'), term: 1 }));
    sentBy(group);
    group.step('b', { type: 'appended', term: 2, index: 2 });
    group.step('c', { type: 'appended', term: 2, index: 2 });
    sentBy(group, true);
    return group;
  }

  it('tells what of its log is durable, and reads show all that others may have committed by it', () => {
    const group = leading();
    group.propose('empty', new Uint8Array(0));
    const writes = { hardState: undefined, entries: [], reset: undefined };
    group.takeWrites(writes);
    expect(writes.entries).toMatchObject([{ index: 3 }]);
    expect(group.readIndex).toBe(2);
    group.appended(2, 3);
    expect(group.takeOutput({ announceCommit: false }).messages).toMatchObject([
      { message: { type: 'append', durable: 3 } },
      { message: { type: 'append', durable: 3 } },
    ]);
    expect([group.commit, group.readIndex]).toEqual([2, 3]);
  });

  it('tells nobody of a commit who knows it, and everybody else', () => {
    const group = leading();
    group.propose('empty', new Uint8Array(0));
    // Sent before its own copy is durable: who has it cannot know that the leader does.
    const early = group.takeOutput({ announceCommit: false });
    expect(early.messages).toMatchObject([{ message: { durable: 2 } }, { message: { durable: 2 } }]);
    group.appended(2, 3);
    group.step('b', { type: 'appended', term: 2, index: 3 });
    expect(group.commit).toBe(3);
    expect([group.knowsCommit('b', 3), group.hasUnannouncedCommit]).toEqual([false, true]);
    sentBy(group, true);
    group.propose('empty', new Uint8Array(0));
    group.takeWrites({ hardState: undefined, entries: [], reset: undefined });
    group.appended(2, 4);
    sentBy(group);
    group.step('b', { type: 'appended', term: 2, index: 4 });
    expect([group.knowsCommit('b', 4), group.knowsCommit('c', 4)]).toEqual([true, false]);
    group.step('c', { type: 'appended', term: 2, index: 4 });
    expect(group.hasUnannouncedCommit).toBe(false);
  });

  it('does not rely on what a member that is lost was told', () => {
    const group = leading();
    group.propose('empty', new Uint8Array(0));
    group.takeWrites({ hardState: undefined, entries: [], reset: undefined });
    group.appended(2, 3);
    sentBy(group);
    group.unreachable('b');
    group.step('b', { type: 'appended', term: 2, index: 3 });
    expect(group.knowsCommit('b', 3)).toBe(false);
    expect(group.announcementFor('b')).toMatchObject({ type: 'heartbeat', commit: 3 });
  });
});
