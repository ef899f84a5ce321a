/** The acceptor's rules, clause by clause: what is refused, what is promised, what is accepted, what is learnt. */
import { describe, expect, it } from 'vitest';
import { SimRandom } from '../../testing/simulation/sim-random.js';
import { type Accepted } from '../model/peer-protocol.js';
import { type KvRecord, stampRecord } from '../model/record.js';
import { formatVersion } from '../model/version.js';
import { type KeyRound } from '../ports/local-kv-repo.js';
import { accept, type Ballot, highest, learn, prepare } from './rules.js';

/** The ballot number `at`; 0 is none. */
function ballot(at: number): Ballot {
  return at === 0 ? '' : formatVersion({ physicalMs: at, counter: 0, nodeId: 'a', boot: 1 });
}

/** A record that was first proposed under ballot `at`. */
function record(at: number): KvRecord {
  const value = Buffer.from(`${at}`);
  return stampRecord({
    namespace: 'n',
    key: 'k',
    version: ballot(at),
    tombstone: false,
    expiresAtMs: 0,
    value,
  });
}

/** Accepted under ballot `at`; the record is that of ballot `of`. */
const accepted = (at: number, of = at): Accepted => ({ ballot: ballot(at), record: record(of) });

interface Numbers {
  readonly promised?: number;
  /** Ballot accepted; its record is of the same number. */
  readonly accepted?: number;
  readonly committed?: number;
  readonly floor?: number;
}

function roundOf(numbers: Numbers): KeyRound {
  return {
    committed: numbers.committed ? record(numbers.committed) : undefined,
    promised: ballot(numbers.promised ?? 0),
    accepted: numbers.accepted ? accepted(numbers.accepted) : undefined,
    floor: ballot(numbers.floor ?? 0),
  };
}

describe('prepare of ballot 5', () => {
  it.each<[Numbers, 'granted' | 'refused', number]>([
    [{}, 'granted', 0],
    [{ promised: 4 }, 'granted', 4],
    [{ promised: 5 }, 'refused', 5],
    [{ promised: 6 }, 'refused', 6],
    [{ accepted: 4 }, 'granted', 4],
    [{ accepted: 5 }, 'refused', 5],
    [{ accepted: 6 }, 'refused', 6],
    [{ floor: 4 }, 'granted', 4],
    [{ floor: 5 }, 'refused', 5],
    [{ floor: 6 }, 'refused', 6],
    [{ promised: 3, accepted: 2, floor: 4 }, 'granted', 4],
    [{ promised: 4, accepted: 6, floor: 1 }, 'refused', 6],
    [{ promised: 7, accepted: 6, floor: 8 }, 'refused', 8],
    [{ committed: 9 }, 'granted', 0],
  ])('after %j is %s; seen is %i', (before, verdict, seen) => {
    const round = roundOf(before);
    const granted = verdict === 'granted';
    expect(prepare(round, ballot(5))).toEqual({
      change: granted ? { promised: ballot(5) } : undefined,
      answer: { granted, seen: ballot(seen), accepted: granted ? round.accepted : undefined },
    });
  });

  it('granted once is refused the second time: two proposers never share a ballot', () => {
    const round = roundOf({ promised: 4 });
    const { change } = prepare(round, ballot(5));
    expect(prepare({ ...round, ...change }, ballot(5)).answer).toMatchObject({
      granted: false,
      seen: ballot(5),
    });
  });

  it('tells what was accepted under its ballot, which may be above that of the record', () => {
    const round = { ...roundOf({}), accepted: accepted(4, 2) };
    expect(prepare(round, ballot(5)).answer.accepted).toEqual(accepted(4, 2));
  });
});

describe('accept under ballot 5, next 9', () => {
  it.each<[Numbers, 'accepted' | 'refused', number]>([
    [{}, 'accepted', 0],
    [{ promised: 4 }, 'accepted', 4],
    [{ promised: 5 }, 'accepted', 5],
    [{ promised: 6 }, 'refused', 6],
    [{ accepted: 4 }, 'accepted', 0],
    [{ accepted: 6 }, 'refused', 6],
    [{ floor: 4 }, 'accepted', 0],
    [{ floor: 5 }, 'refused', 5],
    [{ floor: 6 }, 'refused', 6],
    [{ promised: 5, accepted: 4, floor: 3 }, 'accepted', 5],
    [{ promised: 5, accepted: 6 }, 'refused', 6],
    [{ promised: 8, accepted: 6, floor: 7 }, 'refused', 8],
    [{ promised: 5, floor: 5 }, 'refused', 5],
    [{ promised: 5, committed: 3 }, 'accepted', 5],
  ])('after %j is %s; seen is %i', (before, verdict, seen) => {
    const { change, answer } = accept(roundOf(before), ballot(5), record(5), ballot(9));
    expect(answer).toEqual({ accepted: verdict === 'accepted', seen: ballot(seen) });
    expect(change).toEqual(
      verdict === 'accepted' ? { promised: ballot(9), accepted: accepted(5) } : undefined,
    );
  });

  it.each<[string, Numbers]>([
    ['at once', { promised: 5, accepted: 5 }],
    ['after its next was promised', { promised: 9, accepted: 5 }],
    ['after another ballot was promised: what was accepted stays accepted', { promised: 30, accepted: 5 }],
    ['after the floor came up to it', { promised: 9, accepted: 5, floor: 7 }],
  ])('that was accepted is acknowledged again, and changes nothing: %s', (_, before) => {
    const round = roundOf(before);
    expect(accept(round, ballot(5), record(5), ballot(9))).toEqual({
      change: round.promised < ballot(9) ? { promised: ballot(9) } : undefined,
      answer: { accepted: true, seen: round.promised },
    });
  });

  it.each<[string, number, number, number]>([
    ['no next: the ballot itself', 5, 0, 5],
    ['a next above', 5, 9, 9],
    ['a next that is no higher than the ballot', 5, 4, 5],
    ['a promise of the very ballot', 5, 6, 6],
  ])('promises the highest of what it was given: %s', (_, promised, next, then) => {
    const { change } = accept(roundOf({ promised }), ballot(5), record(5), ballot(next));
    expect(change?.promised).toBe(ballot(then));
  });

  it('keeps the ballot apart from the version of a record that is proposed again', () => {
    const { change } = accept(roundOf({ promised: 5, accepted: 3 }), ballot(5), record(2), ballot(9));
    expect(change?.accepted).toEqual(accepted(5, 2));
  });

  it('lets nothing in between the ballot and the next that it promised but the next itself', () => {
    const before = roundOf({ promised: 5 });
    const round = { ...before, ...accept(before, ballot(5), record(5), ballot(9)).change };
    const verdicts = [6, 7, 8, 9, 10].map((at) => ({
      at,
      prepared: prepare(round, ballot(at)).answer.granted,
      accepted: accept(round, ballot(at), record(at), '').answer.accepted,
    }));
    expect(verdicts).toEqual([
      { at: 6, prepared: false, accepted: false },
      { at: 7, prepared: false, accepted: false },
      { at: 8, prepared: false, accepted: false },
      { at: 9, prepared: false, accepted: true },
      { at: 10, prepared: true, accepted: true },
    ]);
  });
});

describe('to learn record 5', () => {
  it.each<[Numbers, 'committed' | 'accepted' | 'both' | 'nothing']>([
    [{}, 'both'],
    [{ promised: 9 }, 'both'],
    [{ committed: 4, accepted: 4 }, 'both'],
    [{ committed: 4, accepted: 5 }, 'committed'],
    [{ committed: 4, accepted: 6 }, 'committed'],
    [{ committed: 5, accepted: 5 }, 'nothing'],
    [{ committed: 6, accepted: 6 }, 'nothing'],
    [{ accepted: 6 }, 'committed'],
    [{ floor: 4 }, 'both'],
    [{ floor: 5 }, 'nothing'],
    [{ floor: 6 }, 'nothing'],
    [{ floor: 6, accepted: 7 }, 'nothing'],
    [{ floor: 6, committed: 4, accepted: 4 }, 'both'],
  ])('after %j stores %s', (before, stores) => {
    const committed = stores === 'committed' || stores === 'both' ? { committed: record(5) } : {};
    const taken = stores === 'accepted' || stores === 'both' ? { accepted: accepted(5) } : {};
    expect(learn(roundOf(before), record(5))).toEqual(
      stores === 'nothing' ? undefined : { ...committed, ...taken },
    );
  });

  it.each<[Numbers, number, 'accepted' | 'both' | 'nothing']>([
    [{ committed: 5, accepted: 5 }, 8, 'accepted'],
    [{ committed: 5, accepted: 8 }, 8, 'nothing'],
    [{ committed: 5, accepted: 9 }, 8, 'nothing'],
    [{ committed: 3, accepted: 7 }, 8, 'both'],
    [{}, 8, 'both'],
  ])('after %j under ballot %i stores %s', (before, under, stores) => {
    const change = learn(roundOf(before), record(5), ballot(under));
    const expected = { committed: record(5), accepted: accepted(under, 5) };
    expect(change).toEqual(
      { accepted: { accepted: expected.accepted }, both: expected, nothing: undefined }[stores],
    );
  });

  it('promises nothing and takes no promise back', () => {
    expect(learn(roundOf({ promised: 9 }), record(5))).not.toHaveProperty('promised');
  });
});

it.each<[number[], number]>([
  [[], 0],
  [[0, 0], 0],
  [[3], 3],
  [[2, 9, 4], 9],
])('highest of %j is %i', (some, expected) => {
  expect(highest(undefined, ...some.map(ballot), undefined)).toBe(ballot(expected));
});

it('orders ballots of two nodes and starts as versions are', () => {
  const parts = { physicalMs: 5, counter: 0, nodeId: 'a', boot: 1 };
  const inOrder = [parts, { ...parts, boot: 2 }, { ...parts, nodeId: 'b' }, { ...parts, counter: 1 }].map(
    formatVersion,
  );
  const grants = inOrder
    .slice(1)
    .map((above, at) => prepare({ ...roundOf({}), promised: inOrder[at]! }, above).answer);
  expect(grants.map(({ granted }) => granted)).toEqual([true, true, true]);
});

it('never takes back a promise nor goes on from less than it accepted, whatever is asked in what order (seeded)', () => {
  const random = new SimRandom('acceptor');
  for (let run = 0; run < 200; run++) {
    let round = roundOf({ floor: random.int(3) });
    for (let step = 0; step < 40; step++) {
      const at = 1 + random.int(20);
      const before = round;
      const { change } = random.pick([
        () => prepare(before, ballot(at)),
        () => accept(before, ballot(at), record(at), random.chance(0.5) ? ballot(at + random.int(4)) : ''),
        () => ({ change: learn(before, record(at)) }),
      ])();
      round = { ...round, ...change };
      const message = `run ${run}, step ${step}`;
      expect(round.promised >= before.promised, message).toBe(true);
      expect((round.accepted?.ballot ?? '') >= (before.accepted?.ballot ?? ''), message).toBe(true);
      expect((round.committed?.version ?? '') >= (before.committed?.version ?? ''), message).toBe(true);
      expect((round.accepted?.ballot ?? '') >= (round.committed?.version ?? ''), message).toBe(true);
      if (round.accepted !== before.accepted && !change?.committed) {
        expect(round.accepted!.ballot >= before.promised, message).toBe(true);
        expect(round.accepted!.ballot > before.floor, message).toBe(true);
      }
    }
  }
});

describe('a record that a committed one has passed over', () => {
  const passedOver = roundOf({ promised: 12, accepted: 12 });
  /** Record 5 proposed again under ballot 12; record 9 was decided without it. */
  const stale: KeyRound = { ...passedOver, accepted: { ballot: ballot(12), record: record(5) } };

  it('does not stay accepted, though its ballot is higher; the ballot stays promised', () => {
    expect(learn({ ...stale, promised: '' }, record(9))).toEqual({
      committed: record(9),
      promised: ballot(12),
      accepted: { ballot: ballot(9), record: record(9) },
    });
  });

  it('is not accepted any more', () => {
    const round = {
      ...roundOf({}),
      committed: record(9),
      accepted: { ballot: ballot(9), record: record(9) },
    };
    expect(accept(round, ballot(12), record(5), ballot(13))).toMatchObject({
      change: undefined,
      answer: { accepted: false },
    });
    expect(accept(round, ballot(12), record(9), ballot(13)).answer.accepted).toBe(true);
  });
});
