/** Replication: what a follower takes, what a leader sends next, and what counts as committed. */
import { describe, expect, it } from 'vitest';
import {
  answer,
  append,
  elect,
  entriesOf,
  sentBy,
  termsOf,
  testGroup,
  votersOf,
  write,
} from '../../testing/raft-test-group.js';

describe('a follower', () => {
  // The Raft paper, figure 7: the leader of term 8 has the terms 1 1 1 4 4 5 5 6 6 6.
  const leader = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
  it.each([
    ['lacks one', [1, 1, 1, 4, 4, 5, 5, 6, 6], 9, 6],
    ['lacks many', [1, 1, 1, 4], 4, 4],
    ['has one more', [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6], undefined, undefined],
    ['has a term more', [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7], undefined, undefined],
    ['has others and lacks some', [1, 1, 1, 4, 4, 4, 4], 7, 4],
    ['has others', [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3], 10, 3],
  ])('%s: it gives a hint, and ends with the log of the leader', (_, terms, hintIndex, hintTerm) => {
    const follower = testGroup(terms, { term: 8 });
    const first = answer(follower, 'b', append(8, 10, 6, [8]));
    if (hintIndex !== undefined) {
      expect(first).toEqual([{ type: 'appendRejected', term: 8, prevIndex: 10, hintIndex, hintTerm }]);
    }
    const source = elect(testGroup(leader, { term: 7 }));
    sentBy(source);
    let sent = first;
    for (let round = 0; sent[0]?.type !== 'appended' || round === 0; round++) {
      expect(round).toBeLessThan(4);
      source.step('c', sent[0]!);
      const next = sentBy(source).filter(({ to }) => to === 'c');
      if (next.length === 0) {
        break;
      }
      sent = answer(follower, 'a', next[0]!.message);
    }
    expect(termsOf(follower)).toEqual([...leader, 8]);
  });

  it.each([
    ['a repeated message', append(1, 1, 1, [1, 1])],
    ['a late one with fewer entries', append(1, 0, 0, [1])],
    ['a late one without entries', append(1, 1, 1)],
  ])('loses nothing by %s', (_, message) => {
    const group = testGroup([1, 1, 1]);
    expect(answer(group, 'b', message)).toMatchObject([{ type: 'appended' }]);
    expect(group.lastIndex).toBe(3);
  });

  it('commits only what the message has shown to be equal', () => {
    const group = testGroup([1, 1, 1]);
    group.step('b', append(2, 1, 1, [1], 9));
    expect(group.commit).toBe(2);
  });

  it('never truncates what is committed, and takes no message with gaps', () => {
    const group = testGroup([1, 1], { commit: 2 });
    expect(answer(group, 'b', append(5, 0, 0, [3, 3, 3]))).toEqual([]);
    expect(termsOf(group)).toEqual([1, 1]);
    const [first, second] = entriesOf([5, 5], 3);
    const message = {
      type: 'append',
      term: 5,
      prevIndex: 2,
      prevTerm: 1,
      commit: 0,
      durable: 0,
      matchedByAll: 0,
    } as const;
    expect(answer(group, 'b', { ...message, entries: [first!, { ...second!, index: 9 }] })).toEqual([]);
    expect(group.lastIndex).toBeLessThan(5);
  });

  it('acknowledges with the durable messages, once a turn, and not in another term', () => {
    const group = testGroup([1]);
    group.step('b', append(1, 1, 1, [1]));
    group.step('b', append(1, 2, 1, [1]));
    const { messages, durableMessages } = group.takeOutput({ announceCommit: false });
    expect(messages).toEqual([]);
    expect(durableMessages).toEqual([{ to: 'b', message: { type: 'appended', term: 1, index: 3 } }]);
    group.step('b', append(1, 3, 1, [1]));
    group.step('c', append(2, 9, 2));
    expect(
      group.takeOutput({ announceCommit: false }).durableMessages.map(({ message }) => message),
    ).toMatchObject([{ type: 'appendRejected', term: 2 }]);
  });

  it('does not write over what is being written: its end could be taken for a later one', () => {
    const group = testGroup([1], { term: 1 });
    group.step('b', append(1, 1, 1, [1]));
    group.takeOutput({ announceCommit: false });
    expect(answer(group, 'c', append(2, 1, 1, [2]))).toEqual([]);
    expect(termsOf(group)).toEqual([1, 1]);
    group.appended(1, 2);
    expect(answer(group, 'c', append(2, 1, 1, [2]))).toEqual([{ type: 'appended', term: 2, index: 2 }]);
    group.appended(1, 2);
    expect([termsOf(group), group.durableIndex]).toEqual([[1, 2], 2]);
  });

  it('drops what a failed append did not write, and writes again what is committed', () => {
    const group = testGroup([1]);
    group.step('b', append(2, 1, 1, [2, 2, 2], 3));
    expect(group.takeOutput({ announceCommit: false }).entries).toHaveLength(3);
    group.appendFailed();
    expect([group.lastIndex, group.commit, group.durableIndex]).toEqual([3, 3, 1]);
    const again = group.takeOutput({ announceCommit: false });
    expect(again.entries.map(({ index }) => index)).toEqual([2, 3]);
    expect(again.hardState).toEqual({ term: 2, vote: '' });
    expect(again.durableMessages).toEqual([]);
  });
});

describe('a leader', () => {
  const led = (terms: readonly number[] = [1], options = {}) => {
    const group = elect(testGroup(terms, {}, options));
    sentBy(group);
    return group;
  };
  const ack = (index: number, term = 2) => ({ type: 'appended', term, index }) as const;

  it('sends before its append is durable, but not before its term is', () => {
    const group = testGroup([1]);
    group.campaign('transfer');
    sentBy(group);
    group.step('b', { type: 'voteReply', term: 2, granted: true });
    const first = group.takeOutput({ announceCommit: false });
    expect([first.messages.length, first.durableMessages.length]).toEqual([0, 2]);
    group.appended(2, 2);
    group.step('b', ack(2));
    group.propose('operations', Buffer.from('x'));
    expect(group.takeOutput({ announceCommit: false }).messages).toHaveLength(1);
  });

  it('counts itself once its append is durable', () => {
    const group = led();
    group.step('b', ack(2));
    group.propose('operations', Buffer.from('x'));
    group.takeOutput({ announceCommit: false });
    group.step('b', ack(3));
    expect(group.commit).toBe(2);
    group.appended(2, 3);
    expect(group.commit).toBe(3);
  });

  it('counts replicas of its own term only (figure 8)', () => {
    const group = led([1, 1]);
    group.step('b', ack(2));
    expect(group.commit).toBe(0);
    group.step('b', ack(3));
    expect(group.commit).toBe(3);
  });

  it('is ready once the first entry of its term is applied', () => {
    const group = led();
    group.step('c', ack(2));
    expect([group.commit, group.isReady]).toEqual([2, false]);
    group.applied(2);
    expect(group.isReady).toBe(true);
  });

  it.each([
    ['of an earlier term', ack(2, 1)],
    ['beyond the log', ack(99)],
    ['below what is known', ack(0)],
  ])('is not confused by an acknowledgement %s', (_, message) => {
    const group = led();
    group.step('b', message);
    group.step('x', ack(2));
    expect(group.commit).toBe(0);
    group.step('b', ack(2));
    expect([group.commit, group.matchOf('b')]).toEqual([2, 2]);
    group.step('b', ack(1));
    expect(group.matchOf('b')).toBe(2);
  });

  it('makes one message of the proposals of a turn, the same object for all who need the same', () => {
    const group = led();
    group.step('b', ack(2));
    group.step('c', ack(2));
    sentBy(group);
    group.propose('operations', Buffer.from('x'));
    group.propose('operations', Buffer.from('y'));
    const { messages } = group.takeOutput({ announceCommit: true });
    expect(messages.map(({ to }) => to)).toEqual(['b', 'c']);
    expect(messages[0]!.message).toBe(messages[1]!.message);
    expect(messages[0]!.message).toMatchObject({ prevIndex: 2, commit: 2, entries: { length: 2 } });
  });

  it('bounds messages and what is under way to a member', () => {
    const group = led([1], { appendBytesMax: 80, inflightBytesMax: 160 });
    group.step('b', ack(2));
    for (let count = 0; count < 10; count++) {
      group.propose('operations', new Uint8Array(8));
    }
    const indexes = () =>
      sentBy(group).flatMap(({ to, message }) =>
        to === 'b' && message.type === 'append' ? [message.entries.map(({ index }) => index)] : [],
      );
    expect(indexes()).toEqual([
      [3, 4],
      [5, 6],
    ]);
    group.step('b', ack(4));
    expect(indexes()).toEqual([[7, 8]]);
  });

  it('asks again after silence, with little, and goes on where the member is', () => {
    const group = led();
    group.step('b', ack(2));
    group.propose('operations', Buffer.from('x'));
    sentBy(group);
    group.tick();
    expect(sentBy(group)).toEqual([]);
    group.tick();
    expect(sentBy(group).find(({ to }) => to === 'b')?.message).toMatchObject({ prevIndex: 2, entries: [] });
    group.step('b', ack(2));
    expect(sentBy(group)).toMatchObject([{ to: 'b', message: { prevIndex: 2, entries: [{ index: 3 }] } }]);
    group.unreachable('b');
    expect(sentBy(group)).toMatchObject([{ to: 'b', message: { prevIndex: 2, entries: [] } }]);
  });

  it('announces commits when asked to, never above what a member has', () => {
    const group = led();
    group.step('b', ack(2));
    expect(group.hasUnannouncedCommit).toBe(true);
    expect(sentBy(group, false)).toEqual([]);
    expect(sentBy(group, true)).toEqual([{ to: 'b', message: { type: 'heartbeat', term: 2, commit: 2 } }]);
    expect(group.hasUnannouncedCommit).toBe(false);
  });

  it('needs no tick once all have everything', () => {
    const group = led();
    expect(group.needsTick).toBe(true);
    group.step('b', ack(2));
    group.step('c', ack(2));
    expect([group.needsTick, group.hasOutput]).toEqual([false, false]);
  });

  it('steps down when its append fails, and appends nothing more in that term', () => {
    const group = led();
    group.propose('operations', Buffer.from('x'));
    group.takeOutput({ announceCommit: false });
    group.appendFailed();
    expect([group.role, group.lastIndex, group.term]).toEqual(['follower', 2, 2]);
    expect(() => group.propose('operations', Buffer.from('y'))).toThrow(TypeError);
    group.appended(2, 3);
    expect(group.durableIndex).toBe(2);
  });

  it('of two voters needs both', () => {
    const group = elect(testGroup([], { configuration: votersOf('a', 'b') }));
    write(group);
    expect(group.commit).toBe(0);
    group.step('b', { type: 'appended', term: 1, index: 1 });
    expect(group.commit).toBe(1);
  });
});
