/** What is not of the protocol is refused, naming the field. */
import { describe, expect, it } from 'vitest';
import { isDkvError } from '../dkv.errors.js';
import { type PeerRequestKind } from '../model/peer-protocol.js';
import {
  ANSWERING,
  ASKING,
  exchange,
  sampleExchanges,
  sampleRecord,
} from '../../testing/remote-kv/samples.js';
import { requestBytesMax, replyBytesMax } from './limits.js';
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

/** The JSON of the first sample of `kind`, its field at `path` replaced (or removed, by undefined). */
function broken(part: 'request' | 'reply', kind: PeerRequestKind, path: string, value: unknown): Json {
  const sample = samples.find(({ request }) => request.kind === kind)!;
  const body = json(part === 'request' ? encodePeerRequest(sample.request) : encodePeerReply(sample.reply));
  const names = path.split('.');
  const last = names.pop()!;
  const parent = names.reduce((object, name) => object[name] as Json, body);
  parent[last] = value;
  return json(body);
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
    ['forward', 'ask.requestId', ''],
    ['forward', 'ask.requestId', 'r'.repeat(201)],
    ['getRoots', 'ask.partitions', [0, -1]],
    ['getRoots', 'ask.partitions', new Array(65).fill(0)],
    ['getTree', 'ask.partition', true],
    ['getHeaders', 'ask.bucket', undefined],
    ['getHeaders', 'ask.after', 'k'],
    ['getHeaders', 'ask.after', { namespace: 'n' }],
  ];

  it.each(wrong)('refuses %s with a wrong %s (%j)', (kind, path, value) => {
    const field = path.replace(/^ask\./, '');
    expect(errorOf(() => decodePeerRequest(kind, broken('request', kind, path, value)))).toEqual({
      code: 'DKV_INVALID_ARGUMENT',
      message: expect.stringContaining(`The peer request ${kind}: ${field}`) as string,
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

  it.each([undefined, 0, 2, '1'])('refuses format %j before it looks at the rest', (format) => {
    expect(errorOf(() => decodePeerRequest('ping', { format, somethingElse: true }))).toEqual({
      code: 'DKV_PROTOCOL',
      message: expect.stringMatching(/format .*speaks format 1/) as string,
    });
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
    ['forward', 'answer.record', undefined],
    ['forward', 'answer.existed', 'yes'],
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
    const body = { ...json(encodePeerReply(samples[0]!.reply)), format: 2 };
    expect(errorOf(() => decodePeerReply('get', body))).toMatchObject({ code: 'DKV_PROTOCOL' });
  });
});

it('fits the largest messages into their limits', () => {
  const valueBytesMax = 1000;
  const key = '\u0001'.repeat(1024);
  const namespace = '\u0001'.repeat(64);
  const record = sampleRecord({ key, namespace, value: new Uint8Array(valueBytesMax) });
  const visited = Array.from({ length: 64 }, () => 'n'.repeat(100));
  const operation = { kind: 'addOrUpdate', id: { partition: 2 ** 31, namespace, key } } as const;
  const write = { ...operation, value: record.value, ttlMs: 2 ** 52, level: 'quorum' } as const;
  const ask = { operation: write, visited, timeoutMs: 1234.56789, requestId: 'r'.repeat(200) };
  const request = JSON.stringify(encodePeerRequest({ kind: 'forward', ...ASKING, ask }));
  expect(Buffer.byteLength(request)).toBeLessThan(requestBytesMax(valueBytesMax));

  const headers = Array.from({ length: 1000 }, () => record);
  const reply = { kind: 'getHeaders', ...ANSWERING, answer: { headers, done: false } } as const;
  expect(Buffer.byteLength(JSON.stringify(encodePeerReply(reply)))).toBeLessThan(
    replyBytesMax(valueBytesMax),
  );
});
