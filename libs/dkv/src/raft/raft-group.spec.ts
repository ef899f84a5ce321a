/** A group of one and of three, from election to commit, by hand. */
import { describe, expect, it } from 'vitest';
import { type AddressedMessage, type Configuration, type MemberId } from '../model/raft-messages.js';
import { RaftGroup } from './raft-group.js';

const group = (self: MemberId, configuration: Configuration) =>
  new RaftGroup(
    { term: 0, vote: '', snapshotIndex: 0, snapshotTerm: 0, configuration, commit: 0, entries: [] },
    {
      self,
      random: { next: () => 0.5 },
      electionTicks: 4,
      resendTicks: 2,
      appendBytesMax: 1_000,
      inflightBytesMax: 4_000,
    },
  );

describe('a group', () => {
  it.each([1, 2, 3, 5])('of %i elects a leader and commits', (size) => {
    const voters = Array.from({ length: size }, (_, n) => `n${n}`);
    const groups = voters.map((self) => group(self, { voters, outgoing: [], learners: [] }));
    const settle = () => {
      for (let busy = true; busy;) {
        busy = false;
        for (const [n, one] of groups.entries()) {
          if (!one.hasOutput && !one.hasUnannouncedCommit) {
            continue;
          }
          busy = true;
          const output = one.takeOutput({ announceCommit: true });
          const last = output.entries.at(-1);
          if (last) {
            one.appended(last.term, last.index);
          }
          one.applied(one.commit);
          const sent: AddressedMessage[] = [...output.messages, ...output.durableMessages];
          for (const { to, message } of sent) {
            groups[voters.indexOf(to)]!.step(voters[n]!, message);
          }
        }
      }
    };
    groups[0]!.campaign('silence');
    settle();
    groups[0]!.applied(groups[0]!.commit);
    expect(groups[0]!.isReady).toBe(true);
    groups[0]!.propose('operations', Buffer.from('a'));
    settle();
    expect(groups.map((one) => [one.commit, one.leader, one.needsTick])).toEqual(
      voters.map(() => [2, 'n0', false]),
    );
  });
});
