import { describe, expect, it } from 'vitest';
import { stampRecord, stampTombstone, type KvRecord } from '../../../src/model/record.js';
import { describeFindings } from './finding.js';
import { checkConvergence, checkTree, VersionWatch } from './replicas.js';

const V1 = '000000000001-0000-a!00000001';
const V2 = '000000000002-0000-a!00000001';

function record(key: string, version: string, text: string, expiresAtMs = 0): KvRecord {
  const value = Buffer.from(text);
  return stampRecord({ namespace: 'n', key, version, tombstone: false, expiresAtMs, value });
}

const A = record('k', V1, 'a');
const TOMBSTONE = stampTombstone({ namespace: 'n', key: 'k' }, V1);

describe('convergence', () => {
  it.each<[string, number, KvRecord[][]]>([
    ['nothing anywhere', 0, [[], [], []]],
    ['equal copies', 0, [[A], [{ ...A, value: new Uint8Array(A.value) }]]],
    [
      'equal copies in another order',
      0,
      [
        [A, record('l', V1, 'b')],
        [record('l', V1, 'b'), A],
      ],
    ],
    ['one copy missing', 1, [[A], [A], []]],
    ['a tombstone missing', 1, [[TOMBSTONE], []]],
    ['another version', 1, [[A], [record('k', V2, 'a')]]],
    ['another value', 1, [[A], [record('k', V1, 'b')]]],
    ['another expiry', 1, [[A], [record('k', V1, 'a', 5)]]],
    ['a tombstone and a value', 1, [[A], [TOMBSTONE]]],
    ['the same key in two namespaces', 1, [[A], [{ ...A }, stampRecord({ ...A, namespace: 'm' })]]],
    [
      'a value that does not match its checksum, twice',
      2,
      [[{ ...A, value: Buffer.from('b') }], [{ ...A, value: Buffer.from('b') }]],
    ],
    ['a flipped byte under the same header', 2, [[A], [{ ...A, value: Buffer.from('b') }]]],
  ])('%s: %i', (_, count, copies) => {
    const findings = checkConvergence(copies.map((records, index) => ({ replica: `n${index}`, records })));
    expect(findings, describeFindings(findings)).toHaveLength(count);
    findings.forEach(({ rule, key }) => expect([rule, key]).toEqual(['divergence', 'k']));
  });
});

describe('trees', () => {
  const recompute = (headers: readonly { key: string }[]): string[] => [
    '',
    headers.map(({ key }) => key).join(),
  ];
  it.each<[string, number, string[]]>([
    ['the right tree', 0, ['', 'k']],
    ['a stale bucket', 1, ['', '']],
    ['a bucket too many', 1, ['', 'k', 'x']],
    ['no tree', 2, []],
  ])('%s: %i', (_, count, digests) => {
    const findings = checkTree({ replica: 'n1', records: [A] }, digests, recompute);
    expect(findings.map(({ rule }) => rule)).toEqual(Array.from({ length: count }, () => 'tree'));
  });
});

describe('VersionWatch', () => {
  it.each<[string, string, [string, KvRecord][]]>([
    [
      'versions that rise',
      '',
      [
        ['n1', A],
        ['n1', record('k', V2, 'b')],
      ],
    ],
    [
      'the same record again',
      '',
      [
        ['n1', A],
        ['n1', A],
        ['n2', A],
      ],
    ],
    [
      'a lower version',
      'monotone-version',
      [
        ['n1', record('k', V2, 'b')],
        ['n1', A],
      ],
    ],
    [
      'a lower version on another replica',
      '',
      [
        ['n1', record('k', V2, 'b')],
        ['n2', A],
      ],
    ],
    [
      'a lower version of another key',
      '',
      [
        ['n1', record('l', V2, 'b')],
        ['n1', A],
      ],
    ],
    [
      'one version, two contents',
      'restamp',
      [
        ['n1', A],
        ['n2', record('k', V1, 'b')],
      ],
    ],
    [
      'one version, two contents, on one replica',
      'restamp',
      [
        ['n1', A],
        ['n1', TOMBSTONE],
      ],
    ],
  ])('%s: %s', (_, rule, seen) => {
    const watch = new VersionWatch();
    seen.forEach(([replica, header]) => watch.observe(replica, header));
    expect(watch.findings.map((finding) => finding.rule).join()).toBe(rule);
  });

  it('lets a replica begin again that lost its disk', () => {
    const watch = new VersionWatch();
    watch.observe('n1', record('k', V2, 'b'));
    watch.forget('n1');
    watch.observe('n1', A);
    expect(watch.findings).toEqual([]);
  });
});
