/** A proposer's round: when a phase is won, when it is lost, and what it found. */
import { describe, expect, it } from 'vitest';
import { SimRandom } from '../../testing/simulation/sim-random.js';
import { majorityOf } from '../model/consistency.js';
import { type Accepted } from '../model/peer-protocol.js';
import { stampRecord } from '../model/record.js';
import { formatVersion } from '../model/version.js';
import { AcceptPhase, type PhaseState, PreparePhase } from './round.js';
import { type Ballot, type Promised, type Vote } from './rules.js';

function ballot(at: number): Ballot {
  return at === 0 ? '' : formatVersion({ physicalMs: at, counter: 0, nodeId: 'a', boot: 1 });
}

/** What was accepted under ballot `at`; nothing for 0. */
function accepted(at: number): Accepted | undefined {
  const version = ballot(at);
  const value = Buffer.from(`${at}`);
  return at === 0
    ? undefined
    : {
        ballot: version,
        record: stampRecord({ namespace: 'n', key: 'k', version, tombstone: false, expiresAtMs: 0, value }),
      };
}

/** yes: granted or accepted; no: refused; none: no answer. */
type Word = 'yes' | 'no' | 'none';

/** Copies, nodes asked, what they say, the state after each. */
const COUNTS: readonly [copies: number, asked: number, words: Word[], states: PhaseState[]][] = [
  [1, 1, ['yes'], ['won']],
  [1, 1, ['no'], ['lost']],
  [1, 1, ['none'], ['lost']],
  [2, 2, ['yes', 'yes'], ['open', 'won']],
  [2, 2, ['yes', 'none'], ['open', 'lost']],
  [3, 3, ['yes', 'yes', 'yes'], ['open', 'won', 'won']],
  [3, 3, ['yes', 'no', 'yes'], ['open', 'open', 'won']],
  [3, 3, ['no', 'none'], ['open', 'lost']],
  [3, 3, ['no', 'no', 'yes'], ['open', 'lost', 'lost']],
  [3, 2, ['yes', 'yes'], ['open', 'won']],
  [3, 2, ['none'], ['lost']],
  [3, 2, ['yes', 'no'], ['open', 'lost']],
  [4, 4, ['yes', 'yes', 'yes'], ['open', 'open', 'won']],
  [4, 4, ['yes', 'yes', 'none', 'no'], ['open', 'open', 'open', 'lost']],
  [5, 5, ['yes', 'none', 'yes', 'no', 'yes'], ['open', 'open', 'open', 'open', 'won']],
  [5, 3, ['yes', 'none'], ['open', 'lost']],
];

const promise = (word: Word): Promised | undefined =>
  word === 'none' ? undefined : { granted: word === 'yes', seen: '', accepted: undefined };
const vote = (word: Word): Vote | undefined =>
  word === 'none' ? undefined : { accepted: word === 'yes', seen: '' };

describe.each<[string, (majority: number, asked: number, words: Word[]) => PhaseState[]]>([
  [
    'promises',
    (majority, asked, words) => {
      const phase = new PreparePhase(majority, asked);
      return words.map((word) => (phase.add(promise(word)), phase.state));
    },
  ],
  [
    'votes',
    (majority, asked, words) => {
      const phase = new AcceptPhase(majority, asked);
      return words.map((word) => (phase.add(vote(word)), phase.state));
    },
  ],
])('%s', (_, statesOf) => {
  it.each(COUNTS)('of %i copies, %i asked, saying %j: %j', (copies, asked, words, states) => {
    expect(statesOf(majorityOf(copies), asked, words)).toEqual(states);
  });
});

it.each([
  [2, 0, 'lost'],
  [2, 1, 'lost'],
  [2, 2, 'open'],
  [2, 3, 'open'],
] as const)('that needs %i and asks %i is %s from the start', (majority, asked, state) => {
  expect(new PreparePhase(majority, asked).state).toBe(state);
  expect(new AcceptPhase(majority, asked).state).toBe(state);
});

describe('what a majority of promises found', () => {
  it.each<[string, number[], number, boolean]>([
    ['nothing anywhere', [0, 0], 0, true],
    ['the same everywhere', [4, 4], 4, true],
    ['the newer of two', [4, 6], 6, false],
    ['the newer of two, whoever answers first', [6, 4], 6, false],
    ['something at one, nothing at the other', [0, 4], 4, false],
    ['something at one first', [4, 0], 4, false],
    ['the newest of three', [2, 7, 5], 7, false],
    ['two alike and an older one', [7, 7, 5], 7, false],
  ])('%s: accepted %j', (_, ballots, latest, unanimous) => {
    const phase = new PreparePhase(majorityOf(3), 3);
    ballots.forEach((at) => phase.add({ granted: true, seen: '', accepted: accepted(at) }));
    expect(phase.state).toBe('won');
    expect(phase.latest).toEqual(accepted(latest));
    expect(phase.unanimous).toBe(unanimous);
  });

  it('does not take over what a node that refused has accepted, but notes its ballot', () => {
    const phase = new PreparePhase(2, 3);
    phase.add({ granted: false, seen: ballot(9), accepted: accepted(9) });
    phase.add({ granted: true, seen: '', accepted: accepted(3) });
    phase.add({ granted: true, seen: '', accepted: accepted(3) });
    expect(phase.latest).toEqual(accepted(3));
    expect(phase.unanimous).toBe(true);
    expect(phase.seen).toBe(ballot(9));
  });
});

describe('the highest ballot seen', () => {
  it.each<[string, readonly (Promised | undefined)[], number]>([
    ['of nobody', [undefined], 0],
    ['of a refusal', [{ granted: false, seen: ballot(7), accepted: undefined }], 7],
    [
      'of two refusals',
      [
        { granted: false, seen: ballot(8), accepted: undefined },
        { granted: false, seen: ballot(7), accepted: undefined },
      ],
      8,
    ],
    ['of what was accepted', [{ granted: true, seen: ballot(2), accepted: accepted(4) }], 4],
  ])('in promises, %s', (_, answers, seen) => {
    const phase = new PreparePhase(2, 3);
    answers.forEach((answer) => phase.add(answer));
    expect(phase.seen).toBe(ballot(seen));
  });

  it.each<[string, readonly (Vote | undefined)[], number]>([
    ['of nobody', [undefined], 0],
    ['of a refusal', [{ accepted: false, seen: ballot(7) }], 7],
    ['of a vote for it: nothing stood in the way', [{ accepted: true, seen: ballot(7) }], 0],
    [
      'of two refusals',
      [
        { accepted: false, seen: ballot(7) },
        { accepted: false, seen: ballot(6) },
      ],
      7,
    ],
  ])('in votes, %s', (_, answers, seen) => {
    const phase = new AcceptPhase(2, 3);
    answers.forEach((answer) => phase.add(answer));
    expect(phase.seen).toBe(ballot(seen));
  });
});

it('comes to the same verdict whatever the order of the answers (seeded)', () => {
  const random = new SimRandom('phases');
  for (let run = 0; run < 300; run++) {
    const copies = 1 + random.int(7);
    const words = Array.from({ length: copies }, () => random.pick<Word>(['yes', 'yes', 'no', 'none']));
    const ayes = words.filter((word) => word === 'yes').length;
    const phase = new AcceptPhase(majorityOf(copies), copies);
    const states = random.shuffle(words).map((word) => (phase.add(vote(word)), phase.state));
    const verdict = ayes >= majorityOf(copies) ? 'won' : 'lost';
    expect(states.at(-1), `run ${run}`).toBe(verdict);
    // Once given it stands.
    expect(new Set(states.filter((state) => state !== 'open')), `run ${run}`).toEqual(new Set([verdict]));
  }
});
