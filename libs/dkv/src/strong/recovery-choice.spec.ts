/** From which member a group goes on, and when it must not by itself. */
import { describe, expect, it } from 'vitest';
import { chooseRecovery, type MemberReport, needsRecovery } from './recovery-choice.js';

const VOTERS = ['a@1', 'b@1', 'c@1'];

/** Of a node that forgot: its folder was `1` once and is `2` now. */
function report(nodeId: string, differs: Partial<MemberReport> = {}): MemberReport {
  return {
    member: `${nodeId}@2`,
    generation: 1,
    isLed: false,
    term: 3,
    lastTerm: 3,
    lastIndex: 10,
    isWhole: true,
    configuration: { voters: VOTERS, outgoing: [], learners: [] },
    incarnations: ['2', '1'],
    isVolatile: false,
    promised: 0,
    holds: false,
    ...differs,
  };
}

const NEW_DISK = { incarnations: ['2'], lastIndex: 0, lastTerm: 0, configuration: none() };

function none() {
  return { voters: [], outgoing: [], learners: [] };
}

describe('the member from which a group goes on', () => {
  it.each<[string, MemberReport[], string]>([
    [
      'has the longest log of the last term',
      [report('a'), report('b', { lastIndex: 12 }), report('c')],
      'b@2',
    ],
    [
      'has the last term, though others have more of an earlier one',
      [report('a', { lastTerm: 2, lastIndex: 90 }), report('b'), report('c', { lastTerm: 4, lastIndex: 9 })],
      'c@2',
    ],
    [
      'is of the newest generation, whatever others have of an older one',
      [report('a', { lastTerm: 9, lastIndex: 90 }), report('b', { generation: 2 }), report('c')],
      'b@2',
    ],
    [
      'can give the group to others',
      [
        report('a', { isWhole: false, lastIndex: 20, configuration: none() }),
        report('b'),
        report('c', { lastIndex: 7 }),
      ],
      'b@2',
    ],
    [
      'may be the only one whose disk is not new',
      [report('a'), report('b', { term: 4 }), report('c', NEW_DISK)],
      'a@2',
    ],
    [
      'may be a voter that forgot nothing',
      [report('a', { member: 'a@1', incarnations: ['1'], lastIndex: 11 }), report('b'), report('c')],
      'a@1',
    ],
    [
      'is any, where nothing outlives a process',
      [
        report('a', { isVolatile: true }),
        report('b', { ...NEW_DISK, isVolatile: true }),
        report('c', { ...NEW_DISK, isVolatile: true }),
      ],
      'a@2',
    ],
  ])('%s', (_, reports, base) => {
    expect(chooseRecovery(reports)?.base).toBe(base);
  });

  it('begins above all terms, with all members', () => {
    const choice = chooseRecovery([
      report('a', { term: 7 }),
      report('b', { generation: 2, term: 4 }),
      report('c'),
    ]);
    expect(choice).toEqual({ base: 'b@2', term: 8, members: ['a@2', 'b@2', 'c@2'] });
  });
});

describe('a group does not go on by itself', () => {
  it.each<[string, MemberReport[]]>([
    [
      'where a majority of the voters left no folder',
      [report('a'), report('b', NEW_DISK), report('c', NEW_DISK)],
    ],
    [
      'where that is so in what is being left',
      [
        report('a', {
          configuration: { voters: ['a@2', 'b@2', 'c@2'], outgoing: ['a@0', 'b@0', 'c@0'], learners: [] },
        }),
        report('b'),
        report('c'),
      ].map((one) => ({ ...one, lastIndex: one.member === 'a@2' ? 11 : 10 })),
    ],
    ['where nobody has records', ['a', 'b', 'c'].map((nodeId) => report(nodeId, { isWhole: false }))],
    [
      'where a voter acknowledged more than can be taken over',
      [report('a', { isWhole: false, lastIndex: 11 }), report('b'), report('c')],
    ],
    [
      'where a node of some configuration has not been asked',
      [
        report('a'),
        report('b'),
        report('c', { configuration: { voters: [...VOTERS, 'd@1'], outgoing: [], learners: [] } }),
      ],
    ],
    [
      'where nobody knows who voted',
      ['a', 'b', 'c'].map((nodeId) => report(nodeId, { configuration: none() })),
    ],
  ])('%s', (_, reports) => {
    expect(chooseRecovery(reports)).toBeUndefined();
  });
});

describe('a group needs a recovery', () => {
  const voters = (...members: string[]) => ({ voters: members, outgoing: [], learners: [] });

  it.each<[string, MemberReport[], boolean]>([
    ['where all have forgotten', [report('a'), report('b'), report('c')], true],
    ['where a majority has', [report('a'), report('b'), report('c', { member: 'c@1' })], true],
    [
      'not where a majority has not',
      [report('a'), report('b', { member: 'b@1' }), report('c', { member: 'c@1' })],
      false,
    ],
    [
      'where two lost power again while they were taken in',
      [
        report('a', { member: 'a@1', configuration: voters('a@1', 'b@2', 'c@2') }),
        report('b', { member: 'b@3', configuration: voters('a@1') }),
        report('c', { member: 'c@3', configuration: voters('a@1') }),
      ],
      true,
    ],
    [
      'not where the one that is left of two has all, whatever an old copy knows',
      [
        report('a', { configuration: voters('a@1', 'b@0') }),
        report('b', { member: 'b@1', configuration: voters('a@1', 'b@1') }),
      ],
      false,
    ],
    ['not where somebody leads', [report('a', { isLed: true }), report('b'), report('c')], false],
    [
      'where somebody has promised one that never began',
      [report('a', { promised: 2 }), report('b', { member: 'b@1' }), report('c', { member: 'c@1' })],
      true,
    ],
  ])('%s', (_, reports, isNeeded) => expect(needsRecovery(reports)).toBe(isNeeded));
});
