/** Messages of every kind with the values that transports get wrong: empty, binary, absent, odd keys. */
import { GROUP_ROLES } from '../../src/model/cluster-report.js';
import {
  GROUPS_PER_ANSWER_MAX,
  type PeerEnvelope,
  type PeerProtocol,
  type PeerReply,
  type PeerRequest,
  type PeerRequestKind,
  TRANSFER_STATES,
} from '../../src/model/peer-protocol.js';
import { headerOf, type KvRecord, stampRecord, stampTombstone } from '../../src/model/record.js';
import { formatStrongVersion } from '../../src/model/strong-version.js';
import { formatVersion } from '../../src/model/version.js';

export interface Exchange<K extends PeerRequestKind = PeerRequestKind> {
  readonly name: string;
  readonly request: PeerRequest<K>;
  readonly reply: PeerReply<K>;
}

export const VERSION = formatVersion({
  physicalMs: 1_700_000_000_123,
  counter: 7,
  nodeId: 'node-a.0',
  boot: 3,
});
export const NEWER_VERSION = formatVersion({
  physicalMs: 1_700_000_000_124,
  counter: 0xffff,
  nodeId: 'B_1',
  boot: 4,
});

export const ASKING: PeerEnvelope = {
  from: 'node-a.0',
  configuration: 'c0ffee',
  sentAtMs: 1_700_000_000_000.25,
};
export const ANSWERING: PeerEnvelope = { from: 'B_1', configuration: 'c0ffee', sentAtMs: 1_700_000_000_002 };

export const ALL_BYTES = Uint8Array.from({ length: 256 }, (_, byte) => byte);

export const ODD_KEYS: readonly string[] = [
  '👩‍🚀🪐',
  'a/b//c',
  '100%',
  '%2F%25',
  '..',
  '__proto__',
  'constructor',
  ' "\\\u0000\n\u2028 ',
  '\ufeffkey',
  'é'.repeat(512),
  '\u0001'.repeat(1024),
];

export function sampleRecord(fields: Partial<Omit<KvRecord, 'checksum'>> = {}): KvRecord {
  return stampRecord({
    namespace: 'default',
    key: 'k',
    version: VERSION,
    tombstone: false,
    expiresAtMs: 0,
    value: ALL_BYTES,
    ...fields,
  });
}

export function exchange<K extends PeerRequestKind>(
  kind: K,
  name: string,
  ask: PeerProtocol[K]['ask'],
  answer: PeerProtocol[K]['answer'],
): Exchange<K> {
  return {
    name: `${kind}: ${name}`,
    request: { kind, ...ASKING, ask },
    reply: { kind, ...ANSWERING, answer },
  };
}

/** A request of no matter what. */
export function question(): PeerRequest<'get'> {
  return { kind: 'get', ...ASKING, ask: { id: { partition: 0, namespace: 'default', key: 'k' } } };
}

/** The answer to `question`. */
export function answer(): PeerReply<'get'> {
  return { kind: 'get', ...ANSWERING, answer: { record: undefined } };
}

/** The peer that takes a request and does not answer. */
export function never(): Promise<never> {
  return new Promise(() => undefined);
}

/** A request to keep `record`, which any transport must carry. */
export function addOrUpdate(record: KvRecord): PeerRequest<'addOrUpdate'> {
  return { kind: 'addOrUpdate', ...ASKING, ask: { partition: 9, record } };
}

/** At least one exchange of every kind; `largeBytes` is the size of the largest value. */
export function sampleExchanges(largeBytes: number): Exchange[] {
  const id = { partition: 1023, namespace: 'sessions', key: 'k' };
  const record = sampleRecord();
  const tombstone = stampTombstone(id, NEWER_VERSION);
  const expiring = sampleRecord({ expiresAtMs: 1_800_000_000_000, value: new Uint8Array(0) });
  const large = sampleRecord({ value: Uint8Array.from({ length: largeBytes }, (_, i) => (i * 31) % 251) });
  const requestId = '018bcfe5687b0123456789ab';
  const write = {
    kind: 'addOrUpdate',
    id,
    value: ALL_BYTES,
    ttlMs: 60_000,
    level: 'quorum',
    requestId,
  } as const;
  const digests = Array.from({ length: 64 }, (_, i) => i.toString(16).padStart(16, '0'));
  const position = {
    role: 'learner',
    term: 9,
    lastIndex: 2 ** 40,
    commit: 8,
    applied: 7,
    generation: 2,
  } as const;
  const summary = {
    version: formatStrongVersion(2, 7),
    digest: '0badcafe',
    valueBytes: 3,
    expiresAtMs: 1_800_000_000_000,
    isTombstone: false,
  };
  const groups = Array.from({ length: GROUPS_PER_ANSWER_MAX }, (_, i) => ({
    group: 256 + i,
    ...position,
    role: GROUP_ROLES[i % GROUP_ROLES.length]!,
    leader: i % 2 === 0 ? '' : 'node-a.0',
    voters: ['node-a.0', 'B_1'],
    outgoing: i % 3 === 0 ? [] : ['n'.repeat(100)],
    learners: [],
  }));
  const headers = Array.from({ length: 1000 }, (_, i) => headerOf(sampleRecord({ key: `key ${i}` })));
  return [
    exchange('get', 'a record', { id }, { record }),
    exchange('get', 'nothing', { id }, { record: undefined }),
    exchange('get', 'of an epoch', { id, epoch: 7 }, { record }),
    exchange('get', 'of no cluster yet', { id, epoch: 0 }, { record }),
    exchange('get', 'a tombstone', { id }, { record: tombstone }),
    exchange('get', 'an empty value that expires', { id }, { record: expiring }),
    exchange('get', 'a large value', { id }, { record: large }),
    exchange('getNoValue', 'a header', { id }, { header: headerOf(record) }),
    exchange('getNoValue', 'of an epoch', { id, epoch: 2 ** 40 }, { header: headerOf(record) }),
    exchange('getNoValue', 'nothing', { id }, { header: undefined }),
    exchange(
      'addOrUpdate',
      'of an epoch',
      { partition: 0, record, epoch: 7 },
      { version: VERSION, newer: undefined },
    ),
    exchange('addOrUpdate', 'kept', { partition: 0, record }, { version: VERSION, newer: undefined }),
    exchange(
      'addOrUpdate',
      'a newer one',
      { partition: 0, record: expiring },
      { version: NEWER_VERSION, newer: tombstone },
    ),
    exchange(
      'addOrUpdate',
      'a large value',
      { partition: 0, record: large },
      { version: VERSION, newer: large },
    ),
    exchange(
      'forward',
      'a write',
      { operation: write, visited: ['node-a.0', 'B_1'], timeoutMs: 1234.5, epoch: 12 },
      { record, existed: true },
    ),
    exchange(
      'forward',
      'a removal',
      {
        operation: { ...write, kind: 'remove', value: new Uint8Array(0), ttlMs: 0, level: 'all' },
        visited: [],
        timeoutMs: 0,
      },
      { record: tombstone, existed: false },
    ),
    exchange('confirmFloor', 'held', { partition: 5, floor: VERSION }, { root: '0123456789abcdef' }),
    exchange('confirmFloor', 'not now', { partition: 5, floor: VERSION }, { root: '' }),
    exchange('getRoots', 'two', { partitions: [0, 1023] }, { roots: ['0'.repeat(32), 'f'.repeat(32)] }),
    exchange('getRoots', 'none', { partitions: [] }, { roots: [] }),
    exchange('getTree', 'a tree', { partition: 5 }, { digests, floor: VERSION, epoch: 7 }),
    exchange('getTree', 'of no cluster yet', { partition: 5 }, { digests, floor: VERSION, epoch: 0 }),
    exchange('getHeaders', 'the first page', { partition: 5, bucket: 63 }, { headers, done: false }),
    exchange(
      'getHeaders',
      'the last page',
      { partition: 5, bucket: 0, after: { namespace: 'sessions', key: '__proto__' } },
      { headers: [headerOf(tombstone)], done: true },
    ),
    exchange('handOver', 'whole', { partition: 5, epoch: 7 }, { isWhole: true }),
    exchange('handOver', 'not whole', { partition: 0, epoch: 2 ** 40 }, { isWhole: false }),
    exchange('getGroups', 'none', { first: 0 }, { groups: [], done: true }),
    exchange('getGroups', 'a full page', { first: 256 }, { groups, done: false }),
    exchange('getStatus', 'of a strong key', { id }, { group: position, record: summary }),
    exchange('getStatus', 'of a strong key without a record', { id }, { group: position }),
    exchange(
      'getStatus',
      'of an eventual key',
      { id },
      { record: { ...summary, version: VERSION, isTombstone: true }, hintBytes: 7 },
    ),
    exchange('getStatus', 'of an eventual key without a record', { id }, { hintBytes: 0 }),
    ...TRANSFER_STATES.map((state) =>
      exchange('transferLeadership', state, { group: 65_535, nodeId: 'B_1' }, { state }),
    ),
  ];
}
