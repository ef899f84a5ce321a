/** Nodes by a real etcd: announced and forgotten by leases, watched, through a compaction, a hang and a restart. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ClusterNode, type EtcdAuth, EtcdDiscovery } from 'nestjs-dkv';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { freePorts } from '../../apps/bench/src/processes/free-port.js';
import { CapturedLog } from '../../libs/dkv/testing/captured-log.js';
import { until } from '../e2e/until.js';

const POLL = { timeout: 60_000, interval: 50 };
const folder = mkdtempSync(join(tmpdir(), 'dkv-etcd-discovery-'));
const discoveries: EtcdDiscovery[] = [];
let url = '';
let peerUrl = '';
let etcd: ChildProcess;

const nodeOf = (nodeId: string, host: string): ClusterNode => ({
  nodeId,
  host,
  port: 7000,
  weight: 2,
  zone: 'z',
});
const A = nodeOf('a', '10.0.0.1');
const B = nodeOf('b', '10.0.0.2');

async function startEtcd(): Promise<void> {
  const args = [
    ['--name', 'one', '--data-dir', folder, '--initial-cluster', `one=${peerUrl}`, '--log-level', 'error'],
    ['--listen-client-urls', url, '--advertise-client-urls', url],
    ['--listen-peer-urls', peerUrl, '--initial-advertise-peer-urls', peerUrl],
  ].flat();
  etcd = spawn('etcd', args, { stdio: 'ignore' });
  const isUp = () =>
    fetch(`${url}/health`)
      .then(({ ok }) => ok)
      .catch(() => false);
  await until('etcd to be up', isUp);
}

async function stopEtcd(): Promise<void> {
  const ended = new Promise((resolve) => etcd.once('exit', resolve));
  etcd.kill('SIGKILL');
  await ended;
}

async function ask<T>(path: string, body: unknown, token?: string): Promise<T> {
  const headers = token === undefined ? undefined : { authorization: token };
  const answer = await fetch(url + path, { method: 'POST', body: JSON.stringify(body), headers });
  return (await answer.json()) as T;
}

/** All that was until now, of revisions. */
async function compact(): Promise<void> {
  const { header } = await ask<{ header: { revision: string } }>('/v3/kv/put', {
    key: 'eA==',
    value: 'eA==',
  });
  await ask('/v3/kv/compaction', { revision: header.revision });
}

/** Of a process; short enough a lease for a test to wait for its end. */
function discovery(prefix: string, auth?: EtcdAuth): EtcdDiscovery & { readonly log: CapturedLog } {
  const log = new CapturedLog();
  const made = new EtcdDiscovery(
    { endpoints: [url], prefix, ttlMs: 3_000, timeoutMs: 1_000, auth },
    { logger: log },
  );
  discoveries.push(made);
  return Object.assign(made, { log });
}

async function registered(prefix: string, auth?: EtcdAuth) {
  const [a, b] = [discovery(prefix, auth), discovery(prefix, auth)];
  const told: (readonly ClusterNode[])[] = [];
  await a.register(A, (nodes) => told.push(nodes));
  await b.register(B, () => undefined);
  const ids = () =>
    told
      .at(-1)
      ?.map(({ nodeId }) => nodeId)
      .join();
  await expect.poll(ids, POLL).toBe('a,b');
  return { a, b, told, ids };
}

beforeAll(async () => {
  const [clients, peers] = await freePorts(2);
  url = `http://127.0.0.1:${clients}`;
  peerUrl = `http://127.0.0.1:${peers}`;
  await startEtcd();
});
afterEach(async () => {
  await Promise.allSettled(discoveries.splice(0).map((each) => each.deregister()));
});
afterAll(async () => {
  await stopEtcd();
  rmSync(folder, { recursive: true, force: true });
});

it('nodes join, renew their lease, and leave in order', async () => {
  const { a, b, told, ids } = await registered('/join/');
  expect(await b.getNodes()).toEqual([A, B]);
  // Another lease of the same length, which nobody renews, has begun later and ends before.
  const lease = await ask<{ ID: string }>('/v3/lease/grant', { TTL: 3 });
  const left = async () => Number((await ask<{ TTL: string }>('/v3/lease/timetolive', { ID: lease.ID })).TTL);
  await expect.poll(left, POLL).toBe(-1);
  expect(ids()).toBe('a,b');
  await b.deregister();
  await expect.poll(ids, POLL).toBe('a');
  expect(told.at(-1)).toEqual([A]);
  expect(a.log.warnings).toEqual([]);
});

it('a node whose process ends without a word is forgotten with its lease', async () => {
  const { ids } = await registered('/crash/');
  const script = `
    import { EtcdDiscovery } from 'nestjs-dkv';
    const discovery = new EtcdDiscovery({ endpoints: ['${url}'], prefix: '/crash/', ttlMs: 3_000 });
    await discovery.register(${JSON.stringify(nodeOf('c', '10.0.0.3'))}, () => undefined);
    setInterval(() => undefined, 1_000);`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: 'inherit' });
  await expect.poll(ids, POLL).toBe('a,b,c');
  child.kill('SIGKILL');
  await expect.poll(ids, POLL).toBe('a,b');
});

it('nothing is told while etcd hangs, and what happened is known after', async () => {
  const { a, told, ids } = await registered('/hang/');
  const before = told.length;
  etcd.kill('SIGSTOP');
  // A process goes on for a moment after it was told to stand still.
  const asked = () =>
    a.getNodes().then(
      () => 'an answer',
      ({ code }: { code: string }) => code,
    );
  await expect.poll(asked, POLL).toBe('DKV_DISCOVERY_FAILED');
  await expect.poll(() => a.trouble, POLL).toMatch(/etcd at .* fails: it did not answer within 1000 ms/);
  expect(told).toHaveLength(before);
  etcd.kill('SIGCONT');
  const c = discovery('/hang/');
  await c.register(nodeOf('c', '10.0.0.3'), () => undefined);
  await expect.poll(ids, POLL).toBe('a,b,c');
  await expect.poll(() => a.trouble, POLL).toBeUndefined();
});

it('a watch whose revision was compacted away reads all again', async () => {
  const { a, ids } = await registered('/compact/');
  await stopEtcd();
  await expect.poll(() => a.trouble, POLL).toBeDefined();
  await startEtcd();
  await compact();
  const c = discovery('/compact/');
  await c.register(nodeOf('c', '10.0.0.3'), () => undefined);
  await expect.poll(ids, POLL).toBe('a,b,c');
  await expect.poll(() => a.trouble, POLL).toBeUndefined();
});

it('all find each other again by an etcd that was replaced by an empty one', async () => {
  const { a, told, ids } = await registered('/replaced/');
  await stopEtcd();
  rmSync(folder, { recursive: true, force: true });
  await startEtcd();
  const c = discovery('/replaced/');
  await c.register(nodeOf('c', '10.0.0.3'), () => undefined);
  await expect.poll(ids, POLL).toBe('a,b,c');
  expect(told.every((nodes) => nodes.some(({ nodeId }) => nodeId === 'a'))).toBe(true);
  await expect.poll(() => a.trouble, POLL).toBeUndefined();
});

it('is asked as a user who may use no more than the prefix, also when etcd was started anew', async () => {
  const prefix = '/with-user/';
  const auth = { user: 'dkv', password: 'the password of etcd' };
  const root = { name: 'root', password: 'the password of root' };
  const range = { key: btoa(prefix), range_end: btoa('/with-user0') };
  for (const [path, body] of [
    ['user/add', root],
    ['role/add', { name: 'root' }],
    ['user/grant', { user: 'root', role: 'root' }],
    ['role/add', { name: 'nodes' }],
    ['role/grant', { name: 'nodes', perm: { permType: 'READWRITE', ...range } }],
    ['user/add', { name: auth.user, password: auth.password }],
    ['user/grant', { user: auth.user, role: 'nodes' }],
    ['enable', {}],
  ] as const) {
    await ask(`/v3/auth/${path}`, body);
  }
  try {
    await expect(discovery(prefix).register(A, () => undefined)).rejects.toMatchObject({
      code: 'DKV_DISCOVERY_FAILED',
    });
    await expect(discovery('/elsewhere/', auth).register(A, () => undefined)).rejects.toThrow(
      'permission denied',
    );
    const { b, ids } = await registered(prefix, auth);
    // Tokens of before are worth nothing to it.
    await stopEtcd();
    await startEtcd();
    await b.deregister();
    await expect.poll(ids, POLL).toBe('a');
  } finally {
    const { token } = await ask<{ token: string }>('/v3/auth/authenticate', root);
    await ask('/v3/auth/disable', {}, token);
  }
});
