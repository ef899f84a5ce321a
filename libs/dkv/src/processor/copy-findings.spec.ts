/** What an operator is told of copies that differ, and of which differences nothing is to be told. */
import { describe, expect, it } from 'vitest';
import { type CopyOfKey } from '../model/cluster-report.js';
import { findingsOf } from './copy-findings.js';

const record = (version: string, digest = '00000001') => ({
  version,
  digest,
  valueBytes: 1,
  expiresAtMs: 0,
  isTombstone: false,
});

function strongCopy(nodeId: string, applied: number, stored: CopyOfKey['record'], generation = 1): CopyOfKey {
  const position = { role: 'follower', term: 1, lastIndex: 9, commit: 9, applied, generation } as const;
  return { nodeId, group: { nodeId, ...position }, ...(stored && { record: stored }) };
}

describe('strong copies', () => {
  it.each<[string, CopyOfKey[]]>([
    ['are equal', [strongCopy('a', 5, record('v5')), strongCopy('b', 5, record('v5'))]],
    ['have no record', [strongCopy('a', 5, undefined), strongCopy('b', 5, undefined)]],
    ['lag', [strongCopy('a', 6, record('v6')), strongCopy('b', 5, record('v5'))]],
    [
      'are of an older generation',
      [strongCopy('a', 5, record('v5'), 2), strongCopy('b', 5, record('v4'), 1)],
    ],
    ['were not told', [strongCopy('a', 5, record('v5')), { nodeId: 'b', error: 'gone' }]],
  ])('that %s are no finding', (_, copies) => {
    expect(findingsOf('strong', copies)).toEqual([]);
  });

  it('that differ at one place in the log are told together, each place by itself', () => {
    const copies = [
      strongCopy('a', 5, record('v5', '0000000a')),
      strongCopy('b', 5, record('v5', '0000000b')),
      strongCopy('c', 4, record('v4')),
      strongCopy('d', 4, undefined),
    ];
    expect(findingsOf('strong', copies)).toEqual([
      'The copies differ, applied up to 5 of generation 1: a has a value of version v5 with digest 0000000a, ' +
        'b has a value of version v5 with digest 0000000b.',
      'The copies differ, applied up to 4 of generation 1: c has a value of version v4 with digest 00000001, ' +
        'd has no record.',
    ]);
  });
});

describe('eventual copies', () => {
  const copy = (nodeId: string, stored?: CopyOfKey['record']): CopyOfKey => ({
    nodeId,
    hintBytes: 0,
    ...(stored && { record: stored }),
  });

  it('are compared all with all', () => {
    expect(findingsOf('eventual', [copy('a', record('v1')), copy('b', record('v1'))])).toEqual([]);
    const tombstone = { ...record('v2'), isTombstone: true };
    expect(findingsOf('eventual', [copy('a', record('v1')), copy('b', tombstone), copy('c')])).toEqual([
      'The copies differ: a has a value of version v1 with digest 00000001, b has a tombstone of version v2 with ' +
        'digest 00000001, c has no record.',
    ]);
  });
});
