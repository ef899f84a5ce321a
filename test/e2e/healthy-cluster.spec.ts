/** A healthy cluster of three processes: any node answers for any key, and says no clearly. */
import { describe, expect, it } from 'vitest';
import { itemPath } from './demo-client.js';
import { API_KEY, useCluster } from './demo-cluster.js';
import { samplesOf } from './metrics-text.js';
import { until } from './until.js';

const KEYS = [
  'plain',
  'a/b',
  '/',
  '%',
  '%2F',
  '100%25',
  ' two  spaces ',
  '?query#hash&x=y+z',
  'ключ',
  '🛰️ satellite',
  '__proto__',
  'constructor',
  '.',
  '..',
  '../..',
  '\u0000\n',
  'k'.repeat(1024),
  '🛰'.repeat(256),
];

const VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1.5,
  12345678901234567890,
  '',
  'text',
  '"quoted" \\ \u0000 🛰',
  [],
  {},
  [1, [2, { three: [null] }]],
  { 'a/b': { '': [] }, constructor: 1, length: '2' },
];

const json = (value: unknown) => ({ body: JSON.stringify(value) });

describe('a healthy cluster', { timeout: 300_000 }, () => {
  const cluster = useCluster(3);

  it('gives what one node wrote to whoever asks any other', async () => {
    for (const writer of cluster().nodes) {
      const key = `through ${writer.id}`;
      const written = await writer.http.put(key, { by: writer.id });
      expect(written.status).toBe(200);
      expect(written.body).toEqual({
        key,
        modified: expect.any(Number) as number,
        version: expect.any(String) as string,
      });
      for (const reader of cluster().nodes) {
        const read = await reader.http.get(key, 'quorum');
        expect(read.body).toEqual({ ...written.body, value: { by: writer.id } });
      }
    }
  });

  it('shows a write at its own node at once, and soon in the copy of every other', async () => {
    for (const writer of cluster().nodes) {
      const key = `at ${writer.id}`;
      const written = await writer.http.put(key, writer.id);
      const shown = { ...written.body, value: writer.id };
      expect((await writer.http.get(key, 'one')).body).toEqual(shown);
      for (const reader of cluster().nodes) {
        expect((await reader.http.get(key, 'quorum')).body).toEqual(shown);
        await until(`${reader.id} to show ${key}`, async () => {
          const { status, body } = await reader.http.get(key, 'one');
          return status === 200 && body.version === written.body.version;
        });
      }
    }
  });

  it('gives back every JSON value as it was sent', async () => {
    const [first, , third] = cluster().nodes;
    for (const [index, value] of VALUES.entries()) {
      expect((await first!.http.put(`value ${index}`, value)).status).toBe(200);
      expect((await third!.http.get(`value ${index}`, 'quorum')).body.value).toEqual(value);
    }
  });

  it.each(KEYS.map((key) => [key.slice(0, 20), key] as const))('takes the key %j…', async (_, key) => {
    const [first, second, third] = cluster().nodes;
    expect((await first!.http.put(key, key)).body.key).toBe(key);
    expect((await second!.http.get(key, 'quorum')).body).toMatchObject({ key, value: key });
    expect((await third!.http.remove(key)).body).toEqual({ removed: true });
    expect((await second!.http.get(key, 'quorum')).status).toBe(404);
  });

  it('tells whether a delete found something, and shows nothing of it afterwards', async () => {
    const [first, second] = cluster().nodes;
    await first!.http.put('short-lived', 1);
    expect((await second!.http.remove('short-lived')).body).toEqual({ removed: true });
    expect((await first!.http.remove('short-lived')).body).toEqual({ removed: false });
    for (const node of cluster().nodes) {
      const read = await node.http.get('short-lived', 'quorum');
      expect(read).toMatchObject({ status: 404, body: { code: 'DKV_KEY_NOT_FOUND' } });
    }
  });

  it('orders concurrent writes of one key the same way for everybody', async () => {
    const writes = await Promise.all(
      Array.from({ length: 30 }, (_, n) => cluster().nodes[n % 3]!.http.put('contended', n)),
    );
    expect(writes.filter(({ status }) => status !== 200).map(({ text }) => text)).toEqual([]);
    const newest = writes
      .map(({ body }) => body.version!)
      .sort()
      .at(-1);
    for (const node of cluster().nodes) {
      expect((await node.http.get('contended', 'quorum')).body.version).toBe(newest);
    }
  });

  it.each([
    ['a body that is no JSON', 'PUT', '/items/k', { body: '{"a":' }, 400, 'DKV_INVALID_ARGUMENT'],
    ['no body', 'PUT', '/items/k', {}, 400, 'DKV_INVALID_ARGUMENT'],
    [
      'a body that meddles with prototypes',
      'PUT',
      '/items/k',
      { body: '{"__proto__":{"a":1}}' },
      400,
      'DKV_INVALID_ARGUMENT',
    ],
    ['a value of over 1 MiB', 'PUT', '/items/k', json('x'.repeat(1024 * 1024)), 400, 'DKV_VALUE_TOO_LARGE'],
    ['an unknown level', 'GET', '/items/k?consistency=most', {}, 400, 'DKV_INVALID_ARGUMENT'],
    ['two levels', 'GET', '/items/k?consistency=one&consistency=quorum', {}, 400, 'DKV_INVALID_ARGUMENT'],
    ['an unknown parameter', 'PUT', '/items/k?consistancy=one', json(1), 400, 'DKV_INVALID_ARGUMENT'],
    ['a key of 1025 bytes', 'PUT', itemPath('k'.repeat(1025)), json(1), 400, 'DKV_INVALID_KEY'],
    ['a key of 1028 bytes in 257 characters', 'GET', itemPath('🛰'.repeat(257)), {}, 400, 'DKV_INVALID_KEY'],
    ['a path that is no UTF-8', 'GET', '/items/%ff', {}, 400, 'DKV_INVALID_ARGUMENT'],
    ['a broken escape', 'GET', '/items/%zz', {}, 400, 'DKV_INVALID_ARGUMENT'],
    ['a path without end', 'GET', `/items/${'k'.repeat(20_000)}`, {}, 400, 'DKV_INVALID_ARGUMENT'],
    ['a key without a value', 'GET', '/items/nobody-wrote-this', {}, 404, 'DKV_KEY_NOT_FOUND'],
  ])('refuses %s', async (_, method, path, parts, status, code) => {
    const answer = await cluster().nodes[1]!.http.send(method, path, parts);
    expect(answer).toMatchObject({ status, body: { code, message: expect.any(String) as string } });
  });

  it.each([
    ['no key', 'GET', '/items/', {}],
    ['an unknown route', 'GET', '/nowhere', {}],
    ['an unknown method', 'POST', '/items/k', json(1)],
  ])('has no route for %s', async (_, method, path, parts) => {
    const answer = await cluster().nodes[1]!.http.send(method, path, parts);
    expect(answer).toMatchObject({ status: 404, body: { error: 'Not Found' } });
  });

  it('takes a value of exactly 1 MiB', async () => {
    const [first, second] = cluster().nodes;
    const value = 'x'.repeat(1024 * 1024 - 2);
    expect((await first!.http.put('large', value)).status).toBe(200);
    expect((await second!.http.get('large', 'quorum')).body.value).toBe(value);
  });

  it('lets nobody without the key in at the peer port, and tells misuse from absence there', async () => {
    const [node] = cluster().nodes;
    const peer = node!.peerHttp;
    const withKey = (key: string) => ({ headers: { 'x-api-key': key } });
    await node!.http.put('seen by peers', 'text');
    expect(await peer.send('GET', '/kv/seen%20by%20peers')).toMatchObject({
      status: 403,
      body: { code: 'DKV_FORBIDDEN' },
    });
    expect(await peer.send('GET', '/kv/k', withKey('wrong'))).toMatchObject({
      status: 403,
      body: { code: 'DKV_FORBIDDEN' },
    });
    expect(await peer.send('GET', '/nowhere')).toMatchObject({
      status: 403,
      body: { code: 'DKV_FORBIDDEN' },
    });
    expect(await peer.send('POST', '/kv', { ...withKey(API_KEY), body: '{"key":"k"}' })).toMatchObject({
      status: 400,
      body: { code: 'DKV_INVALID_ARGUMENT' },
    });
    expect(await peer.send('GET', '/kv/absent', withKey(API_KEY))).toMatchObject({
      status: 404,
      body: { code: 'DKV_KEY_NOT_FOUND' },
    });
    expect((await peer.send('GET', '/kv/seen%20by%20peers', withKey(API_KEY))).body.value).toBe(
      Buffer.from('"text"').toString('base64'),
    );
  });

  it('tells of itself: cluster, health, metrics, documentation', async () => {
    const [node] = cluster().nodes;
    const { body } = await node!.http.send('GET', '/cluster');
    expect(body).toMatchObject({ nodeId: 'node1' });
    expect(body.nodes?.map(({ nodeId, state }) => [nodeId, state])).toEqual([
      ['node1', 'up'],
      ['node2', 'up'],
      ['node3', 'up'],
    ]);
    expect(body.nodes?.map(({ partitions }) => partitions.holder + partitions.replica)).toEqual([64, 64, 64]);

    expect((await node!.http.send('GET', '/health/live')).body.status).toBe('ok');
    expect((await node!.http.send('GET', '/health/ready')).body.status).toBe('ok');

    const metrics = await node!.http.send('GET', '/metrics');
    expect(metrics.headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/);
    const samples = samplesOf(metrics.text);
    expect(samples.get('dkv_ready')).toBe(1);
    expect(samples.get('dkv_members{state="up"}')).toBe(3);
    expect(samples.get('dkv_keys{namespace="default"}')).toBeGreaterThan(0);

    expect((await node!.http.send('GET', '/docs')).status).toBe(200);
    const document = await node!.http.send('GET', '/docs-json');
    expect(Object.keys((JSON.parse(document.text) as { paths: object }).paths)).toEqual(
      expect.arrayContaining(['/items/{key}', '/cluster', '/health/ready', '/metrics']),
    );
  });
});
