/** The routes of operators as a script meets them: who is let in, what is answered, what is refused. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { askJson, type JsonAnswer } from '../../../testing/ask-json.js';
import { ManualClock } from '../../../testing/manual-clock.js';
import { DkvError } from '../../dkv.errors.js';
import { HttpController, type HttpControllerOptions } from '../http/http-controller.js';
import { type AdminService } from './admin-service.js';
import { type KvService } from './kv-service.js';

const API = { 'X-Api-Key': 'the api key' };
const ADMIN = { 'X-Admin-Key': 'the admin key' };

let calls: unknown[][];
let failure: Error | undefined;
let controllers: HttpController[];
let clock: ManualClock;
let port: number;

/** What is answered is for the service to say: here a text that names the question. */
function told(...call: unknown[]): Promise<never> {
  calls.push(call);
  return failure ? Promise.reject(failure) : Promise.resolve({ told: call[0] } as never);
}

/** A change of the members. */
async function agreed(...call: unknown[]): Promise<number> {
  await told(...call);
  return 7;
}

const service: AdminService = {
  cluster: () => told('cluster'),
  partitions: () => told('partitions'),
  explain: (namespace, key) => told('explain', namespace, key),
  diagnose: () => told('diagnose'),
  transferLeadership: (group, nodeId) => told('transfer', group, nodeId),
  moves: () => told('moves'),
  admit: (nodeId) => agreed('admit', nodeId),
  decommission: (nodeId) => agreed('decommission', nodeId),
  remove: (nodeId) => agreed('remove', nodeId),
  replace: (nodeId, byNodeId) => agreed('replace', nodeId, byNodeId),
  keep: (nodeId) => agreed('keep', nodeId),
  setWeight: (nodeId, weight) => agreed('setWeight', nodeId, weight),
  setZone: (nodeId, zone) => agreed('setZone', nodeId, zone),
  setReplicas: (replicas, namespace) => agreed('setReplicas', replicas, namespace),
  setPreferredZones: (zones) => agreed('setPreferredZones', ...zones),
};

const kv: KvService = {
  get: async () => ({ value: Uint8Array.of(7), version: 'v', modified: 1 }),
  addOrUpdate: () => Promise.reject(new Error('not asked here')),
  remove: () => Promise.resolve({ existed: true }),
};

async function start(options: Partial<HttpControllerOptions> = {}): Promise<number> {
  const silent = { log() {}, warn() {}, error() {} };
  const peers = { serve: () => Promise.reject(new Error('not asked here')), receive: () => undefined };
  const controller = new HttpController(peers, kv, clock, silent, {
    host: '127.0.0.1',
    port: 0,
    apiKey: 'the api key',
    admin: { key: 'the admin key', service },
    valueBytesMax: 1000,
    ...options,
  });
  controllers.push(controller);
  return (await controller.start()).port;
}

beforeEach(async () => {
  calls = [];
  failure = undefined;
  controllers = [];
  clock = new ManualClock();
  port = await start();
});

afterEach(() => Promise.all(controllers.map((controller) => controller.stop())));

function call(
  method: string,
  path: string,
  headers: Record<string, string> = ADMIN,
  body?: unknown,
  to = port,
): Promise<JsonAnswer> {
  const text = body === undefined ? undefined : JSON.stringify(body);
  return askJson({ port: to, method, path, headers, body: text });
}

const TRANSFER = { group: 5, nodeId: 'b' };
const ROUTES: [string, string, unknown?][] = [
  ['GET', '/admin/cluster'],
  ['GET', '/admin/partitions'],
  ['GET', '/admin/explain?key=k'],
  ['GET', '/admin/diagnosis'],
  ['POST', '/admin/transfer-leadership', TRANSFER],
  ['GET', '/admin/moves'],
  ['POST', '/admin/admit', { nodeId: 'd' }],
  ['POST', '/admin/decommission', { nodeId: 'c' }],
  ['POST', '/admin/remove', { nodeId: 'c' }],
  ['POST', '/admin/replace', { nodeId: 'c', byNodeId: 'd' }],
  ['POST', '/admin/keep', { nodeId: 'c' }],
  ['POST', '/admin/weight', { nodeId: 'c', weight: 2 }],
  ['POST', '/admin/zone', { nodeId: 'c', zone: 'eu-1c' }],
  ['POST', '/admin/replicas', { replicas: 2 }],
  ['POST', '/admin/zones', { zones: ['eu-1c'] }],
];

describe('with the admin key', () => {
  it.each([
    ['/admin/cluster', ['cluster']],
    ['/admin/partitions', ['partitions']],
    ['/admin/diagnosis', ['diagnose']],
    ['/admin/moves', ['moves']],
    ['/admin/explain?key=a%2Fb%20%26', ['explain', 'default', 'a/b &']],
    ['/admin/explain?namespace=n&key=k', ['explain', 'n', 'k']],
  ])('%s answers what the node tells', async (path, asked) => {
    expect(await call('GET', path)).toEqual({ status: 200, body: { told: asked[0] } });
    expect(calls).toEqual([asked]);
  });

  it('a leadership is handed on, and the answer names who has it', async () => {
    const answer = await call('POST', '/admin/transfer-leadership', ADMIN, TRANSFER);
    expect(answer).toEqual({ status: 200, body: { group: 5, leader: 'b' } });
    expect(calls).toEqual([['transfer', 5, 'b']]);
  });

  it.each<[string, object | undefined, unknown[]]>([
    ['admit', { nodeId: 'd' }, ['admit', 'd']],
    ['decommission', { nodeId: 'c' }, ['decommission', 'c']],
    ['decommission', {}, ['decommission', undefined]],
    ['decommission', undefined, ['decommission', undefined]],
    ['remove', { nodeId: 'c' }, ['remove', 'c']],
    ['replace', { nodeId: 'c', byNodeId: 'd' }, ['replace', 'c', 'd']],
    ['keep', { nodeId: 'c' }, ['keep', 'c']],
    ['weight', { nodeId: 'c', weight: 0.5 }, ['setWeight', 'c', 0.5]],
    ['zone', { nodeId: 'c', zone: 'eu 1' }, ['setZone', 'c', 'eu 1']],
    ['zone', { nodeId: 'c', zone: '' }, ['setZone', 'c', '']],
    ['replicas', { replicas: 0 }, ['setReplicas', 0, undefined]],
    ['replicas', { replicas: 15, namespace: 'n' }, ['setReplicas', 15, 'n']],
    ['zones', { zones: ['eu 1', 'b'] }, ['setPreferredZones', 'eu 1', 'b']],
    ['zones', { zones: [] }, ['setPreferredZones']],
  ])('%s of %j is passed on, and the answer has the epoch', async (route, body, asked) => {
    const answer = await call('POST', `/admin/${route}`, ADMIN, body);
    expect(answer).toEqual({ status: 200, body: { epoch: 7 } });
    expect(calls).toEqual([asked]);
  });

  it('the store is open, too', async () => {
    expect((await call('GET', '/kv/k')).body).toMatchObject({ key: 'k', value: 'Bw==' });
    expect((await call('DELETE', '/kv/k')).body).toEqual({ removed: true });
  });

  it.each([
    ['GET', '/peer/get'],
    ['POST', '/peer/get'],
    ['POST', '/peer/post/live'],
    ['GET', '/nowhere'],
    ['GET', '/administer'],
  ])('%s %s is closed', async (method, path) => {
    expect(await call(method, path)).toMatchObject({ status: 403, body: { code: 'DKV_FORBIDDEN' } });
  });

  it('there is no stream of peers', async () => {
    const socket = connect(port, '127.0.0.1');
    socket.write(
      'GET /peer/stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: dkv-peer\r\nX-Dkv-Format: 3\r\n' +
        'X-Dkv-Node: b\r\nX-Dkv-Lane: live\r\nX-Admin-Key: the admin key\r\n\r\n',
    );
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1.1 403 [^]*DKV_FORBIDDEN/);
    socket.destroy();
  });

  it('a route that is none is 404', async () => {
    expect(await call('GET', '/admin/nothing')).toMatchObject({
      status: 404,
      body: { code: 'ROUTE_NOT_FOUND' },
    });
  });

  it.each([
    ['GET', '/admin/cluster?verbose=true', undefined],
    ['GET', '/admin/partitions?group=1', undefined],
    ['GET', '/admin/diagnosis?nodeId=b', undefined],
    ['GET', '/admin/explain', undefined],
    ['GET', '/admin/explain?key=k&key=l', undefined],
    ['GET', '/admin/explain?key=k&name=l', undefined],
    ['GET', '/admin/explain?key=k&namespace=', undefined],
    ['GET', '/admin/%zz', undefined],
    ['POST', '/admin/transfer-leadership', {}],
    ['POST', '/admin/transfer-leadership', { ...TRANSFER, group: '5' }],
    ['POST', '/admin/transfer-leadership', { ...TRANSFER, group: -1 }],
    ['POST', '/admin/transfer-leadership', { ...TRANSFER, nodeId: 'a b' }],
    ['POST', '/admin/transfer-leadership', { ...TRANSFER, force: true }],
    ['POST', '/admin/transfer-leadership?force=true', TRANSFER],
    ['GET', '/admin/moves?nodeId=b', undefined],
    ...['admit', 'decommission', 'remove', 'keep'].flatMap((route): [string, string, object][] => [
      ['POST', `/admin/${route}`, { nodeId: 'a b' }],
      ['POST', `/admin/${route}`, { nodeId: 5 }],
      ['POST', `/admin/${route}`, { nodeId: null }],
      ['POST', `/admin/${route}`, { nodeId: 'c', force: true }],
      ['POST', `/admin/${route}?force=true`, { nodeId: 'c' }],
    ]),
    ...['admit', 'remove', 'keep', 'replace', 'weight', 'zone'].map((route): [string, string, object] => [
      'POST',
      `/admin/${route}`,
      {},
    ]),
    ['POST', '/admin/replace', { nodeId: 'c' }],
    ['POST', '/admin/replace', { byNodeId: 'd' }],
    ['POST', '/admin/replace', { nodeId: 'c', byNodeId: '' }],
    ['POST', '/admin/weight', { nodeId: 'c' }],
    ['POST', '/admin/weight', { nodeId: 'c', weight: '2' }],
    ['POST', '/admin/weight', { nodeId: 'c', weight: 0 }],
    ['POST', '/admin/weight', { nodeId: 'c', weight: -1 }],
    ...[{}, { replicas: -1 }, { replicas: 16 }, { replicas: 1.5 }, { replicas: '2' }].map(
      (body): [string, string, object] => ['POST', '/admin/replicas', body],
    ),
    ['POST', '/admin/replicas', { replicas: 2, namespace: null }],
    ['POST', '/admin/replicas', { replicas: 2, nodeId: 'c' }],
    ['POST', '/admin/zones', {}],
    ['POST', '/admin/zones', { zones: 'eu-1c' }],
    ['POST', '/admin/zones', { zones: ['a', 'a'] }],
    ['POST', '/admin/zones', { zones: [''] }],
    ['POST', '/admin/zone', { nodeId: 'c' }],
    ['POST', '/admin/zone', { nodeId: 'c', zone: 1 }],
    ['POST', '/admin/zone', { nodeId: 'c', zone: 'z'.repeat(101) }],
  ])('%s %s with %j is refused', async (method, path, body) => {
    expect(await call(method, path, ADMIN, body)).toMatchObject({
      status: 400,
      body: { code: 'DKV_INVALID_ARGUMENT' },
    });
    expect(calls).toEqual([]);
  });

  it('a key that is none is refused by its own code', async () => {
    const { status, body } = await call('GET', `/admin/explain?key=${'k'.repeat(1025)}`);
    expect([status, body.code]).toEqual([400, 'DKV_INVALID_KEY']);
    expect(calls).toEqual([]);
  });

  describe.each([
    'DKV_INVALID_ARGUMENT',
    'DKV_NOT_READY',
    'DKV_QUORUM_NOT_REACHED',
    'DKV_CONFLICT',
    'DKV_TIMEOUT',
    'DKV_INDETERMINATE',
  ] as const)('the error %s', (code) => {
    it.each(ROUTES.filter(([method]) => method === 'POST'))(
      'of %s %s travels with its message',
      async (method, path, body) => {
        failure = new DkvError(code, 'why');
        const answer = await call(method, path, ADMIN, body);
        expect(answer).toEqual({ status: new DkvError(code, '').status, body: { code, message: 'why' } });
      },
    );
  });
});

describe.each<[string, Record<string, string>]>([
  ['no key', {}],
  ['the api key alone', API],
  ['a wrong admin key', { 'X-Admin-Key': 'the admin kez' }],
  ['a wrong admin key beside the api key', { ...API, 'X-Admin-Key': 'the admin kez' }],
  ['the api key as admin key', { 'X-Admin-Key': 'the api key' }],
])('with %s', (_, headers) => {
  it.each(ROUTES)('%s %s is closed', async (method, path, body) => {
    const answer = await call(method, path, headers, body);
    expect(answer).toEqual({
      status: 403,
      body: { code: 'DKV_FORBIDDEN', message: 'The header X-Admin-Key is missing or wrong.' },
    });
    expect(calls).toEqual([]);
  });

  it.each([
    '/%61dmin/cluster',
    '/admin%2Fcluster',
    '//admin/cluster',
    '/admin//cluster',
    '/./admin/cluster',
    '/ADMIN/cluster',
  ])('no spelling of a path is a way in: %s', async (path) => {
    expect([403, 404]).toContain((await call('GET', path, headers)).status);
    expect(calls).toEqual([]);
  });
});

describe('without the option adminKey', () => {
  it.each(ROUTES)(
    '%s %s is closed whatever is shown, and the answer names the option',
    async (method, path, body) => {
      const closed = await start({ admin: undefined });
      for (const headers of [{}, API, ADMIN, { ...API, ...ADMIN }]) {
        const answer = await call(method, path, headers, body, closed);
        expect(answer).toMatchObject({ status: 403, body: { code: 'DKV_FORBIDDEN' } });
        expect(answer.body.message).toContain('adminKey');
      }
      expect(calls).toEqual([]);
    },
  );
});

it('a connection that has shown the admin key has all the time that one of a peer has', async () => {
  const socket = connect(port, '127.0.0.1');
  const ask = async () => {
    socket.write('GET /admin/cluster HTTP/1.1\r\nHost: x\r\nX-Admin-Key: the admin key\r\n\r\n');
    let answer = '';
    while (!answer.endsWith('}')) {
      answer += String((await once(socket, 'data'))[0]);
    }
    return answer;
  };
  expect(await ask()).toMatch(/^HTTP\/1.1 200 /);
  clock.advance(60_000);
  expect(await ask()).toMatch(/^HTTP\/1.1 200 /);
  socket.destroy();
});
