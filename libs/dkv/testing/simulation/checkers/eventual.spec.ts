import { describe, expect, it } from 'vitest';
import { type ReadLevel, type WriteLevel } from '../../../src/model/consistency.js';
import { type HistoryOperation, type HistoryOutcome } from '../history.js';
import { checkConverged, checkEventualReads, levelsOverlap } from './eventual.js';
import { type ConvergedRecord, type EventualOptions } from './eventual-facts.js';
import { describeFindings } from './finding.js';
import { checkMergedSets } from './merged-set.js';
import { INDETERMINATE, NOT_APPLIED, operation } from './written-history.js';

interface Extra {
  readonly level?: WriteLevel;
  readonly at?: string;
  readonly ttlMs?: number;
  readonly outcome?: HistoryOutcome;
}

/** A write acknowledged with `version`. */
function put(value: string, version: string, invoked: number, returned: number, extra: Extra = {}) {
  const { level, at = 'n1#1', ttlMs, outcome = { kind: 'ok', version } } = extra;
  return operation(invoked, returned, { kind: 'write', value, level, ttlMs }, outcome, { incarnation: at });
}

function remove(version: string | undefined, invoked: number, returned: number, extra: Extra = {}) {
  const { level, at = 'n1#1', outcome = { kind: 'ok', version } } = extra;
  return operation(invoked, returned, { kind: 'delete', level }, outcome, { incarnation: at });
}

function get(
  value: string | undefined,
  invoked: number,
  returned: number,
  extra: { level?: ReadLevel; at?: string; version?: string } = {},
) {
  const { level, at = 'n9#1', version } = extra;
  return operation(
    invoked,
    returned,
    { kind: 'read', level },
    { kind: 'ok', value, version },
    { incarnation: at },
  );
}

const Q = { level: 'quorum' } as const;
const LOST = { outcome: INDETERMINATE };
const REFUSED = { outcome: NOT_APPLIED };
const REAL_TIME = { realTime: true };

const READS: readonly [string, string, HistoryOperation[], EventualOptions?][] = [
  ['nothing', '', []],
  ['a value written', '', [put('a', 'v1', 0, 1), get('a', 2, 3)]],
  ['a stale read elsewhere', '', [put('a', 'v1', 0, 1), put('b', 'v2', 2, 3), get('a', 4, 5)]],
  ['nothing yet, elsewhere', '', [put('a', 'v1', 0, 1), get(undefined, 4, 5)]],
  ['a value nobody wrote', 'phantom', [put('a', 'v1', 0, 1), get('x', 2, 3)]],
  ['a value not applied', 'phantom', [put('a', 'v1', 0, 1, REFUSED), get('a', 2, 3)]],
  ['a value of unknown outcome', '', [put('a', 'v1', 0, 1, LOST), get('a', 2, 3), get(undefined, 4, 5)]],
  ['a value before its write', 'phantom', [get('a', 0, 1), put('a', 'v1', 2, 3)]],
  ['a version changed', 'restamp', [put('a', 'v1', 0, 1), get('a', 2, 3, { version: 'v2' })]],
  [
    'a version changed between two reads',
    'restamp',
    [put('a', '', 0, 1, LOST), get('a', 2, 3, { version: 'v2' }), get('a', 4, 5, { version: 'v3' })],
  ],
  ['one version, two values', 'restamp', [put('a', 'v1', 0, 1), put('b', 'v1', 2, 3)]],
  ['own write read', '', [put('a', 'v1', 0, 1), get('a', 2, 3, { at: 'n1#1' })]],
  ['own write missed', 'own-writes', [put('a', 'v1', 0, 1), get(undefined, 2, 3, { at: 'n1#1' })]],
  [
    'own write missed for an older one',
    'own-writes',
    [put('a', 'v1', 0, 1), put('b', 'v2', 2, 3), get('a', 4, 5, { at: 'n1#1' })],
  ],
  [
    'own write, seen before it is acknowledged or not',
    '',
    [put('a', 'v1', 0, 9), get(undefined, 2, 3, { at: 'n1#1' })],
  ],
  ['own write of an earlier run', '', [put('a', 'v1', 0, 1), get(undefined, 2, 3, { at: 'n1#2' })]],
  [
    'own write under a newer one',
    '',
    [put('a', 'v1', 0, 1), put('b', 'v2', 2, 3, { at: 'n2#1' }), get('b', 4, 5, { at: 'n1#1' })],
  ],
  ['own write deleted', '', [put('a', 'v1', 0, 1), remove('v2', 2, 3), get(undefined, 4, 5, { at: 'n1#1' })]],
  [
    'own write missed: the only delete is older',
    'own-writes',
    [remove('v1', 0, 1), put('a', 'v2', 2, 3), get(undefined, 4, 5, { at: 'n1#1' })],
  ],
  [
    'own write missed: the delete came after',
    'own-writes',
    [put('a', 'v2', 2, 3), get(undefined, 4, 5, { at: 'n1#1' }), remove('v3', 6, 7)],
  ],
  [
    'own write missed: the delete was not applied',
    'own-writes',
    [put('a', 'v1', 0, 1), remove('v2', 2, 3, REFUSED), get(undefined, 4, 5, { at: 'n1#1' })],
  ],
  [
    'own delete undone',
    'resurrection',
    [put('a', 'v1', 0, 1), remove('v2', 2, 3), get('a', 4, 5, { at: 'n1#1' })],
  ],
  ['quorum read of a quorum write', '', [put('a', 'v1', 0, 1, Q), get('a', 2, 3, Q)]],
  ['quorum read missing a quorum write', 'quorum-read', [put('a', 'v1', 0, 1, Q), get(undefined, 2, 3, Q)]],
  [
    'quorum read missing a write to all',
    'quorum-read',
    [put('a', 'v1', 0, 1, { level: 'all' }), get(undefined, 2, 3, Q)],
  ],
  [
    'read one missing a write to all',
    'quorum-read',
    [put('a', 'v1', 0, 1, { level: 'all' }), get(undefined, 2, 3)],
  ],
  [
    'quorum read missing a write to one',
    '',
    [put('a', 'v1', 0, 1, { level: 'one' }), get(undefined, 2, 3, Q)],
  ],
  ['read one missing a quorum write', '', [put('a', 'v1', 0, 1, Q), get(undefined, 2, 3)]],
  ['quorum read during a quorum write', '', [put('a', 'v1', 0, 4, Q), get(undefined, 2, 3, Q)]],
  [
    'quorum read of an older value',
    'quorum-read',
    [put('a', 'v1', 0, 1, Q), put('b', 'v2', 2, 3, Q), get('a', 4, 5, Q)],
  ],
  [
    'quorum read of an older value, by a timed-out write whose version a reader was told',
    'quorum-read',
    [put('a', '', 0, 1, LOST), get('a', 2, 3, { version: 'v1' }), put('b', 'v2', 4, 5, Q), get('a', 6, 7, Q)],
  ],
  [
    'quorum read of a later write with a lower version: clocks disagree',
    '',
    [put('a', 'v2', 0, 1, Q), put('b', 'v1', 2, 3, Q), get('a', 4, 5, Q)],
  ],
  [
    'the same, when versions must follow real time',
    'quorum-read',
    [put('a', 'v2', 0, 1, Q), put('b', 'v1', 2, 3, Q), get('a', 4, 5, Q)],
    REAL_TIME,
  ],
  [
    'quorum read undoing a delete',
    'resurrection',
    [put('a', 'v1', 0, 1, Q), remove('v2', 2, 3, Q), get('a', 4, 5, Q)],
  ],
  [
    'the same, the version of the delete unknown',
    '',
    [put('a', 'v1', 0, 1, Q), remove(undefined, 2, 3, Q), get('a', 4, 5, Q)],
  ],
  [
    'the same, when versions must follow real time',
    'resurrection',
    [put('a', 'v1', 0, 1, Q), remove(undefined, 2, 3, Q), get('a', 4, 5, Q)],
    REAL_TIME,
  ],
  [
    'nothing, a delete of unknown version having ended before the write began',
    '',
    [remove(undefined, 0, 1, Q), put('a', 'v2', 2, 3, Q), get(undefined, 4, 5, Q)],
  ],
  [
    'the same, when versions must follow real time',
    'quorum-read',
    [remove(undefined, 0, 1, Q), put('a', 'v2', 2, 3, Q), get(undefined, 4, 5, Q)],
    REAL_TIME,
  ],
  [
    'quorum read missing a write whose version only a reader was told',
    'quorum-read',
    [
      put('b', 'v1', 0, 1),
      put('a', '', 2, 3, { ...Q, outcome: { kind: 'ok' } }),
      get('a', 4, 5, { version: 'v2' }),
      get('b', 6, 7, Q),
    ],
  ],
  ['an expired value', '', [put('a', 'v1', 0, 1, { ...Q, ttlMs: 10 }), get(undefined, 12, 13, Q)]],
  [
    'a value that is yet to expire',
    'quorum-read',
    [put('a', 'v1', 0, 1, { ...Q, ttlMs: 50 }), get(undefined, 12, 13, Q)],
  ],
  [
    'the same, the clock being off',
    '',
    [put('a', 'v1', 0, 1, { ...Q, ttlMs: 50 }), get(undefined, 12, 13, Q)],
    { clockSkewMs: 40 },
  ],
];

const FINALS: readonly [string, string, HistoryOperation[], ConvergedRecord | undefined, EventualOptions?][] =
  [
    ['nothing', '', [], undefined],
    ['the last write', '', [put('a', 'v1', 0, 1), put('b', 'v2', 2, 3)], { value: 'b', version: 'v2' }],
    [
      'an earlier write',
      'lost-write',
      [put('a', 'v1', 0, 1), put('b', 'v2', 2, 3)],
      { value: 'a', version: 'v1' },
    ],
    [
      'an earlier write of a higher version',
      '',
      [put('a', 'v2', 0, 1), put('b', 'v1', 2, 3)],
      { value: 'a', version: 'v2' },
    ],
    [
      'the same, when versions must follow real time',
      'lost-write',
      [put('a', 'v2', 0, 1), put('b', 'v1', 2, 3)],
      { value: 'a', version: 'v2' },
      REAL_TIME,
    ],
    [
      'one of two concurrent writes, in real time too',
      '',
      [put('a', 'v2', 0, 4), put('b', 'v1', 2, 5)],
      { value: 'a', version: 'v2' },
      REAL_TIME,
    ],
    [
      'a timed-out write over an acknowledged one',
      '',
      [put('a', 'v1', 0, 1), put('b', '', 2, 3, LOST)],
      { value: 'b', version: 'v2' },
    ],
    [
      'a timed-out write of a lower version',
      'lost-write',
      [put('a', 'v1', 0, 1), put('b', '', 2, 3, LOST)],
      { value: 'b', version: 'v0' },
    ],
    [
      'a write not applied',
      'phantom',
      [put('a', 'v1', 0, 1), put('b', '', 2, 3, REFUSED)],
      { value: 'b', version: 'v2' },
    ],
    ['a value nobody wrote', 'phantom', [put('a', 'v1', 0, 1)], { value: 'x', version: 'v2' }],
    ['a key that nobody wrote', 'phantom', [], { value: 'x', version: 'v2' }],
    ['a value restamped', 'restamp', [put('a', 'v1', 0, 1)], { value: 'a', version: 'v2' }],
    [
      'another value under the version',
      'restamp',
      [put('a', 'v1', 0, 1), put('b', '', 2, 3, LOST)],
      { value: 'b', version: 'v1' },
    ],
    ['gone altogether', 'lost-write', [put('a', 'v1', 0, 1)], undefined],
    ['gone, being of unknown outcome', '', [put('a', 'v1', 0, 1, LOST)], undefined],
    ['gone, deleted and collected', '', [put('a', 'v1', 0, 1), remove('v2', 2, 3)], undefined],
    ['gone, written after the delete', 'lost-write', [remove('v1', 0, 1), put('a', 'v2', 2, 3)], undefined],
    ['a tombstone', '', [put('a', 'v1', 0, 1), remove('v2', 2, 3)], { value: undefined, version: 'v2' }],
    ['a tombstone without a delete', 'phantom', [put('a', 'v1', 0, 1)], { value: undefined, version: 'v2' }],
    [
      'a tombstone of a delete not applied',
      'phantom',
      [put('a', 'v1', 0, 1), remove('v2', 2, 3, REFUSED)],
      { value: undefined, version: 'v2' },
    ],
    [
      'a tombstone of a timed-out delete',
      '',
      [put('a', 'v1', 0, 1), remove('', 2, 3, LOST)],
      { value: undefined, version: 'v2' },
    ],
    [
      'a tombstone over a later write',
      'lost-write',
      [remove('v1', 0, 1), put('a', 'v2', 2, 3)],
      { value: undefined, version: 'v1' },
    ],
    [
      'a deleted value back',
      'resurrection',
      [put('a', 'v1', 0, 1), remove('v2', 2, 3)],
      { value: 'a', version: 'v1' },
    ],
    [
      'a deleted value back, the version of the delete unknown',
      '',
      [put('a', 'v1', 0, 1), remove(undefined, 2, 3)],
      { value: 'a', version: 'v1' },
    ],
    [
      'the same, when versions must follow real time',
      'resurrection',
      [put('a', 'v1', 0, 1), remove(undefined, 2, 3)],
      { value: 'a', version: 'v1' },
      REAL_TIME,
    ],
    [
      'a value written after the delete',
      '',
      [put('a', 'v1', 0, 1), remove('v2', 2, 3), put('b', 'v3', 4, 5)],
      { value: 'b', version: 'v3' },
    ],
    [
      'a tombstone of another version than the delete',
      'phantom',
      [remove('v2', 0, 1)],
      { value: undefined, version: 'v3' },
    ],
    [
      'a tombstone of the version of an expiring write',
      'phantom',
      [put('a', 'v1', 0, 1, { ttlMs: 5 })],
      { value: undefined, version: 'v1' },
    ],
    [
      'the earlier of two deletes',
      'lost-write',
      [remove('v1', 0, 1), remove('v2', 2, 3)],
      { value: undefined, version: 'v1' },
    ],
    [
      'a tombstone over a later write of unknown version, when versions must follow real time',
      'lost-write',
      [remove(undefined, 0, 1), put('a', '', 2, 3, { outcome: { kind: 'ok' } })],
      { value: undefined, version: 'v1' },
      REAL_TIME,
    ],
  ];

describe('what reads saw of an eventual namespace', () => {
  it.each(READS)('%s: %s', (_, rule, history, options = {}) => {
    const findings = checkEventualReads(history, options);
    expect(findings.map((finding) => finding.rule).join(), describeFindings(findings)).toBe(rule);
  });

  it('checks keys apart', () => {
    const other = { ...put('x', 'v1', 0, 1), key: 'other' };
    expect(checkEventualReads([other, get('x', 2, 3)])).toMatchObject([{ rule: 'phantom', key: 'k' }]);
  });

  it('knows which levels meet', () => {
    const levels = [undefined, 'one', 'quorum'] as const;
    const meeting = levels.map((level) =>
      [undefined, 'one', 'quorum', 'all'].filter((write) => levelsOverlap(level, write as WriteLevel)),
    );
    expect(meeting).toEqual([['all'], ['all'], ['quorum', 'all']]);
  });
});

describe('what the replicas converged to', () => {
  it.each(FINALS)('%s: %s', (_, rule, history, record, options = {}) => {
    const converged = new Map(record === undefined ? [] : [['k', record]]);
    const findings = checkConverged(history, converged, options);
    expect(findings.map((finding) => finding.rule).join(), describeFindings(findings)).toBe(rule);
  });
});

describe('merged sets', () => {
  it.each<[string, string, HistoryOperation[], string[]]>([
    ['all there', '', [put('a', 'v1', 0, 1), put('b', 'v2', 0, 1)], ['a', 'b']],
    ['one lost', 'lost-write', [put('a', 'v1', 0, 1), put('b', 'v2', 0, 1)], ['b']],
    ['one made up', 'phantom', [put('a', 'v1', 0, 1)], ['a', 'x']],
    ['one not applied', 'phantom', [put('a', 'v1', 0, 1, REFUSED)], ['a']],
    ['one of unknown outcome there', '', [put('a', 'v1', 0, 1, LOST)], ['a']],
    ['one of unknown outcome not there', '', [put('a', 'v1', 0, 1, LOST)], []],
  ])('%s: %s', (_, rule, history, elements) => {
    const findings = checkMergedSets(history, new Map([['k', new Set(elements)]]));
    expect(findings.map((finding) => finding.rule).join()).toBe(rule);
  });

  it('a set that nobody wrote is made up', () => {
    expect(checkMergedSets([], new Map([['k', new Set(['a'])]]))).toMatchObject([
      { rule: 'phantom', key: 'k' },
    ]);
  });

  it('a key without a set lost everything', () => {
    expect(checkMergedSets([put('a', 'v1', 0, 1)], new Map())).toMatchObject([
      { rule: 'lost-write', key: 'k' },
    ]);
  });
});
