/** Rounds that cannot be confirmed any more: the voters have changed since they were asked. */
import { expect, it } from 'vitest';
import { type Configuration } from '../model/raft-messages.js';
import { type GroupCore } from './group-parts.js';
import { ReadRounds } from './read-rounds.js';

const of = (...voters: string[]): Configuration => ({ voters, outgoing: [], learners: [] });

function setup() {
  const sent: string[] = [];
  const rounds = new ReadRounds(
    () => 'a@1',
    (nodeId, round) => void sent.push(`${round} to ${nodeId}`),
  );
  const raft = {
    term: 1,
    configuration: of('a@1', 'b@1', 'c@1'),
    hasQuorum: (has: (member: string) => boolean) =>
      raft.configuration.voters.filter(has).length * 2 > raft.configuration.voters.length,
  };
  const group = { number: 7, generation: 1, leads: true, raft } as unknown as GroupCore;
  const told: boolean[] = [];
  rounds.confirm(group, (isConfirmed) => void told.push(isConfirmed));
  rounds.flush();
  return { rounds, raft, told, sent };
}

it('an answer is given up at the next tick where a voter was not asked, so that whoever waits asks again', () => {
  const { rounds, raft, told } = setup();
  rounds.tick();
  expect(told).toEqual([]);
  raft.configuration = of('a@1', 'd@1', 'e@1');
  rounds.tick();
  expect(told).toEqual([false]);
  rounds.confirmed('b@1', 1, []);
  expect(told).toEqual([false]);
});

it('is not where all voters that there are now were asked: those may be fewer', () => {
  const { rounds, raft, told } = setup();
  raft.configuration = of('a@1', 'b@1');
  rounds.tick();
  expect(told).toEqual([]);
  rounds.confirmed('b@1', 1, []);
  expect(told).toEqual([true]);
});

it('is not where a majority of the new voters has answered', () => {
  const { rounds, raft, told } = setup();
  raft.configuration = of('a@1', 'b@1', 'd@1');
  rounds.confirmed('b@1', 1, []);
  rounds.tick();
  expect(told).toEqual([true]);
});
