/** Who has no key, a wrong one, or that of another role, and whoever asks in odd ways: nobody gets in. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ADMIN_KEY,
  API_KEY,
  AS_OPERATOR,
  AS_PEER,
  AttackedNode,
  type Route,
  routes,
  type Sent,
} from './attacked-node.js';

let node: AttackedNode;

beforeAll(async () => {
  node = await AttackedNode.start();
});

afterAll(async () => {
  await node.expectUnharmed();
  await node.stop();
});

const FORBIDDEN = { code: 'DKV_FORBIDDEN' };

const NO_KEYS: [string, Sent['headers']][] = [
  ['no key', {}],
  ['an empty key', { 'X-Api-Key': '', 'X-Admin-Key': '' }],
  ['a key that is nearly right', { 'X-Api-Key': `${API_KEY}x`, 'X-Admin-Key': ADMIN_KEY.slice(0, -1) }],
  ['each key in the place of the other', { 'X-Api-Key': ADMIN_KEY, 'X-Admin-Key': API_KEY }],
  ['each key twice', { 'X-Api-Key': [API_KEY, API_KEY], 'X-Admin-Key': [ADMIN_KEY, ADMIN_KEY] }],
  ['keys in other cases', { 'X-Api-Key': API_KEY.toUpperCase(), 'X-Admin-Key': ADMIN_KEY.toUpperCase() }],
  ['keys elsewhere', { Authorization: `Bearer ${API_KEY}`, Cookie: `X-Api-Key=${API_KEY}` }],
];

/** Whose key does not open it. */
const OTHERS: Record<Route['controller'], Sent['headers'] | undefined> = {
  admin: AS_PEER,
  peer: AS_OPERATOR,
  kv: undefined,
};

const ROUTES = routes();

it('are all there: of operators, of the store, of nodes', () => {
  const paths = ROUTES.map(({ method, path }) => `${method} ${path}`);
  expect(paths).toEqual(
    expect.arrayContaining([
      'POST /admin/remove',
      'POST /kv',
      'DELETE /kv/k',
      'POST /peer/get',
      'POST /peer/post/live',
    ]),
  );
  expect(paths.length).toBeGreaterThan(28);
});

describe.each(NO_KEYS)('with %s', (_, headers) => {
  it.each([...ROUTES, { method: 'GET', path: '/' }, { method: 'GET', path: '/peer/stream' }])(
    '$method $path is refused, and the connection closed',
    async ({ method, path }) => {
      const seen = await node.send({ method, path, headers });
      expect([seen.status, seen.connection]).toEqual([403, 'close']);
      expect(JSON.parse(seen.text)).toMatchObject(FORBIDDEN);
    },
  );
});

describe('with the key of the other role', () => {
  it.each(ROUTES.filter(({ controller }) => OTHERS[controller]))(
    '$method $path is refused',
    async ({ method, path, controller }) => {
      const seen = await node.send({ method, path, headers: OTHERS[controller] });
      expect([seen.status, JSON.parse(seen.text)]).toMatchObject([403, FORBIDDEN]);
    },
  );

  it.each([
    '/%61dmin/cluster',
    '/admin%2Fcluster',
    '/%2e/admin/cluster',
    '//admin/cluster',
    '/kv/../admin/cluster',
    '/kv/%2e%2e/admin/cluster',
    '/./admin/cluster',
    '/ADMIN/cluster',
    '/admin/cluster/',
    '/admin/cluster?x=/kv',
    '/admin;/cluster',
    '/kv\\..\\admin\\cluster',
    'http://127.0.0.1/admin/cluster',
    '/admin/cluster#/kv',
    '/admin/cluster%00',
  ])('no spelling of a path opens it: %s', async (path) => {
    const seen = await node.send({ method: 'GET', path, headers: AS_PEER });
    expect([400, 403, 404]).toContain(seen.status);
    expect(seen.text).not.toContain('epoch');
  });
});

describe('with both keys, a wrong method', () => {
  const paths = [...new Set(ROUTES.map(({ path }) => path))];

  it.each(['PUT', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND', 'LOCK'])('finds nothing: %s', async (method) => {
    for (const path of paths) {
      const seen = await node.send({ method, path, headers: { ...AS_PEER, ...AS_OPERATOR } });
      expect([method, path, seen.status]).toEqual([method, path, 404]);
    }
  });

  it('of a proxy gets no answer at all', async () => {
    const text = await node.answerTo(
      `CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: x\r\nX-Api-Key: ${API_KEY}\r\n\r\n`,
    );
    expect(text).not.toContain('200');
  });
});

describe('a request that two readers may read differently', () => {
  const key = `X-Api-Key: ${API_KEY}\r\n`;
  it.each([
    [
      'two lengths',
      `POST /kv HTTP/1.1\r\nHost: x\r\n${key}Content-Length: 4\r\nContent-Length: 5\r\n\r\n{}{}{`,
    ],
    [
      'a length and chunks',
      `POST /kv HTTP/1.1\r\nHost: x\r\n${key}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    ['a space before the colon', `GET /kv/k HTTP/1.1\r\nHost: x\r\nX-Api-Key : ${API_KEY}\r\n\r\n`],
    ['a folded header', `GET /kv/k HTTP/1.1\r\nHost: x\r\nX-Api-Key:\r\n ${API_KEY}\r\n\r\n\r\n`],
    ['a bare line feed', `GET /kv/k HTTP/1.1\nHost: x\n${key}\n\n`],
    ['NUL in a header', `GET /kv/k HTTP/1.1\r\nHost: x\r\nX-Api-Key: ${API_KEY}\0\r\n\r\n`],
    ['no host', `GET /kv/k HTTP/1.1\r\n${key}\r\n`],
    ['a version that is none', `GET /kv/k HTTP/9.9\r\nHost: x\r\n${key}\r\n`],
  ])('is malformed: %s', async (_, bytes) => {
    expect(await node.answerTo(bytes)).toMatch(
      /^HTTP\/1.1 400 [^]*(DKV_INVALID_ARGUMENT|connection: close)/i,
    );
  });
});
