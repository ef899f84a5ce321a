/** What `dkv doctor` finds in what nodes say, and what it does not: word by word, and on the edge of each limit. */
import { describe, expect, it } from 'vitest';
import {
  degradedCluster,
  sampleCluster,
  sampleDiagnosis,
  sampleMember,
  samplePartition,
  TOLD_AT_MS,
} from '../../../../testing/cli/sample-reports.js';
import { type NodeDiagnosis } from '../../../model/cluster-report.js';
import { type Diagnosed } from '../diagnoses.js';
import { type Examined, findingsOf } from './findings.js';

const DAY_MS = 24 * 3_600_000;
type Peer = NodeDiagnosis['peers'][number];
type Storage = NodeDiagnosis['storage'];

function diagnosed(nodeId: string, own: Partial<NodeDiagnosis> = {}): Diagnosed {
  return { member: sampleMember(nodeId), diagnosis: sampleDiagnosis(nodeId, own), error: undefined };
}

function examined(own: Partial<Examined> = {}): Examined {
  return {
    report: sampleCluster(),
    partitions: [samplePartition(0)],
    diagnosed: ['a', 'b', 'c'].map((nodeId) => diagnosed(nodeId)),
    nowMs: TOLD_AT_MS,
    ...own,
  };
}

const textsOf = (own: Partial<Examined>) => findingsOf(examined(own)).map(({ text }) => text);
const peers = (...given: readonly (Partial<Peer> & { nodeId: string })[]): Partial<NodeDiagnosis> => ({
  peers: given.map((peer) => ({ state: 'up', roundTripMs: 0.5, ...peer })),
});
const storage = (own: Partial<Storage>): Partial<NodeDiagnosis> => ({
  storage: { ...sampleDiagnosis('a').storage, ...own },
});

it('finds nothing where all is well', () => {
  expect(findingsOf(examined())).toEqual([]);
});

it('names a node that could not be asked, and why', () => {
  const silent: Diagnosed = {
    member: sampleMember('b'),
    diagnosis: undefined,
    error: 'no answer within 5000 ms',
  };
  expect(findingsOf(examined({ diagnosed: [diagnosed('a'), silent, diagnosed('c')] }))).toEqual([
    {
      kind: 'silent',
      nodes: ['b'],
      text:
        'Node b at 10.0.10.12:7000 could not be asked: no answer within 5000 ms. See whether it runs, has the same adminKey, ' +
        'and can be reached from here.',
    },
  ]);
});

it('repeats what the cluster says of itself, and names nodes that are not in service', () => {
  const [a, b, c] = degradedCluster().members;
  const report = degradedCluster({ members: [a!, { ...b!, ready: false }, c!] });
  expect(textsOf({ report })).toEqual([
    'Cluster 3f0c9a51d2e7 is degraded: down: c, as node a sees it. dkv status shows each node.',
    'Node b is not in service. Its readiness probe and its log say why.',
  ]);
});

describe('disks', () => {
  it.each<[string, Partial<Storage>, readonly string[]]>([
    ['of which a tenth is free', { freeBytes: 10, totalBytes: 100 }, []],
    ['of which nobody knows', { freeBytes: undefined, totalBytes: undefined }, []],
    [
      'of which less is free',
      { freeBytes: 9.9 * 2 ** 30, totalBytes: 100 * 2 ** 30 },
      [
        'Of the disk of node a, 9.9 % is free (9.9 GiB of 100 GiB, /var/lib/app/dkv). Make room or enlarge it before it is full.',
      ],
    ],
    [
      'that are full',
      { freeBytes: 0, totalBytes: 100, isDiskFull: true },
      [
        'The disk of node a is full (/var/lib/app/dkv). Make room: the node goes on by itself once there is some.',
      ],
    ],
    [
      'that failed',
      { failure: 'EIO: i/o error, fdatasync' },
      [
        'The store of node a takes nothing: EIO: i/o error, fdatasync. Mend the cause, then start the node again.',
      ],
    ],
  ])('%s', (_, own, texts) => {
    expect(textsOf({ diagnosed: [diagnosed('a', { ...storage(own), ...peers() })] })).toEqual(texts);
  });
});

describe('clocks', () => {
  const apart = (ofB: number, ofA?: number) => [
    diagnosed('a', peers({ nodeId: 'b', clockOffsetMs: ofB })),
    diagnosed('b', peers({ nodeId: 'a', clockOffsetMs: ofA })),
  ];

  it.each<[string, readonly Diagnosed[], readonly string[]]>([
    ['as far apart as nodes allow', apart(500.4, -500), []],
    [
      'further apart, told once',
      apart(740.2, -741),
      ['The clock of node b is 741 ms ahead of that of node a. Synchronise both, as by NTP.'],
    ],
    [
      'known to one of them',
      apart(-900),
      ['The clock of node a is 900 ms ahead of that of node b. Synchronise both, as by NTP.'],
    ],
  ])('%s', (_, own, texts) => {
    expect(textsOf({ diagnosed: own })).toEqual(texts);
  });

  it('of many pairs tells the worst, and how many more there are', () => {
    const others = Array.from({ length: 8 }, (_, n) => ({ nodeId: `n${n}`, clockOffsetMs: 1_000 + n }));
    const texts = textsOf({ diagnosed: [diagnosed('a', peers(...others))] });
    expect(texts).toHaveLength(6);
    expect(texts[0]).toContain('The clock of node n7 is 1 s ahead');
    expect(texts[5]).toBe(
      'The clocks of 3 more pairs of nodes differ by more than 500 ms. Synchronise all of them.',
    );
  });
});

it('names versions that differ, with their nodes', () => {
  const own = [diagnosed('a'), diagnosed('b', { version: '0.2.0' }), diagnosed('c')];
  expect(textsOf({ diagnosed: own })).toEqual([
    'Versions of nestjs-dkv differ: 0.1.0 on a, c; 0.2.0 on b. Complete the update.',
  ]);
});

it.each([
  [30 * DAY_MS, []],
  [
    30 * DAY_MS - 1,
    [
      'The certificate of node a (CN=node1) ends in 29 d, at 2023-12-14T22:13:19.999Z. Renew it (option tls): that needs no restart.',
    ],
  ],
  [
    -1,
    [
      'The certificate of node a (CN=node1) has ended, at 2023-11-14T22:13:19.999Z. Renew it (option tls): that needs no restart.',
    ],
  ],
])('looks at certificates that end in %i ms', (leftMs, texts) => {
  const certificate = { subject: 'CN=node1', validTo: TOLD_AT_MS + leftMs };
  expect(textsOf({ diagnosed: [diagnosed('a', { certificate, ...peers() })] })).toEqual(texts);
});

describe('the network', () => {
  const error = 'connect ECONNREFUSED 10.0.10.13:7000. It is tried again in 700 ms.';

  it('tells once of a node that is not reached, by whom, and the remedy for its trouble', () => {
    const gone = { nodeId: 'c', state: 'down', roundTripMs: undefined, error } as const;
    const own = [
      diagnosed('a', peers({ nodeId: 'b' }, { ...gone, trouble: 'key' })),
      diagnosed('b', peers({ nodeId: 'a' }, gone)),
      diagnosed('c', peers({ nodeId: 'a' }, { nodeId: 'b' })),
    ];
    expect(findingsOf(examined({ diagnosed: own }))).toEqual([
      {
        kind: 'network',
        nodes: ['c', 'a', 'b'],
        text: `Node c is not reached by a, b: ${error} Give every node the same apiKey.`,
      },
    ]);
  });

  it('without a known trouble advises to look, and knows nodes that are not members of each other', () => {
    const own = [
      diagnosed('a', peers({ nodeId: 'b', roundTripMs: undefined, error: 'no answer within 1000 ms' })),
      diagnosed('b', peers()),
    ];
    expect(textsOf({ diagnosed: own })).toEqual([
      'Node a is not reached by b: it is no member there. Give every node the same members, partitions, replicas, hash ' +
        'function and leaseReads.',
      'Node b is not reached by a: no answer within 1000 ms. See whether it runs, and whether the network lets its peer port ' +
        'through.',
    ]);
  });
});

it('names partitions without a quorum', () => {
  const partitions = [
    samplePartition(0),
    ...[17, 18].map((number) => samplePartition(number, { takesWrites: false })),
  ];
  expect(textsOf({ partitions })).toEqual([
    '2 partitions without a quorum: 17, 18. dkv partitions --without-quorum shows what is missing: start those nodes; where ' +
      'most of them are gone for good, use dkv recover.',
  ]);
});
