/** What is not of the protocol is refused, naming the field. */
import { describe, expect, it } from 'vitest';
import { isDkvError } from '../../dkv.errors.js';
import {
  NOTICES_MAX,
  type PeerProtocol,
  type PeerReply,
  type PeerRequestKind,
} from '../../model/peer-protocol.js';
import { REQUESTS_MAX } from '../../model/request-window.js';
import { formatVersion, joinVersion } from '../../model/version.js';
import {
  ASKING,
  exchange,
  NEWER_VERSION,
  sampleExchanges,
  sampleRecord,
  VERSION,
} from '../../../testing/transport/samples.js';
import { PROTOCOL_FORMAT, replyBytesMax, requestBytesMax } from './limits.js';
import { decodePeerReply, decodePeerRequest, encodePeerReply, encodePeerRequest } from './peer-codec.js';

type Json = Record<string, unknown>;

/** As if it had come over the network. */
function json(value: object): Json {
  return JSON.parse(JSON.stringify(value)) as Json;
}

/** With one more field in every object. */
function withMore(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(withMore);
  }
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).map(([name, field]) => [name, withMore(field)]);
    return { ...Object.fromEntries(fields), more: 1 };
  }
  return value;
}

const samples = sampleExchanges(100);
const REQUEST_ID = '018bcfe5687b0123456789ab';
const APPLIED = { id: REQUEST_ID, version: VERSION };
const NOTICE = { partition: 7, namespace: 'sessions', key: 'k', version: VERSION };

/** The JSON of the first sample of `kind` that has a field at `path` or room for it, replaced or (by undefined) removed. */
function broken(part: 'request' | 'reply', kind: PeerRequestKind, path: string, value: unknown): Json {
  const names = path.split('.');
  const last = names.pop()!;
  for (const { request, reply } of samples.filter((sample) => sample.request.kind === kind)) {
    const body = json(part === 'request' ? encodePeerRequest(request) : encodePeerReply(reply));
    const parent = names.reduce<Json | undefined>((object, name) => object?.[name] as Json | undefined, body);
    if (parent) {
      parent[last] = value;
      return json(body);
    }
  }
  throw new Error(`No sample of ${kind} has a place for ${path}.`);
}

function errorOf(decode: () => unknown) {
  try {
    decode();
  } catch (error) {
    return isDkvError(error) ? { code: error.code, message: error.message } : error;
  }
  return 'it was accepted';
}

describe('peer requests', () => {
  const wrong: [PeerRequestKind, string, unknown][] = [
    ['get', 'from', ''],
    ['get', 'from', 'a b'],
    ['get', 'from', 5],
    ['get', 'configuration', undefined],
    ['get', 'configuration', 'c'.repeat(257)],
    ['get', 'sentAtMs', '1'],
    ['get', 'sentAtMs', null],
    ['get', 'ask.id', undefined],
    ['get', 'ask.id', 'k'],
    ['get', 'ask.id', [{ partition: 1, namespace: 'n', key: 'k' }]],
    ['get', 'ask.id.partition', -1],
    ['get', 'ask.id.partition', 0.5],
    ['get', 'ask.id.partition', '1'],
    ['get', 'ask.id.namespace', ''],
    ['get', 'ask.id.namespace', 'a\0b'],
    ['get', 'ask.id.namespace', 'é'.repeat(33)],
    ['get', 'ask.id.key', ''],
    ['get', 'ask.id.key', 'é'.repeat(513)],
    ['get', 'ask.id.key', '\ud800'],
    ['get', 'ask.id.key', { toString: 'k' }],
    ['getNoValue', 'ask.id.key', null],
    ['addOrUpdate', 'ask.partition', undefined],
    ['addOrUpdate', 'ask.record', null],
    ['addOrUpdate', 'ask.record.version', '1'],
    ['addOrUpdate', 'ask.record.tombstone', 1],
    ['addOrUpdate', 'ask.record.expiresAtMs', -1],
    ['addOrUpdate', 'ask.record.expiresAtMs', 2 ** 53],
    ['addOrUpdate', 'ask.record.checksum', 2 ** 32],
    ['addOrUpdate', 'ask.record.value', 'AA'],
    ['addOrUpdate', 'ask.record.value', '====A==='],
    ['addOrUpdate', 'ask.record.value', '_-8='],
    ['addOrUpdate', 'ask.record.value', [1, 2]],
    ['addOrUpdate', 'ask.record.modifiedMs', undefined],
    ['addOrUpdate', 'ask.record.modifiedMs', -1],
    ['addOrUpdate', 'ask.record.requests', undefined],
    ['addOrUpdate', 'ask.record.requests', []],
    ['addOrUpdate', 'ask.record.requests.applied', {}],
    ['addOrUpdate', 'ask.record.requests.applied', [null]],
    ['addOrUpdate', 'ask.record.requests.applied', [{ id: 'x', version: VERSION }]],
    ['addOrUpdate', 'ask.record.requests.applied', [{ id: REQUEST_ID, version: '' }]],
    ['addOrUpdate', 'ask.record.requests.applied', new Array(REQUESTS_MAX + 1).fill(APPLIED)],
    ['addOrUpdate', 'ask.record.requests.forgotten', undefined],
    ['addOrUpdate', 'ask.record.requests.forgotten', 'x'],
    ['forward', 'ask.operation', []],
    ['forward', 'ask.operation.kind', 'get'],
    ['forward', 'ask.operation.id', undefined],
    ['forward', 'ask.operation.value', undefined],
    ['forward', 'ask.operation.ttlMs', -5],
    ['forward', 'ask.operation.level', 'most'],
    ['forward', 'ask.visited', 'a'],
    ['forward', 'ask.visited', ['a', '']],
    ['forward', 'ask.visited', new Array(65).fill('a')],
    ['forward', 'ask.timeoutMs', -1],
    ['forward', 'ask.timeoutMs', null],
    ['forward', 'ask.resolve', undefined],
    ['forward', 'ask.resolve', 1],
    ['forward', 'ask.operation.expected', 'v1'],
    ['forward', 'ask.operation.expected', 0],
    ['forward', 'ask.operation.requestId', undefined],
    ['forward', 'ask.operation.requestId', ''],
    ['forward', 'ask.operation.requestId', REQUEST_ID.slice(1)],
    ['forward', 'ask.operation.requestId', `${REQUEST_ID}0`],
    ['forward', 'ask.operation.requestId', REQUEST_ID.toUpperCase()],
    ['forward', 'ask.operation.requestId', `${REQUEST_ID.slice(1)}\n`],
    ['prepare', 'ask.id', undefined],
    ['prepare', 'ask.id.key', ''],
    ['prepare', 'ask.ballot', undefined],
    ['prepare', 'ask.ballot', ''],
    ['prepare', 'ask.ballot', 7],
    ['accept', 'ask.partition', -1],
    ['accept', 'ask.ballot', ''],
    ['accept', 'ask.record', undefined],
    ['accept', 'ask.record.requests.applied.0.id', 'x'],
    ['accept', 'ask.next', undefined],
    ['accept', 'ask.next', 'soon'],
    ['accept', 'ask.settled', undefined],
    ['accept', 'ask.settled', {}],
    ['accept', 'ask.settled', [[]]],
    ['accept', 'ask.settled.0.version', ''],
    ['accept', 'ask.settled.0.namespace', 'a\0b'],
    ['accept', 'ask.settled', new Array(NOTICES_MAX + 1).fill(NOTICE)],
    ['inspect', 'ask.id.partition', 0.5],
    ['inspect', 'ask.noValue', undefined],
    ['inspect', 'ask.noValue', 'false'],
    ['settle', 'ask.notices', undefined],
    ['settle', 'ask.notices', [null]],
    ['settle', 'ask.notices.1.key', ''],
    ['settle', 'ask.notices.1.partition', '1'],
    ['settle', 'ask.notices.1.version', undefined],
    ['settle', 'ask.notices', new Array(NOTICES_MAX + 1).fill(NOTICE)],
    ['confirmFloor', 'ask.partition', undefined],
    ['confirmFloor', 'ask.floor', ''],
    ['confirmFloor', 'ask.floor', 5],
    ['getRoots', 'ask.partitions', [0, -1]],
    ['getRoots', 'ask.partitions', new Array(65).fill(0)],
    ['getTree', 'ask.partition', true],
    ['getHeaders', 'ask.bucket', undefined],
    ['getHeaders', 'ask.after', 'k'],
    ['getHeaders', 'ask.after', { namespace: 'n' }],
  ];

  it.each(wrong)('refuses %s with a wrong %s (%j)', (kind, path, value) => {
    // Of an element of a list it may say "each value in" before the list's name.
    const field = path.replace(/^ask\./, '').replaceAll('.', '.*');
    expect(errorOf(() => decodePeerRequest(kind, broken('request', kind, path, value)))).toEqual({
      code: 'DKV_INVALID_ARGUMENT',
      message: expect.stringMatching(`^The peer request ${kind}: .*${field}`) as string,
    });
  });

  it.each([undefined, null, [], 'text', 5])('refuses a body that is %j', (body) => {
    expect(errorOf(() => decodePeerRequest('ping', body))).toMatchObject({ code: 'DKV_INVALID_ARGUMENT' });
  });

  it('refuses an ask that is an array', () => {
    const body = { ...json(encodePeerRequest(samples[0]!.request)), ask: [{ id: {} }] };
    expect(errorOf(() => decodePeerRequest('get', body))).toMatchObject({ code: 'DKV_INVALID_ARGUMENT' });
  });

  it.each(['toString', '__proto__', 'constructor', '', 'getAll'])('does not know the kind %j', (kind) => {
    const body = json(encodePeerRequest(samples[0]!.request));
    expect(errorOf(() => decodePeerRequest(kind, body))).toMatchObject({ code: 'DKV_PROTOCOL' });
  });

  it.each([undefined, 0, 1, 3, '2'])('refuses format %j before it looks at the rest', (format) => {
    expect(errorOf(() => decodePeerRequest('ping', { format, somethingElse: true }))).toEqual({
      code: 'DKV_PROTOCOL',
      message: expect.stringMatching(/format .*speaks format 2/) as string,
    });
  });

  it.each<[PeerRequestKind, string, unknown]>([
    ['addOrUpdate', 'ask.record.modifiedMs', 5],
    ['accept', 'ask.record.requests.forgotten', ''],
    ['accept', 'ask.record.requests.applied.0.version', NEWER_VERSION],
  ])('refuses %s when its %s is not what was stamped', (kind, path, value) => {
    const body = broken('request', kind, path, value);
    expect(errorOf(() => decodePeerRequest(kind, body))).toMatchObject({ code: 'DKV_CORRUPT_RECORD' });
  });

  it.each(samples)(
    'leaves out fields that it does not know: a newer peer may send more ($name)',
    (sample) => {
      const { request, reply } = sample;
      const asked = withMore(encodePeerRequest(request)) as Json;
      const answered = withMore(encodePeerReply(reply)) as Json;
      expect(decodePeerRequest(request.kind, asked)).toEqual(request);
      expect(decodePeerReply(reply.kind, answered)).toEqual(reply);
    },
  );

  it('sends no fields that are not of the protocol', () => {
    const record = Object.assign(sampleRecord(), { lockedBy: 'a secret of the storage' });
    const { request } = exchange(
      'addOrUpdate',
      '',
      { partition: 0, record },
      { version: '', newer: undefined },
    );
    expect(JSON.stringify(encodePeerRequest(request))).not.toContain('lockedBy');
  });

  it('is not led astray by __proto__', () => {
    const text = JSON.stringify(encodePeerRequest(samples[0]!.request));
    const poisoned = text.replace('"ask":{', '"__proto__":{"polluted":1},"ask":{"__proto__":{"id":{}},');
    const request = decodePeerRequest('get', JSON.parse(poisoned));
    expect(request).toEqual(samples[0]!.request);
    expect(Object.getPrototypeOf(request)).toBe(Object.prototype);
    expect(({} as Json).polluted).toBeUndefined();
  });
});

describe('peer replies', () => {
  const wrong: [PeerRequestKind, string, unknown][] = [
    ['get', 'from', null],
    ['get', 'answer', undefined],
    ['get', 'answer.record', []],
    ['get', 'answer.record.key', ''],
    ['getNoValue', 'answer.header.version', 'v'],
    ['addOrUpdate', 'answer.version', ''],
    ['addOrUpdate', 'answer.newer', 'newer'],
    ['forward', 'answer', undefined],
    ['forward', 'answer.record', []],
    ['forward', 'answer.record.version', ''],
    ['forward', 'answer.existed', 'yes'],
    ['forward', 'answer.outcome', undefined],
    ['forward', 'answer.outcome', 'lost'],
    ['forward', 'answer.applied', ''],
    ['forward', 'answer.applied', 7],
    ['prepare', 'answer', undefined],
    ['prepare', 'answer.granted', 1],
    ['prepare', 'answer.seen', undefined],
    ['prepare', 'answer.seen', 'v'],
    ['prepare', 'answer.accepted', []],
    ['prepare', 'answer.accepted.ballot', ''],
    ['prepare', 'answer.accepted.record', undefined],
    ['prepare', 'answer.accepted.record.key', ''],
    ['accept', 'answer.accepted', undefined],
    ['accept', 'answer.accepted', 'true'],
    ['accept', 'answer.seen', undefined],
    ['inspect', 'answer.ballot', undefined],
    ['inspect', 'answer.ballot', 'v'],
    ['inspect', 'answer.version', undefined],
    ['inspect', 'answer.record', []],
    ['inspect', 'answer.record.requests', null],
    ['confirmFloor', 'answer.root', undefined],
    ['confirmFloor', 'answer.root', 'f'.repeat(65)],
    ['getTree', 'answer.floor', undefined],
    ['getTree', 'answer.floor', 'v'],
    ['getRoots', 'answer.roots', ['zz']],
    ['getRoots', 'answer.roots', undefined],
    ['getTree', 'answer.digests', ['0']],
    ['getTree', 'answer.digests', new Array(65).fill('0'.repeat(16))],
    ['getHeaders', 'answer.headers', [null]],
    ['getHeaders', 'answer.headers', [[]]],
    ['getHeaders', 'answer.headers.7.key', 7],
    ['getHeaders', 'answer.done', undefined],
    ['ping', 'answer.ready', 0],
    ['ping', 'answer.caughtUp', undefined],
  ];

  it.each(wrong)('refuses %s with a wrong %s (%j)', (kind, path, value) => {
    expect(errorOf(() => decodePeerReply(kind, broken('reply', kind, path, value)))).toEqual({
      code: 'DKV_PROTOCOL',
      message: expect.stringContaining(`The answer to the peer request ${kind}`) as string,
    });
  });

  it('refuses another format', () => {
    const body = { ...json(encodePeerReply(samples[0]!.reply)), format: PROTOCOL_FORMAT - 1 };
    expect(errorOf(() => decodePeerReply('get', body))).toMatchObject({ code: 'DKV_PROTOCOL' });
  });

  it.each<[PeerRequestKind, string, unknown]>([
    ['prepare', 'answer.accepted.record.modifiedMs', 5],
    ['inspect', 'answer.record.requests.applied', []],
    ['forward', 'answer.record.requests.forgotten', REQUEST_ID],
  ])('refuses %s when its %s is not what was stamped', (kind, path, value) => {
    const body = broken('reply', kind, path, value);
    expect(errorOf(() => decodePeerReply(kind, body))).toMatchObject({ code: 'DKV_CORRUPT_RECORD' });
  });
});

it('knows a write that expects no value from one that expects nothing', () => {
  const [one] = samples.filter(({ request }) => request.kind === 'forward');
  const ask = one!.request.ask as PeerProtocol['forward']['ask'];
  for (const expected of [undefined, '', VERSION]) {
    const operation = { ...ask.operation, expected };
    const body = json(encodePeerRequest({ kind: 'forward', ...ASKING, ask: { ...ask, operation } }));
    const decoded = decodePeerRequest('forward', body).ask as PeerProtocol['forward']['ask'];
    expect(decoded.operation.expected).toBe(expected);
  }
});

describe('the largest messages fit into their limits:', () => {
  const valueBytesMax = 1000;
  const key = '\u0001'.repeat(1024);
  const namespace = '\u0001'.repeat(64);
  const id = { partition: 2 ** 31, namespace, key };
  const version = joinVersion(longVersion(), 'n'.repeat(100), 2 ** 32 - 1);
  const requestId = 'f'.repeat(24);
  const applied = Array.from({ length: REQUESTS_MAX }, () => ({ id: requestId, version }));
  const requests = { applied, forgotten: requestId };
  const largest = { key, namespace, version, requests, modifiedMs: 2 ** 52, expiresAtMs: 2 ** 52 };
  const record = sampleRecord({ ...largest, value: new Uint8Array(valueBytesMax) });
  const envelope = {
    from: 'n'.repeat(100),
    configuration: '\u0001'.repeat(256),
    sentAtMs: 1234567890123.4567,
  };
  const accepted = { ballot: version, record };

  function bytesOf(body: object): number {
    return Buffer.byteLength(JSON.stringify(body));
  }

  it('a forwarded write', () => {
    const visited = Array.from({ length: 64 }, () => 'n'.repeat(100));
    const operation = {
      kind: 'addOrUpdate',
      id,
      value: record.value,
      ttlMs: 2 ** 52,
      level: 'quorum',
      expected: version,
      requestId,
    } as const;
    const ask = { operation, visited, timeoutMs: 1234.56789, resolve: false };
    const bytes = bytesOf(encodePeerRequest({ kind: 'forward', ...envelope, ask }));
    expect(bytes).toBeLessThan(requestBytesMax(valueBytesMax));
  });

  it('an accept with notices, each of another key', () => {
    const settled = Array.from({ length: NOTICES_MAX }, () => ({ ...id, version }));
    const ask = { partition: 2 ** 31, ballot: version, record, next: version, settled };
    const bytes = bytesOf(encodePeerRequest({ kind: 'accept', ...envelope, ask }));
    expect(bytes).toBeLessThan(requestBytesMax(valueBytesMax));
  });

  it('the answers with a record, and a page of headers', () => {
    const headers = Array.from({ length: 1000 }, () => record);
    const replies: PeerReply[] = [
      { kind: 'getHeaders', ...envelope, answer: { headers, done: false } },
      { kind: 'get', ...envelope, answer: { record } },
      { kind: 'prepare', ...envelope, answer: { granted: true, seen: version, accepted } },
      { kind: 'inspect', ...envelope, answer: { ballot: version, version, record } },
      { kind: 'forward', ...envelope, answer: { outcome: 'done', record, existed: true, applied: version } },
    ];
    expect(
      replies.map((reply) => bytesOf(encodePeerReply(reply))).filter((bytes) => bytes >= replyBytesMax(1000)),
    ).toEqual([]);
  });
});

function longVersion(): string {
  return formatVersion({
    physicalMs: 2 ** 48 - 1,
    counter: 0xffff,
    nodeId: 'n'.repeat(100),
    boot: 2 ** 32 - 1,
  });
}
