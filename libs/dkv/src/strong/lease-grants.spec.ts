/** For how long a voter keeps out of elections after it granted a lease, and from whom. */
import { beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../../testing/manual-clock.js';
import { LeaseGrants } from './lease-grants.js';

const WAIT_MS = 1_000;
const GROUP = { number: 7, raft: { isSoleVoter: false } };
const OTHER = { ...GROUP, number: 8 };

let clock: ManualClock;
let grants: LeaseGrants;

beforeEach(() => {
  clock = new ManualClock();
  grants = new LeaseGrants(clock, WAIT_MS, 0);
});

function endedUntilNow(): (number | undefined)[] {
  const ended: (number | undefined)[] = [];
  grants.tick((group) => void ended.push(group));
  return ended;
}

describe('a grant', () => {
  it('holds back from all but the leader, in its group alone, until its time is over', () => {
    expect(grants.give(7, 'b@1')).toBe(true);
    clock.advance(WAIT_MS - 1);
    expect(grants.isHeldBack(GROUP, 'a@1', false)).toBe(true);
    expect(grants.isHeldBack(GROUP, 'c@1', false)).toBe(true);
    // Another incarnation of the leader's node is another member.
    expect(grants.isHeldBack(GROUP, 'b@2', false)).toBe(true);
    expect(grants.isHeldBack(GROUP, 'b@1', false)).toBe(false);
    expect(grants.isHeldBack(OTHER, 'c@1', false)).toBe(false);
    clock.advance(1);
    expect(grants.isHeldBack(GROUP, 'c@1', false)).toBe(false);
  });

  it('lasts from the last time on, and is for whom it was given last', () => {
    grants.give(7, 'b@1');
    clock.advance(600);
    grants.give(7, 'c@1');
    clock.advance(600);
    expect(grants.isHeldBack(GROUP, 'b@1', false)).toBe(true);
    expect(grants.isHeldBack(GROUP, 'c@1', false)).toBe(false);
  });

  it('does not hold back from whom the leader has asked to take over', () => {
    grants.give(7, 'b@1');
    expect(grants.isHeldBack(GROUP, 'a@1', true)).toBe(false);
    expect(grants.isHeldBack(GROUP, 'c@1', true)).toBe(false);
  });

  it('is told when it is over, once', () => {
    endedUntilNow();
    grants.give(7, 'b@1');
    clock.advance(WAIT_MS - 1);
    expect(endedUntilNow()).toEqual([]);
    clock.advance(1);
    expect(endedUntilNow()).toEqual([7]);
    expect(endedUntilNow()).toEqual([]);
  });
});

describe('a process that has just started', () => {
  beforeEach(() => (grants = new LeaseGrants(clock, WAIT_MS, WAIT_MS)));

  it('helps nobody in any group, whoever asks, and grants nothing, until what the one before granted is over', () => {
    for (const [candidate, isTransfer] of [
      ['a@1', false],
      ['b@1', true],
    ] as const) {
      expect(grants.isHeldBack(GROUP, candidate, isTransfer)).toBe(true);
    }
    expect([grants.isStarting, grants.give(7, 'b@1')]).toEqual([true, false]);
    clock.advance(WAIT_MS - 1);
    expect([grants.isStarting, grants.isHeldBack(GROUP, 'c@1', true)]).toEqual([true, true]);
    expect(endedUntilNow()).toEqual([]);
    clock.advance(1);
    expect([grants.isStarting, grants.isHeldBack(GROUP, 'c@1', false)]).toEqual([false, false]);
    expect(grants.give(7, 'b@1')).toBe(true);
    expect(endedUntilNow()).toEqual([undefined]);
  });

  it('leads at once where there is nobody else to lead', () => {
    expect(grants.isHeldBack({ ...GROUP, raft: { isSoleVoter: true } }, 'a@1', false)).toBe(false);
  });

  it('waits as long as the one before granted, also where it grants nothing itself', () => {
    grants = new LeaseGrants(clock, 0, 3_000);
    clock.advance(2_999);
    expect(grants.isHeldBack(GROUP, 'a@1', false)).toBe(true);
    clock.advance(1);
    expect(grants.isHeldBack(GROUP, 'a@1', false)).toBe(false);
    expect(grants.give(7, 'b@1')).toBe(true);
    expect(grants.isHeldBack(GROUP, 'a@1', false)).toBe(false);
  });
});
