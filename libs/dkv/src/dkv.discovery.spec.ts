/** Modules that find each other by a service: how they boot, meet, and what health says while the service is down. */
import { Test, type TestingModule } from '@nestjs/testing';
import { type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { CapturedLog } from '../testing/captured-log.js';
import { EtcdStandIn } from '../testing/discovery/etcd-stand-in.js';
import { serveStandIn } from '../testing/discovery/stand-in.js';
import { freePort } from '../testing/free-port.js';
import { ManualClock } from '../testing/manual-clock.js';
import { EtcdDiscovery } from './discovery/etcd-discovery.js';
import { Dkv } from './dkv.js';
import { DkvError } from './dkv.errors.js';
import { DkvModule } from './dkv.module.js';
import { type DkvModuleOptions } from './dkv.options.js';
import { getDkvToken } from './dkv.tokens.js';
import { DkvHealthIndicator } from './health/dkv-health-indicator.js';
import { DkvHealthModule } from './health/dkv-health.module.js';
import { type ClusterNode } from './model/node.js';
import { type Discovery } from './ports/discovery.js';
import { SystemClock } from './system/system-clock.js';

const POLL = { timeout: 60_000, interval: 20 };
const modules: TestingModule[] = [];
const servers: Server[] = [];

afterEach(async () => {
  await Promise.all(modules.splice(0).map((module) => module.close()));
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function start(options: DkvModuleOptions): Promise<TestingModule> {
  const store = DkvModule.forRoot({
    hostname: '127.0.0.1',
    peerBind: '127.0.0.1',
    apiKey: 'secret-of-the-tests',
    storage: 'memory',
    partitions: 4,
    heartbeatIntervalMs: 20,
    logger: new CapturedLog(),
    ...options,
  });
  const feature = DkvModule.forFeature([{ name: 'single', replicas: 0 }]);
  const module = await Test.createTestingModule({ imports: [store, feature, DkvHealthModule] }).compile();
  modules.push(module);
  await module.init();
  return module;
}

const healthOf = (module: TestingModule) => module.get(DkvHealthIndicator).isReady().dkv;

describe('nodes that register with a service', () => {
  it('boot before it knows of them, and find each other', async () => {
    const server = await serveStandIn(new EtcdStandIn(new SystemClock()));
    servers.push(server);
    const endpoints = [`http://127.0.0.1:${(server.address() as AddressInfo).port}`];
    const node = async (nodeId: string) =>
      start({
        nodeId,
        clusterSize: 2,
        peerPort: await freePort(),
        discovery: new EtcdDiscovery({ endpoints }),
      });
    const [a, b] = await Promise.all([node('a'), node('b')]);
    for (const module of [a, b]) {
      await expect.poll(() => healthOf(module).status, POLL).toBe('up');
    }
    await a.get(Dkv).addOrUpdate('key', 'value');
    expect((await b.get(Dkv).get('key', { consistency: 'linearizable' }))?.value).toBe('value');
    // What was declared before the other node was shown is the cluster's from the first.
    await a.get<Dkv>(getDkvToken('single'), { strict: false }).addOrUpdate('key', 'one');
    expect(
      (await b.get<Dkv>(getDkvToken('single'), { strict: false }).get('key', { consistency: 'linearizable' }))
        ?.value,
    ).toBe('one');
    expect(
      b
        .get(Dkv)
        .cluster()
        .map(({ nodeId, state }) => `${nodeId} ${state}`),
    ).toEqual(['a up', 'b up']);
  });
});

describe('health', () => {
  const self: ClusterNode = { nodeId: 'a', host: '127.0.0.1', port: 7000, weight: 1, zone: '' };
  const discoveryOf = (given: Partial<Discovery>): Discovery => ({
    register: async () => undefined,
    deregister: async () => undefined,
    getNodes: async () => [self],
    ...given,
  });

  it('is degraded, not unready, with what ails the discovery', async () => {
    const ailing = { trouble: undefined as string | undefined };
    const discovery = Object.assign(discoveryOf({}), ailing);
    const module = await start({ nodeId: 'a', clusterSize: 1, peerPort: 0, discovery });
    await expect.poll(() => healthOf(module).status, POLL).toBe('up');
    discovery.trouble =
      'Discovery by etcd fails: connect ECONNREFUSED (the nodes that are known are those of 90 s ago)';
    expect(healthOf(module)).toMatchObject({ status: 'degraded', reason: discovery.trouble });
    discovery.trouble = undefined;
    expect(healthOf(module).status).toBe('up');
  });

  it('is degraded until the node is announced, which is tried again', async () => {
    let fails = true;
    const clock = new ManualClock();
    const register = async () => {
      if (fails) {
        throw new DkvError('DKV_DISCOVERY_FAILED', 'Discovery by etcd failed: connect ECONNREFUSED.');
      }
    };
    const module = await start({
      nodeId: 'a',
      clusterSize: 1,
      peerPort: 0,
      discovery: discoveryOf({ register }),
      clock,
    });
    const health = () => {
      clock.advance(20);
      return healthOf(module);
    };
    const unannounced = { status: 'degraded', reason: 'discovery does not know this node yet' };
    await expect.poll(health, POLL).toMatchObject(unannounced);
    fails = false;
    clock.advance(5_000);
    await expect.poll(() => health().status, POLL).toBe('up');
  });
});
