/** The REST routes as a script meets them. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { askJson, type JsonAnswer } from '../../../testing/ask-json.js';
import { ManualClock } from '../../../testing/manual-clock.js';
import { conflictOf } from '../../client/conflict-error.js';
import { DkvError, type DkvErrorCode } from '../../dkv.errors.js';
import { HttpController } from '../http/http-controller.js';
import { type KvService } from './kv-service.js';

const STAMP = { version: '018bcfe56800-0000-a!00000001', modified: 1_700_000_000_000 };
const VALUE = Uint8Array.of(0, 255, 10);

let calls: unknown[][];
let failure: Error | undefined;
let found: boolean;
let repetition: { readonly repeated?: true };
let logged: string[];
let controller: HttpController;
let port: number;

const kv: KvService = {
  async get(...call) {
    record('get', call);
    return found ? { ...STAMP, value: VALUE } : undefined;
  },
  async addOrUpdate(...call) {
    record('addOrUpdate', call);
    return { ...STAMP, ...repetition };
  },
  async remove(...call) {
    record('remove', call);
    return { existed: found, ...repetition };
  },
};

function record(method: string, call: unknown[]): void {
  calls.push([method, ...call]);
  if (failure) {
    throw failure;
  }
}

beforeEach(async () => {
  calls = [];
  logged = [];
  failure = undefined;
  found = true;
  repetition = {};
  const note = (message: string) => void logged.push(message);
  const peers = { serve: () => Promise.reject(new Error('not asked here')), receive: () => undefined };
  controller = new HttpController(
    peers,
    kv,
    new ManualClock(),
    { log: note, warn: note, error: note },
    { host: '127.0.0.1', port: 0, apiKey: 'the key', valueBytesMax: 1000 },
  );
  ({ port } = await controller.start());
});

afterEach(() => controller.stop());

function call(
  method: string,
  path: string,
  body?: string,
  headers: Record<string, string> = {},
): Promise<JsonAnswer> {
  return askJson({ port, method, path, headers: { 'X-Api-Key': 'the key', ...headers }, body });
}

const post = (body: unknown, query = '') => call('POST', `/kv${query}`, JSON.stringify(body));

describe('GET /kv/:key', () => {
  it('gives the pair, its value in base64', async () => {
    expect(await call('GET', '/kv/k')).toEqual({ status: 200, body: { key: 'k', value: 'AP8K', ...STAMP } });
    expect(calls).toEqual([['get', 'default', 'k', { noValue: false }]]);
  });

  it('leaves the value out when asked to, at the level and in the namespace asked for', async () => {
    const { body } = await call('GET', '/kv/k?no-value=true&consistency=quorum&namespace=sessions');
    expect(body).toEqual({ key: 'k', ...STAMP });
    expect(calls).toEqual([['get', 'sessions', 'k', { noValue: true, level: 'quorum' }]]);
  });

  it('says 404 when there is no value', async () => {
    found = false;
    const { status, body } = await call('GET', '/kv/gone');
    expect(status).toBe(404);
    expect(body).toEqual({ code: 'DKV_KEY_NOT_FOUND', message: expect.stringContaining('"gone"') as string });
  });

  const keys = [
    'a/b',
    '%',
    '%2F',
    '%252F',
    '👩‍🚀',
    '.',
    '..',
    '__proto__',
    'a b+c?d#e;f',
    '\u0000',
    '"',
    '*',
    ':key',
  ];
  it.each([...keys, 'é'.repeat(512), '\u0001'.repeat(1024)])('takes the key %j', async (key) => {
    const { status, body } = await call('GET', `/kv/${encodeURIComponent(key)}`);
    expect([status, body.key]).toEqual([200, key]);
    expect(calls[0]?.[2]).toBe(key);
  });

  const refused: [string, DkvErrorCode][] = [
    [`/kv/${'k'.repeat(1025)}`, 'DKV_INVALID_KEY'],
    [`/kv/${encodeURIComponent('é'.repeat(513))}`, 'DKV_INVALID_KEY'],
    ['/kv/%zz', 'DKV_INVALID_ARGUMENT'],
    ['/kv/%ff', 'DKV_INVALID_ARGUMENT'],
    ['/kv/k?consistency=all', 'DKV_INVALID_ARGUMENT'],
    ['/kv/k?consistency=one&consistency=one', 'DKV_INVALID_ARGUMENT'],
    ['/kv/k?no-value=1', 'DKV_INVALID_ARGUMENT'],
    ['/kv/k?namespace=', 'DKV_INVALID_ARGUMENT'],
    ['/kv/k?namespace=a%00b', 'DKV_INVALID_ARGUMENT'],
    [`/kv/k?namespace=${'n'.repeat(65)}`, 'DKV_INVALID_ARGUMENT'],
    ['/kv/k?constitency=one', 'DKV_INVALID_ARGUMENT'],
  ];
  it.each(refused)('refuses %s', async (path, code) => {
    const { status, body } = await call('GET', path);
    expect([status, body.code]).toEqual([400, code]);
    expect(calls).toEqual([]);
  });
});

describe('POST /kv', () => {
  it('writes bytes and answers with their stamp', async () => {
    const body = { key: 'a/b 👩‍🚀', value: 'AP8K', ttlMs: 5, consistency: 'all' };
    expect(await post(body, '?namespace=n')).toEqual({ status: 200, body: { key: body.key, ...STAMP } });
    expect(calls).toEqual([['addOrUpdate', 'n', body.key, VALUE, { ttlMs: 5, level: 'all' }]]);
  });

  it('takes back a pair as it was read, and ignores when it was modified', async () => {
    const { status } = await post({ key: 'k', value: '', modified: 1 });
    expect(status).toBe(200);
    expect(calls).toEqual([['addOrUpdate', 'default', 'k', new Uint8Array(0), {}]]);
  });

  const refused: [string, unknown, DkvErrorCode][] = [
    ['no key', { value: '' }, 'DKV_INVALID_ARGUMENT'],
    ['an empty key', { key: '', value: '' }, 'DKV_INVALID_KEY'],
    ['a lone surrogate', { key: '\ud800', value: '' }, 'DKV_INVALID_KEY'],
    ['no value', { key: 'k' }, 'DKV_INVALID_ARGUMENT'],
    ['a value that is not base64', { key: 'k', value: 'no base64!' }, 'DKV_INVALID_ARGUMENT'],
    ['unpadded base64', { key: 'k', value: 'AA' }, 'DKV_INVALID_ARGUMENT'],
    ['a negative lifetime', { key: 'k', value: '', ttlMs: -1 }, 'DKV_INVALID_ARGUMENT'],
    ['a lifetime as text', { key: 'k', value: '', ttlMs: '5' }, 'DKV_INVALID_ARGUMENT'],
    ['an unknown level', { key: 'k', value: '', consistency: 'most' }, 'DKV_INVALID_ARGUMENT'],
    ['a mistyped field', { key: 'k', value: '', ttlMS: 5 }, 'DKV_INVALID_ARGUMENT'],
    ['an array', [{ key: 'k', value: '' }], 'DKV_INVALID_ARGUMENT'],
    ['text', 'k', 'DKV_INVALID_ARGUMENT'],
    ['null', null, 'DKV_INVALID_ARGUMENT'],
    ['too large a value', { key: 'k', value: base64(1001) }, 'DKV_VALUE_TOO_LARGE'],
    ['too large a body', { key: 'k', value: base64(100_000) }, 'DKV_VALUE_TOO_LARGE'],
  ];
  it.each(refused)('refuses %s', async (_, body, code) => {
    const answer = await post(body);
    expect([answer.status, answer.body.code]).toEqual([400, code]);
    expect(Object.keys(answer.body)).toEqual(['code', 'message']);
    expect(calls).toEqual([]);
  });

  it('takes the largest value', async () => {
    expect((await post({ key: '\u0001'.repeat(1024), value: base64(1000) })).status).toBe(200);
  });

  it.each(['{"key":', '{"key":"k","value":"","__proto__":{"ttlMs":5}}', ''])(
    'refuses the body %s',
    async (body) => {
      const answer = await call('POST', '/kv', body, { 'Content-Type': 'application/json' });
      expect([answer.status, answer.body.code]).toEqual([400, 'DKV_INVALID_ARGUMENT']);
      expect(calls).toEqual([]);
    },
  );
});

describe('DELETE /kv/:key', () => {
  it.each([true, false])('says whether there was a value: %s', async (existed) => {
    found = existed;
    const answer = await call('DELETE', '/kv/a%2Fb?namespace=n&consistency=all');
    expect(answer).toEqual({ status: 200, body: { removed: existed } });
    expect(calls).toEqual([['remove', 'n', 'a/b', { level: 'all' }]]);
  });

  it('refuses a key that is none', async () => {
    const { status, body } = await call('DELETE', `/kv/${'k'.repeat(1025)}`);
    expect([status, body.code]).toEqual([400, 'DKV_INVALID_KEY']);
    expect(calls).toEqual([]);
  });
});

describe('ifVersion', () => {
  it.each([
    [STAMP.version, STAMP.version],
    ['absent', ''],
  ])('expects a version, or none: %s', async (ifVersion, expected) => {
    await post({ key: 'k', value: '', ifVersion });
    await call('DELETE', `/kv/k?ifVersion=${encodeURIComponent(ifVersion)}`);
    expect(calls).toEqual([
      ['addOrUpdate', 'default', 'k', new Uint8Array(0), { expected }],
      ['remove', 'default', 'k', { expected }],
    ]);
  });

  it('that is not there is 409 with what is', async () => {
    failure = conflictOf('k', STAMP.version, { key: 'k', value: VALUE, ...STAMP, version: 'newer' });
    const { status, body } = await post({ key: 'k', value: '', ifVersion: STAMP.version });
    expect(status).toBe(409);
    expect(body).toMatchObject({ code: 'DKV_CONFLICT', current: { ...STAMP, version: 'newer' } });
    expect(JSON.stringify(body)).not.toContain('value"');
  });

  it.each(['', 'newest', 5])('refuses %j', async (ifVersion) => {
    const answer = await post({ key: 'k', value: '', ifVersion });
    expect([answer.status, answer.body.code]).toEqual([400, 'DKV_INVALID_ARGUMENT']);
    expect(answer.body.message).toContain('ifVersion must be a version');
    expect(calls).toEqual([]);
  });
});

describe('idempotencyKey', () => {
  const named = { key: 'k', value: '', idempotencyKey: 'order 7' };
  const path = '/kv/k?idempotencyKey=order%207';

  it('names the request, and its answer says whether it had taken effect before', async () => {
    expect((await post(named)).body).toEqual({ key: 'k', ...STAMP });
    expect((await call('DELETE', path)).body).toEqual({ removed: true });
    repetition = { repeated: true };
    expect((await post(named)).body).toEqual({ key: 'k', ...STAMP, repeated: true });
    expect((await call('DELETE', path)).body).toEqual({ removed: true, repeated: true });
    const once = { idempotencyKey: 'order 7' };
    const write = ['addOrUpdate', 'default', 'k', new Uint8Array(0), once];
    expect(calls).toEqual([write, ['remove', 'default', 'k', once], write, ['remove', 'default', 'k', once]]);
  });

  it.each(['', 'n'.repeat(257), 5])('refuses %j', async (idempotencyKey) => {
    const answer = await post({ ...named, idempotencyKey });
    expect([answer.status, answer.body.code]).toEqual([400, 'DKV_INVALID_ARGUMENT']);
    expect(answer.body.message).toContain('idempotencyKey');
    expect(calls).toEqual([]);
  });
});

describe('outcomes', () => {
  const outcomes: [DkvErrorCode, number][] = [
    ['DKV_QUORUM_NOT_REACHED', 503],
    ['DKV_NOT_APPLIED', 503],
    ['DKV_INDETERMINATE', 504],
    ['DKV_TIMEOUT', 504],
    ['DKV_UNSUPPORTED', 400],
    ['DKV_UNKNOWN_NAMESPACE', 404],
  ];
  it.each(outcomes)('tell %s with status %i, code and message', async (code, status) => {
    failure = new DkvError(code, 'why', { cause: new Error('inside') });
    const expected = { status, body: { code, message: 'why' } };
    expect(await call('GET', '/kv/k')).toEqual(expected);
    expect(await post({ key: 'k', value: '' })).toEqual(expected);
    expect(await call('DELETE', '/kv/k')).toEqual(expected);
    expect(logged).toEqual([]);
  });

  it('keep the insides of an unexpected error in the log', async () => {
    failure = new Error('a secret');
    const { status, body } = await call('GET', '/kv/k');
    expect([status, body.code]).toEqual([500, 'INTERNAL']);
    expect(JSON.stringify(body)).not.toMatch(/secret|\.ts|stack/);
    expect(logged).toEqual([expect.stringContaining('a secret')]);
  });
});

describe('the door', () => {
  const routes: [string, string][] = [
    ['GET', '/kv/k'],
    ['POST', '/kv'],
    ['DELETE', '/kv/k'],
    ['POST', '/peer/get'],
    ['GET', '/nowhere'],
    ['GET', '/kv/%zz'],
  ];
  describe.each(['', 'the ke', 'the key ', 'THE KEY', 'é'])('with the key %j', (apiKey) => {
    it.each(routes)('is closed to %s %s', async (method, path) => {
      // Trailing blanks of a header are not part of it: sent as a second key instead.
      const headers = { 'X-Api-Key': apiKey.endsWith(' ') ? 'the key, the key' : apiKey };
      const { status, body } = await call(method, path, method === 'POST' ? '{' : undefined, headers);
      expect([status, body.code]).toEqual([403, 'DKV_FORBIDDEN']);
      expect(calls).toEqual([]);
    });
  });

  it.each([
    ['GET', '/nowhere'],
    ['GET', '/kv'],
    ['PUT', '/kv/k'],
    ['GET', '/peer/get'],
    ['GET', '/kv/k/more'],
  ])('knows no route %s %s', async (method, path) => {
    const { status, body } = await call(method, path);
    expect([status, body.code]).toEqual([404, 'ROUTE_NOT_FOUND']);
    expect(Object.keys(body)).toEqual(['code', 'message']);
  });
});

function base64(bytes: number): string {
  return Buffer.alloc(bytes, 7).toString('base64');
}
