/** When a leader may answer without asking: from when to when a lease lasts, and what puts an end to it before. */
import { beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../../testing/manual-clock.js';
import { answer, elect, sentBy, testGroup, votersOf } from '../../testing/raft-test-group.js';
import { type RaftGroup } from '../raft/raft-group.js';
import { type GroupCore } from './group-parts.js';
import { CLOCK_RATE_ERROR_MAX, leaseMsOf, ReadLeases } from './read-leases.js';
import { ReadRounds } from './read-rounds.js';

const WAIT_MS = 1_000;
const LEASE_MS = leaseMsOf(WAIT_MS);

let clock: ManualClock;
let leases: ReadLeases;
let rounds: ReadRounds;
let asked: number[];
let group: { number: number; generation: number; leads: boolean; raft: RaftGroup };

beforeEach(() => {
  clock = new ManualClock();
  leases = new ReadLeases(clock, WAIT_MS);
  asked = [];
  rounds = new ReadRounds(
    () => 'a@1',
    (_, round) => void asked.push(round),
    leases,
  );
  group = groupOf(7);
});

function groupOf(number: number) {
  const configuration = votersOf('a@1', 'b@1', 'c@1');
  const raft = elect(testGroup([1], { configuration }, { self: 'a@1' }), 'b@1');
  sentBy(raft);
  return { number, generation: 1, leads: true, raft };
}

const core = (one = group) => one as unknown as GroupCore;

/** Reads at the end of a turn; true where it was answered without a round. */
function read(one = group): boolean {
  let isAnswered = false;
  leases.over(rounds).confirm(core(one), () => (isAnswered = true));
  const isByLease = isAnswered;
  rounds.flush();
  return isByLease;
}

/** As `read`, whose round is confirmed `afterMs` later. */
function readByRound(afterMs = 0): void {
  expect(read()).toBe(false);
  clock.advance(afterMs);
  rounds.confirmed('b@1', asked.at(-1)!, []);
}

describe('a lease', () => {
  it('is shorter than the wait of a voter whose clock is as fast as the leader’s is slow', () => {
    const trueMs = LEASE_MS / (1 - CLOCK_RATE_ERROR_MAX);
    expect(trueMs * (1 + CLOCK_RATE_ERROR_MAX)).toBeLessThanOrEqual(WAIT_MS + 1e-9);
  });

  it('begins with a round that a majority confirms, and lasts from when that was sent', () => {
    readByRound(300);
    clock.advance(LEASE_MS - 301);
    expect(read()).toBe(true);
    clock.advance(1);
    expect(read()).toBe(false);
  });

  it('is none where the round took longer', () => {
    readByRound(LEASE_MS);
    expect(leases.holds(core())).toBe(false);
  });

  it('counts from when the round was sent first, though it was sent again', () => {
    expect(read()).toBe(false);
    clock.advance(500);
    for (let tick = 0; tick < 2; tick++) {
      rounds.tick();
    }
    rounds.confirmed('b@1', asked.at(-1)!, []);
    clock.advance(LEASE_MS - 501);
    expect(leases.holds(core())).toBe(true);
    clock.advance(1);
    expect(leases.holds(core())).toBe(false);
  });

  it('is not cut short by a round that was sent before and is confirmed after', () => {
    expect(read()).toBe(false);
    clock.advance(100);
    expect(read()).toBe(false);
    rounds.confirmed('c@1', asked.at(-1)!, []);
    rounds.confirmed('b@1', asked[0]!, []);
    clock.advance(LEASE_MS - 1);
    expect(leases.holds(core())).toBe(true);
  });

  it('is of the group that was confirmed', () => {
    readByRound();
    expect(read(groupOf(8))).toBe(false);
    expect(read()).toBe(true);
  });

  it.each<[string, () => void]>([
    ['another generation', () => group.generation++],
    ['another member of the same node', () => (group.raft = groupOf(7).raft)],
    ['a group that may not be read', () => (group.leads = false)],
    ['a leader of the past', () => group.raft.step('c@1', { type: 'appended', term: 9, index: 1 })],
    [
      'a leader that leads again in another term',
      () => {
        group.raft.step('c@1', { type: 'appended', term: 9, index: 1 });
        elect(group.raft, 'b@1');
        expect(group.raft.mayHoldLease).toBe(true);
      },
    ],
    [
      'a leader that has asked another to take over',
      () => {
        group.raft.step('b@1', { type: 'appended', term: group.raft.term, index: group.raft.lastIndex });
        group.raft.transferTo('b@1');
        sentBy(group.raft);
      },
    ],
    ['another configuration, joint or not', () => reconfigure(group.raft)],
  ])('is over for %s', (_, change) => {
    readByRound();
    expect(leases.holds(core())).toBe(true);
    change();
    expect(leases.holds(core())).toBe(false);
  });

  it('begins anew with the configuration that the round was confirmed in, both majorities of a joint one', () => {
    readByRound();
    reconfigure(group.raft);
    expect(read()).toBe(false);
    rounds.confirmed('b@1', asked.at(-1)!, []);
    expect(leases.holds(core())).toBe(false);
    rounds.confirmed('d@1', asked.at(-1)!, []);
    expect(leases.holds(core())).toBe(true);
  });
});

describe('a read in the second half of a lease', () => {
  it('is answered, and has it renewed, by one round for all that are in use', () => {
    const others = [groupOf(8), groupOf(9)] as const;
    for (const one of [group, ...others]) {
      read(one);
      rounds.confirmed('b@1', asked.at(-1)!, []);
    }
    expect([read(), read(others[0])]).toEqual([true, true]);
    clock.advance(LEASE_MS / 2 + 1);
    asked.length = 0;
    expect(read()).toBe(true);
    expect(read()).toBe(true);
    // One question to each of the two peers.
    expect(asked.length).toBe(2);
    rounds.confirmed('b@1', asked[0]!, []);
    clock.advance(LEASE_MS / 2);
    expect([group, ...others].map((one) => leases.holds(core(one)))).toEqual([true, true, false]);
  });
});

/** Into {a, d, e} out of {a, b, c}: of d or e one is needed then, and of b or c. */
function reconfigure(raft: RaftGroup): void {
  const { voters } = raft.configuration;
  commitAll(raft);
  raft.proposeConfiguration({ voters, outgoing: [], learners: ['d@1', 'e@1'] });
  commitAll(raft);
  const joint = { voters: ['a@1', 'd@1', 'e@1'], outgoing: voters, learners: [] };
  expect(raft.proposeConfiguration(joint)).toBeDefined();
}

function commitAll(raft: RaftGroup): void {
  sentBy(raft);
  answer(raft, 'b@1', { type: 'appended', term: raft.term, index: raft.lastIndex });
  expect(raft.commit).toBe(raft.lastIndex);
}
