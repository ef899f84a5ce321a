/** Nodes by etcd: the suite of all adapters, and what is etcd's own: leases, revisions, compaction. */
import { describe, expect, it } from 'vitest';
import { CapturedLog } from '../../testing/captured-log.js';
import { caught } from '../../testing/caught.js';
import { EtcdStandIn } from '../../testing/discovery/etcd-stand-in.js';
import { elapse, RegistryStage, STEADY } from '../../testing/discovery/stage.js';
import { SERVICE_FAILURES, StandInNetwork, type StandInRequest } from '../../testing/discovery/stand-in.js';
import { testDiscovery } from '../../testing/discovery-conformance.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { testNode } from '../../testing/test-nodes.js';
import { type HttpQuestion } from './discovery-http.js';
import { EtcdDiscovery, type EtcdDiscoveryOptions } from './etcd-discovery.js';

const ENDPOINTS = ['http://etcd-0:2379', 'http://etcd-1:2379'];

describe('a discovery by etcd', () => {
  testDiscovery(it, {
    kind: 'registry',
    failures: SERVICE_FAILURES,
    settleMs: 70_000,
    open: async () =>
      new RegistryStage((clock) => {
        const standIn = new EtcdStandIn(clock);
        return {
          standIn,
          make: (world) => new EtcdDiscovery({ endpoints: ENDPOINTS }, world),
          restart: () => standIn.replace(),
          timers: () => standIn.pendingTimers,
        };
      }),
  });
});

/** Node `a`, and how it is told. */
async function registered(auth?: EtcdDiscoveryOptions['auth'], given = auth) {
  const clock = new ManualClock();
  const standIn = new EtcdStandIn(clock, auth);
  const network = new StandInNetwork(
    {
      handle: (request) => {
        asked.push(request);
        return standIn.handle(request);
      },
    },
    clock,
  );
  const asked: StandInRequest[] = [];
  const log = new CapturedLog();
  const make = () =>
    new EtcdDiscovery(
      { endpoints: ENDPOINTS, auth: given },
      { clock, random: STEADY, logger: log, http: network.client() },
    );
  const discovery = make();
  const told: string[] = [];
  await discovery.register(testNode('a', { host: '10.0.0.1' }), (nodes) =>
    told.push(nodes.map(({ nodeId }) => nodeId).join()),
  );
  await elapse(clock, 200);
  const watches = () =>
    asked
      .filter(({ path }) => path === '/v3/watch')
      .map(
        ({ body }) => (body as { create_request: { start_revision: string } }).create_request.start_revision,
      );
  const reads = () => asked.filter(({ path }) => path === '/v3/kv/range').length;
  return { clock, standIn, network, log, make, discovery, told, asked, watches, reads };
}

const OTHER = testNode('b', { host: '10.0.0.2' });

describe('an etcd that asks for a user', () => {
  const auth = { user: 'dkv', password: 'the password of etcd' };
  const logins = (asked: readonly StandInRequest[]) =>
    asked.filter(({ path }) => path === '/v3/auth/authenticate').length;

  it('is told who asks, once, and again when the token has ended', async () => {
    const { clock, standIn, make, told, asked, discovery, log } = await registered(auth);
    expect([told.at(-1), logins(asked)]).toEqual(['a', 1]);
    await elapse(clock, 30_000);
    expect(logins(asked)).toBe(1);
    standIn.endTokens();
    await elapse(clock, 30_000);
    expect(logins(asked)).toBe(2);
    const other = make();
    await other.register(OTHER, () => undefined);
    await elapse(clock, 1_000);
    expect(told.at(-1)).toBe('a,b');
    expect(log.warnings).toEqual([]);
    await Promise.all([discovery.deregister(), other.deregister()]);
  });

  it('refuses a wrong password, which no error and no log line shows', async () => {
    const wrong = { ...auth, password: 'another password' };
    const error: unknown = await registered(auth, wrong).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: 'DKV_DISCOVERY_FAILED',
      message: expect.stringContaining('invalid user ID or password') as string,
    });
    expect(String(error)).not.toContain('another password');
  });

  it.each([
    [{ user: 'dkv' }],
    [{ user: '', password: 'the password' }],
    ['dkv:password'],
    [{ user: 'dkv', password: 5 }],
  ])('is not asked with half a user: %j', (given) => {
    const options = { endpoints: ENDPOINTS, auth: given } as unknown as EtcdDiscoveryOptions;
    const { message } = caught(() => new EtcdDiscovery(options));
    expect(message).toContain('auth: give { user, password }');
    expect(message).not.toContain('dkv:password');
  });
});

describe('a watch of etcd', () => {
  it('goes on from the revision that was seen last, without reading all again', async () => {
    const { clock, network, make, told, watches, reads, discovery } = await registered();
    const other = make();
    await other.register(OTHER, () => undefined);
    const revision = Number(watches()[0]);
    network.disconnect();
    await other.deregister();
    await elapse(clock, 5_000);
    expect(told).toEqual(['a', 'a,b', 'a']);
    // The key of the other was put at the revision that the first watch began with.
    expect(watches().slice(0, 1).concat(watches().slice(-1)).map(Number)).toEqual([revision, revision + 1]);
    expect(reads()).toBe(2);
    await discovery.deregister();
  });

  it('reads all again where its revision was compacted away', async () => {
    const { clock, network, standIn, make, told, reads, log, discovery } = await registered();
    network.fail('refuses');
    network.fail(undefined);
    const before = reads();
    const other = make();
    await other.register(OTHER, () => undefined);
    standIn.compact();
    await elapse(clock, 5_000);
    expect(told.at(-1)).toBe('a,b');
    expect(reads()).toBeGreaterThan(before);
    expect(log.warnings).toHaveLength(1);
    await discovery.deregister();
    await other.deregister();
  });

  it('reads all again of an etcd that was made anew from a backup', async () => {
    const { clock, network, standIn, make, told, discovery } = await registered();
    const other = make();
    await other.register(OTHER, () => undefined);
    await elapse(clock, 200);
    expect(told.at(-1)).toBe('a,b');
    standIn.restore('/dkv/nodes/b');
    network.disconnect();
    await elapse(clock, 1_000);
    // The other one finds out too, and registers again.
    expect(told).toEqual(['a', 'a,b', 'a', 'a,b']);
    await discovery.deregister();
    await other.deregister();
  });

  it('is begun anew each minute: a dead connection does not say that it is dead', async () => {
    const { clock, watches, discovery } = await registered();
    await elapse(clock, 125_000);
    expect(watches()).toHaveLength(3);
    await discovery.deregister();
  });
});

it('an announcement goes on under a new lease where the old one has ended', async () => {
  const { clock, network, standIn, told, discovery } = await registered();
  network.fail('silent');
  await elapse(clock, 60_000);
  expect(standIn.keys).toEqual([]);
  network.fail(undefined);
  await elapse(clock, 35_000);
  expect(standIn.keys).toEqual(['/dkv/nodes/a']);
  expect(told).toEqual(['a']);
  await discovery.deregister();
  expect(standIn.keys).toEqual([]);
});

it('a lease that has ended is found by renewing it, also where the watch is dead and does not say so', async () => {
  const clock = new ManualClock();
  const standIn = new EtcdStandIn(clock);
  const client = new StandInNetwork(standIn, clock).client();
  const http = {
    ask: client.ask.bind(client),
    lines: ({ signal }: HttpQuestion) =>
      new Promise<void>((resolve) => signal!.addEventListener('abort', () => resolve())),
  };
  const world = { clock, random: STEADY, logger: new CapturedLog(), http };
  const discovery = new EtcdDiscovery({ endpoints: ENDPOINTS }, world);
  await discovery.register(testNode('a', { host: '10.0.0.1' }), () => undefined);
  await elapse(clock, 200);
  standIn.replace();
  await elapse(clock, 6_000);
  expect(standIn.keys).toEqual(['/dkv/nodes/a']);
  await discovery.deregister();
});

it('the next endpoint is asked where one does not answer', async () => {
  const clock = new ManualClock();
  const hosts: string[] = [];
  const client = new StandInNetwork(new EtcdStandIn(clock), clock).client();
  const http = {
    ask: async (question: Parameters<typeof client.ask>[0]) => {
      hosts.push(question.url.host);
      if (question.url.host === 'etcd-0:2379') {
        throw new Error('connect ECONNREFUSED');
      }
      return client.ask(question);
    },
    lines: client.lines.bind(client),
  };
  const discovery = new EtcdDiscovery({ endpoints: ENDPOINTS }, { clock, http });
  await expect(discovery.getNodes()).rejects.toMatchObject({
    code: 'DKV_DISCOVERY_FAILED',
    message: 'Discovery by etcd at http://etcd-0:2379, http://etcd-1:2379 failed: connect ECONNREFUSED.',
  });
  expect(await discovery.getNodes()).toEqual([]);
  expect(hosts).toEqual(['etcd-0:2379', 'etcd-1:2379']);
});

it.each<[string, Partial<Record<keyof EtcdDiscoveryOptions, unknown>>]>([
  ['endpoints', { endpoints: [] }],
  ['endpoints', { endpoints: ['etcd:2379'] }],
  ['endpoints', { endpoints: ['http://user:password@etcd:2379'] }],
  ['endpoints', { endpoints: undefined }],
  ['prefix', { prefix: 'without-a-slash' }],
  ['ttlMs', { ttlMs: 100 }],
  ['timeoutMs', { timeoutMs: 0 }],
  ['allowedHosts', { allowedHosts: ['10.0.0.0/33'] }],
  ['tls', { tls: { ca: 'not PEM' } }],
  ['endpoint', { endpoint: 'http://etcd:2379' } as object],
])('refuses a wrong option: %s', (option, wrong) => {
  const error = caught(() => new EtcdDiscovery({ endpoints: ENDPOINTS, ...wrong } as EtcdDiscoveryOptions));
  expect(error.code).toBe('DKV_INVALID_OPTIONS');
  expect(error.message).toMatch(new RegExp(`^Options of EtcdDiscovery:\\n- ${option}\\b`));
  expect(error.message).not.toContain('user:password');
});
