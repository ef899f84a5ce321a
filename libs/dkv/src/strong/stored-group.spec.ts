/** What of a group's store and log counts when a node starts, by their generations. */
import { describe, expect, it } from 'vitest';
import { entriesOf, votersOf } from '../../testing/raft-test-group.js';
import { FakeNodeLog } from '../../testing/fake-node-log.js';
import { encodeConfiguration } from '../raft/configuration-layout.js';
import { decodeAppliedState, encodeAppliedState } from './group-state-layout.js';
import { RequestTable } from './request-table.js';
import {
  closeGaps,
  hasCopy,
  newestConfigurationOf,
  positionOf,
  type StoredGroup,
  strayOf,
} from './stored-group.js';

/** A store of this generation that shows entry 3 of term 2, and a log of another with entries 2 to 5. */
function stored(storeGeneration: number, logGeneration: number, resetAt = 0): StoredGroup {
  const bytes = encodeAppliedState({
    generation: storeGeneration,
    term: 2,
    logTimeMs: 0,
    configuration: votersOf('a@1', 'b@1'),
    requests: new RequestTable(),
    wholeFrom: 0,
  });
  return {
    state: { applied: 3, generation: storeGeneration, bytes },
    hardState: { generation: logGeneration, term: 7, vote: 'a@1' },
    entries: entriesOf([1, 2, 2, 3], 2),
    resetAt,
    generation: logGeneration,
  };
}

describe('of a store and a log', () => {
  it('of one generation both count, the log from behind the store on', () => {
    const position = positionOf(stored(1, 1));
    expect(position).toMatchObject({ generation: 1, isVoid: false, applied: 3, appliedTerm: 2 });
    expect(position.hardState?.term).toBe(7);
    expect(position.tail.map(({ index }) => index)).toEqual([4, 5]);
  });

  it('the store is void where the log is of a newer one', () => {
    const position = positionOf(stored(1, 2));
    expect(position).toMatchObject({
      generation: 2,
      isVoid: true,
      applied: 0,
      appliedTerm: 0,
      state: undefined,
    });
    expect(newestConfigurationOf({ ...position, tail: [] })).toBeUndefined();
  });

  it('the store was taken over where the newer log begins right behind it', () => {
    expect(positionOf(stored(1, 2, 3))).toMatchObject({ generation: 2, isVoid: false, applied: 3 });
    expect(positionOf(stored(1, 2, 2)).isVoid).toBe(true);
  });

  it('the log is void, votes included, where the store is of a newer one', () => {
    expect(positionOf(stored(3, 2))).toMatchObject({
      generation: 3,
      isVoid: false,
      applied: 3,
      hardState: undefined,
      tail: [],
    });
  });

  it('there is nothing to be void where nothing was stored', () => {
    const position = positionOf({ ...stored(1, 2), state: undefined });
    expect(position).toMatchObject({ generation: 2, isVoid: false, applied: 0 });
    expect(position.tail).toHaveLength(4);
  });

  it('the newest configuration is the last of the log, or the one that was applied', () => {
    const data = encodeConfiguration(votersOf('c@1'));
    const given = stored(1, 1);
    expect(newestConfigurationOf(positionOf(given))).toEqual(votersOf('a@1', 'b@1'));
    const entries = [...given.entries, { term: 3, index: 6, kind: 'configuration', data } as const];
    expect(newestConfigurationOf(positionOf({ ...given, entries }))).toEqual(votersOf('c@1'));
  });
});

it.each([
  ['nothing', undefined, 0, false],
  ['a void state', Infinity, 0, false],
  ['a void state, and a log', Infinity, 1, true],
  ['a log', undefined, 1, true],
  ['records whose log is gone', 0, 0, true],
])('%s is a copy or none', (_, wholeFrom, count, isCopy) => {
  const { state, ...rest } = stored(1, 1);
  const bytes = encodeAppliedState({ ...decodeAppliedState(state!.bytes), wholeFrom: wholeFrom ?? 0 });
  const found = {
    ...rest,
    state: wholeFrom === undefined ? undefined : { ...state!, bytes },
    entries: rest.entries.slice(0, count),
  };
  expect(found.entries.length).toBe(count);
  expect(hasCopy(found)).toBe(isCopy);
});

describe('what the log has of entries that the store shows', () => {
  const logOf = (given: StoredGroup) => {
    const { index, term, entries } = positionOf(given).log;
    return [index, term, ...entries.map((entry) => entry.index)];
  };

  it('is kept for others, behind the first of it', () => {
    expect(logOf(stored(1, 1))).toEqual([2, 1, 3, 4, 5]);
  });

  it.each<[string, Partial<StoredGroup>]>([
    ['that is of another term', { entries: entriesOf([1, 1, 2, 3], 2) }],
    ['of which it has none', { entries: entriesOf([2, 3], 4) }],
    ['of which it has one alone', { entries: entriesOf([2, 2, 3], 3) }],
  ])('is nothing where the log has a last one %s', (_, given) => {
    expect(logOf({ ...stored(1, 1), ...given }).slice(0, 2)).toEqual([3, 2]);
  });

  it('begins behind a gap, and with the last change of the configuration', () => {
    const data = encodeConfiguration(votersOf('a@1', 'b@1'));
    const [two, three, four] = entriesOf([2, 2, 2], 2);
    const gapped = [{ ...two!, index: 1 }, three!, four!];
    expect(logOf({ ...stored(1, 1), entries: gapped })).toEqual([3, 2, 4]);
    const changed = [...entriesOf([1], 1), { ...two!, kind: 'configuration', data } as const, three!, four!];
    expect(logOf({ ...stored(1, 1), entries: changed })).toEqual([2, 2, 3, 4]);
  });

  it('does not count where the store is void, or of another generation', () => {
    expect(logOf(stored(1, 2))).toEqual([0, 0, 2, 3, 4, 5]);
    expect(logOf(stored(3, 2))).toEqual([3, 2]);
  });
});

describe('a segment of the log that is lost', () => {
  /** The store shows entry 3; entry 4 was in the segment. */
  const gapped = (storeGeneration = 1): StoredGroup => ({
    ...stored(storeGeneration, 2),
    entries: entriesOf([2, 3], 5),
  });

  /** Group, generation, index and term of each. */
  const resetsOf = (log: FakeNodeLog): number[][] => {
    const resets: number[][] = [];
    log.replay({
      hardState: () => undefined,
      entry: () => undefined,
      reset: (...reset) => void resets.push(reset),
      batch: () => undefined,
    });
    return resets;
  };

  it('takes what follows it out of the log, which begins anew behind the store', async () => {
    expect(strayOf(gapped(2)).map(({ index }) => index)).toEqual([5, 6]);
    const log = new FakeNodeLog();
    const whole = { ...stored(2, 2) };
    const closed = await closeGaps(
      new Map([
        [7, gapped(2)],
        [8, whole],
      ]),
      log,
    );
    expect(closed.get(8)).toBe(whole);
    expect(positionOf(closed.get(7)!)).toMatchObject({ isVoid: false, applied: 3, tail: [] });
    expect(positionOf(closed.get(7)!).hardState?.term).toBe(7);
    expect(resetsOf(log)).toEqual([[7, 2, 3, 2]]);
  });

  it('leaves a store void that the log, of a newer generation, was to replace', async () => {
    const log = new FakeNodeLog();
    const closed = await closeGaps(new Map([[7, gapped(1)]]), log);
    expect(positionOf(closed.get(7)!)).toMatchObject({ generation: 2, isVoid: true, applied: 0, tail: [] });
    expect(resetsOf(log)).toEqual([[7, 2, 0, 0]]);
  });
});
