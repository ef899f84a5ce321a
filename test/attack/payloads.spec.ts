/** What somebody with a key may send in any field, of any size and shape: an answer with a code, and a log that stays small. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { API_KEY, AS_OPERATOR, AS_PEER, AttackedNode, routes, type Seen, sendJson } from './attacked-node.js';

const BOTH = { ...AS_PEER, ...AS_OPERATOR };
const KIB = 1024;

let node: AttackedNode;

beforeAll(async () => {
  node = await AttackedNode.start();
});

afterAll(async () => {
  await node.expectUnharmed();
  // What was told of all that are few lines.
  expect(node.log.warnings.length).toBeLessThan(20);
  expect(node.read.split('\n').every((line) => !/[\u0000-\u001f\u007f]/.test(line))).toBe(true);
  await node.stop();
});

/** An answer that a script can go by: a code of ours, no insides. */
function expectCode({ status, text }: Seen, what: unknown): string {
  const { code, ...rest } = JSON.parse(text) as { code?: string };
  expect([what, Object.keys(rest)]).toEqual([what, ['message']]);
  expect([what, code]).toEqual([what, expect.stringMatching(/^(DKV_[A-Z_]+|ROUTE_NOT_FOUND)$/)]);
  expect([what, text]).toEqual([what, expect.not.stringMatching(/\.[jt]s:\d+|node_modules|\n\s+at /)]);
  expect([what, status]).not.toEqual([what, 500]);
  return code!;
}

const VALID: Record<string, unknown> = {
  nodeId: 'a',
  byNodeId: 'b',
  weight: 1,
  zone: 'z',
  zones: ['z'],
  group: 0,
  replicas: 0,
  namespace: 'default',
  key: 'k',
  value: 'AAAA',
};
const FIELDS: Record<string, readonly string[]> = {
  '/kv': ['key', 'value', 'ttlMs', 'consistency', 'ifVersion', 'idempotencyKey', 'evil', '__proto__'],
  '/admin/transfer-leadership': ['group', 'nodeId'],
  '/admin/admit': ['nodeId'],
  '/admin/decommission': ['nodeId'],
  '/admin/remove': ['nodeId'],
  '/admin/replace': ['nodeId', 'byNodeId'],
  '/admin/keep': ['nodeId'],
  '/admin/weight': ['nodeId', 'weight'],
  '/admin/zone': ['nodeId', 'zone'],
  '/admin/zones': ['zones'],
  '/admin/replicas': ['replicas', 'namespace'],
};
/** In JSON; each is wrong in every field that is looked at. */
const WRONG: readonly string[] = [
  'null',
  '[]',
  '[[[[]]]]',
  '{}',
  '{"toString":1,"length":1e9}',
  '{"__proto__":{"a":1}}',
  '{"constructor":{"prototype":{"a":1}}}',
  '-1',
  '1.5',
  '1e999',
  '-0.1e-9',
  'true',
  '""',
  '"\\u0000"',
  '"\\ud800"',
  '"a\\r\\nb"',
  '"../../etc/passwd"',
  '"\\u202e\\u001b[31m"',
  JSON.stringify('x'.repeat(40_000)),
  '9007199254740993',
];

const RIGHT = [
  'zone: ""',
  'zones: []',
  'zone: "..',
  'weight: 1.5',
  'weight: 9007',
  'key: "..',
  'key: "\\u0000',
  'key: "a\\r',
  'key: "\\u202e',
  'value: ""',
  'ttlMs: null',
  'consistency: null',
  'ifVersion: null',
  'idempotencyKey: ',
];

describe('a wrong value in a field', () => {
  const posts = routes().filter(({ method, controller }) => method === 'POST' && controller !== 'peer');

  it('is looked for in every route that takes a body', () => {
    expect(posts.map(({ path }) => path).sort()).toEqual(Object.keys(FIELDS).sort());
  });

  it.each(posts)('has a code: $path', async ({ path }) => {
    for (const field of FIELDS[path]!) {
      for (const wrong of WRONG) {
        const names = [...new Set([...FIELDS[path]!.filter((name) => name in VALID), field])];
        const members = names.map(
          (name) => `"${name}":${name === field ? wrong : JSON.stringify(VALID[name])}`,
        );
        const seen = await node.send(sendJson('POST', path, `{${members.join()}}`, BOTH));
        const what = `${field}: ${wrong.slice(0, 60)}`;
        if (seen.status === 200) {
          // No zone is a zone and no list of them a list, half a node's share a share, and any text names a record.
          expect([what, RIGHT.some((right) => what.startsWith(right))]).toEqual([what, true]);
        } else {
          expectCode(seen, what);
        }
      }
    }
  });

  it.each([
    '/kv/k?namespace=',
    '/kv/k?namespace=%00',
    '/kv/k?namespace=a&namespace=b',
    '/kv/k?namespace[x]=a',
    '/kv/k?__proto__[namespace]=a',
    '/kv/k?namespace=nobody',
    '/kv/k?consistency=most',
    '/kv/k?no-value=perhaps',
    '/kv/k?%',
    '/kv/%',
    '/kv/%ff',
    '/kv/%00%ff',
    '/kv/',
    `/kv/${'x'.repeat(1025)}`,
    `/kv/${'%F0%9F%9B%B0'.repeat(300)}`,
    '/kv/k?namespace=dkv.system',
    '/admin/explain',
    '/admin/explain?key=',
    '/admin/explain?key=a&key=b',
    '/admin/explain?key=k&namespace=nobody',
    '/admin/cluster?evil=1',
    '/peer/toString',
    '/peer/__proto__',
    '/peer/post/sideways',
  ])('of a path or a query has one: %s', async (path) => {
    for (const method of path.startsWith('/peer') ? ['POST'] : ['GET', 'DELETE']) {
      const seen = await node.send({ method, path, headers: { ...BOTH, 'X-Dkv-Format': '3' } });
      const code = expectCode(seen, path);
      expect([path, code]).not.toEqual([path, 'DKV_KEY_NOT_FOUND']);
    }
  });
});

it.each(['__proto__', 'constructor', '__proto__[namespace]'])(
  'a query finds nothing in prototypes: %s',
  async (name) => {
    const seen = await node.send({ method: 'GET', path: `/kv/k?${name}=presence`, headers: AS_PEER });
    expect(['DKV_KEY_NOT_FOUND', 'DKV_INVALID_ARGUMENT']).toContain(expectCode(seen, name));
  },
);

describe('a key that looks like a path', () => {
  it.each([
    '../../etc/passwd',
    '..',
    '.',
    '/',
    '\\..\\x',
    'C:\\x',
    'a\0b',
    '__proto__',
    'constructor',
    '%2e%2e',
    '{}',
    "'; --",
  ])('is a key like any other: %j', async (key) => {
    const path = `/kv/${encodeURIComponent(key)}`;
    const value = Buffer.from(`value of ${key}`).toString('base64');
    const ask = (method: string) => node.send({ method, path, headers: AS_PEER });
    expect((await node.send(sendJson('POST', '/kv', JSON.stringify({ key, value }), AS_PEER))).status).toBe(
      200,
    );
    const found = await ask('GET');
    expect(JSON.parse(found.text)).toMatchObject({ key, value });
    expect(JSON.parse((await ask('DELETE')).text)).toMatchObject({ removed: true });
    expect((await ask('GET')).status).toBe(404);
  });
});

describe('a body', () => {
  const deep = (open: string, close: string, depth: number) => open.repeat(depth) + close.repeat(depth);
  it.each<[string, string]>([
    ['is deep', `{"key":"k","value":"","modified":${deep('[', ']', 40_000)}}`],
    [
      'is deep, in objects',
      `{"key":"k","value":"","modified":${deep('{"a":', '}', 15_000).replace(':}', ':1}')}}`,
    ],
    ['is never closed', '['.repeat(80_000)],
    ['has many fields', `{${Array.from({ length: 9_000 }, (_, at) => `"f${at}":0`).join()}}`],
    ['is a list', JSON.stringify(Array.from({ length: 20_000 }, () => ({})))],
    ['is no object', '"text"'],
    ['is null', 'null'],
    ['is empty', ''],
    ['is half', '{"key":"k"'],
    ['is two', '{"key":"k","value":""}{}'],
    ['poisons prototypes', '{"key":"k","value":"","__proto__":{"isAdmin":true}}'],
    ['poisons constructors', '{"key":"k","value":"","constructor":{"prototype":{"isAdmin":true}}}'],
    ['has a key twice, the second of another type', '{"key":"k","key":["k"],"value":""}'],
    ['begins with a mark of its order', '\ufeff{"key":"k","value":"","evil":1}'],
    ['has a value that is not base64', '{"key":"k","value":"not base64"}'],
  ])('that %s is refused with 400', async (_, body) => {
    const seen = await node.send(sendJson('POST', '/kv', body, AS_PEER));
    expectCode(seen, body.slice(0, 40));
    expect(seen.status).toBe(400);
    expect('isAdmin' in {}).toBe(false);
  });

  it('that is too large is refused before it is there', async () => {
    const head = (type: string) =>
      `POST /kv HTTP/1.1\r\nHost: x\r\nX-Api-Key: ${API_KEY}\r\nContent-Type: ${type}\r\nContent-Length: 999999999999\r\n\r\n`;
    for (const type of ['application/json', 'application/octet-stream']) {
      expect(await node.answerTo(head(type))).toMatch(/^HTTP\/1.1 400 [^]*DKV_VALUE_TOO_LARGE/);
    }
    const value = Buffer.alloc(64 * KIB + 1).toString('base64');
    const seen = await node.send(sendJson('POST', '/kv', JSON.stringify({ key: 'k', value }), AS_PEER));
    expect([seen.status, expectCode(seen, 'a value')]).toEqual([400, 'DKV_VALUE_TOO_LARGE']);
  });

  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/xml',
    'a/b/c',
  ])('of a type that a browser sends anywhere is refused: %s', async (type) => {
    const body = JSON.stringify({ key: 'k', value: '' });
    const seen = await node.send({
      method: 'POST',
      path: '/kv',
      body,
      headers: { ...AS_PEER, 'Content-Type': type },
    });
    expect([seen.status, expectCode(seen, type)]).toEqual([400, 'DKV_INVALID_ARGUMENT']);
  });
});

describe('headers', () => {
  it('of any number of spaces and commas cost no time that grows faster than they do', async () => {
    const upgrade = (text: string) =>
      node.answerTo(
        `GET /peer/stream HTTP/1.1\r\nHost: x\r\nX-Api-Key: ${API_KEY}\r\nConnection: Upgrade\r\nUpgrade: ${text}\r\n\r\n`,
      );
    for (const text of [
      ' '.repeat(15_000) + 'x',
      ', '.repeat(7_000) + 'x',
      'dkv-peer' + ' '.repeat(15_000) + ',x',
    ]) {
      expect(await upgrade(text)).toMatch(/^HTTP\/1.1 404 [^]*ROUTE_NOT_FOUND/);
    }
  });

  it('that are too large are refused', async () => {
    const text = await node.answerTo(`GET /kv/k HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`);
    expect(text).toMatch(/^HTTP\/1.1 (400|431) /);
  });

  it('that name a node put nothing into the log but what a name may have', async () => {
    for (let name = 0; name < 300; name++) {
      const headers = { 'X-Api-Key': 'wrong', 'X-Dkv-Node': name % 2 ? `evil-${name}` : 'a b\u00ff' };
      await node.send({ method: 'POST', path: '/peer/get', headers });
    }
    expect(node.log.warnings.filter((line) => line.includes('evil-')).length).toBeLessThanOrEqual(10);
    expect(node.read).not.toContain('\u00ff');
  });
});
