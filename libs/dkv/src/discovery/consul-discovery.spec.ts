/** Nodes by Consul: the suite of all adapters, and what is Consul's own: checks, indexes, tokens. */
import { describe, expect, it } from 'vitest';
import { CapturedLog } from '../../testing/captured-log.js';
import { caught } from '../../testing/caught.js';
import { ConsulStandIn } from '../../testing/discovery/consul-stand-in.js';
import { elapse, RegistryStage, STEADY } from '../../testing/discovery/stage.js';
import { SERVICE_FAILURES, StandInNetwork, type StandInRequest } from '../../testing/discovery/stand-in.js';
import { testDiscovery } from '../../testing/discovery-conformance.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { testNode } from '../../testing/test-nodes.js';
import { ConsulDiscovery, type ConsulDiscoveryOptions } from './consul-discovery.js';

describe('a discovery by Consul', () => {
  testDiscovery(it, {
    kind: 'registry',
    failures: SERVICE_FAILURES,
    settleMs: 70_000,
    open: async () =>
      new RegistryStage((clock) => {
        const standIn = new ConsulStandIn(clock);
        return {
          standIn,
          make: (world) => new ConsulDiscovery({ service: 'app' }, world),
          restart: () => standIn.replace(),
          timers: () => standIn.pendingTimers,
        };
      }),
  });
});

/** Node `a`, and what the agent was asked. */
async function registered(options: Partial<ConsulDiscoveryOptions> = {}) {
  const clock = new ManualClock();
  const standIn = new ConsulStandIn(clock);
  const asked: StandInRequest[] = [];
  const handle = (request: StandInRequest) => {
    asked.push(request);
    return standIn.handle(request);
  };
  const network = new StandInNetwork({ handle }, clock);
  const world = { clock, random: STEADY, logger: new CapturedLog(), http: network.client() };
  const discovery = new ConsulDiscovery({ service: 'app', ...options }, world);
  await discovery.register(testNode('a', { host: '10.0.0.1', zone: 'z' }), () => undefined);
  await elapse(clock, 200);
  const questions = () => asked.filter(({ path }) => path.startsWith('/v1/health/'));
  return { clock, standIn, asked, questions, discovery };
}

it('a node is a service of its own at the agent, with a check that passes by being heard', async () => {
  const { clock, standIn, asked, discovery } = await registered({ token: 'the-token', ttlMs: 30_000 });
  expect(asked[0]).toMatchObject({
    path: '/v1/agent/service/register',
    headers: { 'x-consul-token': 'the-token' },
    body: {
      ID: 'app-a',
      Name: 'app',
      Address: '10.0.0.1',
      Port: 7000,
      Meta: { nodeId: 'a', weight: '1', zone: 'z' },
      Check: { TTL: '30s', Status: 'passing' },
    },
  });
  await elapse(clock, 31_000);
  expect(asked.filter(({ path }) => path === '/v1/agent/check/pass/service:app-a')).toHaveLength(3);
  await discovery.deregister();
  expect(standIn.ids).toEqual([]);
});

it('a question waits for what is new, and begins anew where the index goes back', async () => {
  const { clock, standIn, questions, discovery } = await registered();
  const indexes = () => questions().map(({ query }) => Number(query.get('index')));
  expect(indexes()).toEqual([0, 11]);
  await elapse(clock, 49_000);
  expect(indexes()).toEqual([0, 11]);
  await elapse(clock, 2_000);
  expect(indexes()).toEqual([0, 11, 11]);
  standIn.restore();
  await elapse(clock, 2_000);
  expect(indexes().slice(3)).toEqual([0, 5]);
  await discovery.deregister();
});

it.each<[string, Partial<Record<keyof ConsulDiscoveryOptions, unknown>>]>([
  ['service', { service: 'of the shop' }],
  ['service', { service: undefined }],
  ['agent', { agent: '127.0.0.1:8500' }],
  ['token', { token: 'two words' }],
  ['ttlMs', { ttlMs: 0.5 }],
])('refuses a wrong option: %s', (option, wrong) => {
  const error = caught(() => new ConsulDiscovery({ service: 'app', ...wrong } as ConsulDiscoveryOptions));
  expect(error.code).toBe('DKV_INVALID_OPTIONS');
  expect(error.message).toMatch(new RegExp(`^Options of ConsulDiscovery:\\n- ${option}\\b`));
  expect(error.message).not.toContain('two words');
});
