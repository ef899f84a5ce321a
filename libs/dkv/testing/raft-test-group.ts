/** One member of a Raft group for tests of single steps: made from the terms of its log, its disk is instant. */
import {
  type AddressedMessage,
  type Configuration,
  type LogEntry,
  type MemberId,
  type RaftMessage,
} from '../src/model/raft-messages.js';
import { RaftGroup, type RaftGroupOptions, type RaftOutput, type RaftState } from '../src/raft/raft-group.js';

export const TEST_TICKS = { electionTicks: 4, resendTicks: 2 };

export function votersOf(...voters: MemberId[]): Configuration {
  return { voters, outgoing: [], learners: [] };
}

/** Entries of these terms, the first at index 1; the data names term and index. */
export function entriesOf(terms: readonly number[], first = 1): LogEntry[] {
  return terms.map((term, place) => ({
    term,
    index: first + place,
    kind: 'operations',
    data: Buffer.from(`${term}.${first + place}`),
  }));
}

/** Member `a` of `a`, `b` and `c`, unless said otherwise. */
export function testGroup(
  terms: readonly number[] = [],
  state: Partial<RaftState> = {},
  options: Partial<RaftGroupOptions> = {},
): RaftGroup {
  return new RaftGroup(
    {
      term: terms.at(-1) ?? 0,
      vote: '',
      snapshotIndex: 0,
      snapshotTerm: 0,
      configuration: votersOf('a', 'b', 'c'),
      commit: 0,
      entries: entriesOf(terms),
      ...state,
    },
    {
      self: 'a',
      random: { next: () => 0 },
      appendBytesMax: 10_000,
      inflightBytesMax: 100_000,
      ...TEST_TICKS,
      ...options,
    },
  );
}

/** Takes the output and ends its append. */
export function write(group: RaftGroup, announceCommit = false): RaftOutput {
  const output = group.takeOutput({ announceCommit });
  const last = output.entries.at(-1);
  if (last) {
    group.appended(last.term, last.index);
  }
  return output;
}

/** All that the group sends until it has nothing more to say. */
export function sentBy(group: RaftGroup, announceCommit = false): AddressedMessage[] {
  const sent: AddressedMessage[] = [];
  do {
    const { messages, durableMessages } = write(group, announceCommit);
    sent.push(...messages, ...durableMessages);
  } while (group.hasOutput);
  return sent;
}

/** What the group answers to a message of `from`. */
export function answer(group: RaftGroup, from: MemberId, message: RaftMessage): RaftMessage[] {
  sentBy(group);
  group.step(from, message);
  return sentBy(group).map(({ message: reply }) => reply);
}

/** Makes the group the leader of the next term, with the vote of `voter`; its first entry is written. */
export function elect(group: RaftGroup, voter: MemberId = 'b'): RaftGroup {
  group.campaign('transfer');
  sentBy(group);
  group.step(voter, { type: 'voteReply', term: group.term, granted: true });
  return group;
}

export function append(
  term: number,
  prevIndex: number,
  prevTerm: number,
  terms: readonly number[] = [],
  commit = 0,
  matchedByAll = 0,
  durable = 0,
): RaftMessage {
  const entries = entriesOf(terms, prevIndex + 1);
  return { type: 'append', term, prevIndex, prevTerm, commit, durable, matchedByAll, entries };
}

export function termsOf(group: RaftGroup): (number | undefined)[] {
  return Array.from({ length: group.lastIndex }, (_, place) => group.termAt(place + 1));
}
