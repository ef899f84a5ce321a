/** Nodes by the HTTP service discovery: the suite of all adapters, and what is its own: whose health it is, what tells of changes. */
import { HttpService } from '@nestjs/axios';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import axios, { type AxiosResponse, type InternalAxiosRequestConfig } from 'axios';
import { type AddressInfo } from 'node:net';
import { type Server } from 'node:http';
import { describe, expect, it } from 'vitest';
import { CapturedLog } from '../../testing/captured-log.js';
import { caught, rejected } from '../../testing/caught.js';
import {
  type CallNode,
  ServiceDiscoveryStandIn,
} from '../../testing/discovery/service-discovery-stand-in.js';
import { elapse, RegistryStage, STEADY } from '../../testing/discovery/stage.js';
import {
  SERVICE_FAILURES,
  serveStandIn,
  type StandInClient,
  StandInNetwork,
} from '../../testing/discovery/stand-in.js';
import { testDiscovery } from '../../testing/discovery-conformance.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { testNode } from '../../testing/test-nodes.js';
import { type HttpQuestion } from './discovery-http.js';
import { type DiscoveryWorld } from './discovery-world.js';
import { HttpServiceDiscovery, type HttpServiceDiscoveryOptions } from './http-service-discovery.js';
import { HttpServiceDiscoveryModule } from './http-service-discovery.module.js';

const OPTIONS = {
  url: 'http://discovery:6500',
  serviceKey: 'ak',
  serviceName: 'shop',
  callbackUrl: 'http://app:3000',
};

/** Asks over the wires of a stage. */
function httpServiceOver(client: StandInClient): HttpService {
  const adapter = async (config: InternalAxiosRequestConfig): Promise<AxiosResponse> => {
    const { status, headers, text } = await client.ask({
      method: config.method!.toUpperCase() as HttpQuestion['method'],
      url: new URL(config.url!),
      headers: config.headers.toJSON() as Record<string, string>,
      body: config.data === undefined ? undefined : JSON.parse(config.data as string),
      timeoutMs: 3_600_000,
      signal: config.signal as AbortSignal,
    });
    const answer = { status, statusText: '', headers: headers as Record<string, string>, config };
    return { ...answer, data: text.startsWith('<') ? text : (JSON.parse(text) as unknown) };
  };
  return new HttpService(axios.create({ adapter }));
}

/** The applications of nodes, as the service calls them. */
class Applications {
  private readonly discoveries: HttpServiceDiscovery[] = [];

  make(world: Partial<DiscoveryWorld>, client: StandInClient): HttpServiceDiscovery {
    const discovery = new HttpServiceDiscovery(OPTIONS, world, httpServiceOver(client));
    this.discoveries.push(discovery);
    return discovery;
  }

  readonly call: CallNode = async (method, url) => {
    if (method === 'POST') {
      this.discoveries.forEach((discovery) => discovery.update());
      return true;
    }
    const run = /^http:\/\/app:3000\/dkv-discovery\/health\/([\w-]+)$/.exec(url)?.[1] ?? '';
    return this.discoveries.some((discovery) => discovery.isHealthy(run));
  };
}

describe('a discovery by the HTTP service discovery', () => {
  testDiscovery(it, {
    kind: 'registry',
    failures: SERVICE_FAILURES,
    settleMs: 45_000,
    open: async () =>
      new RegistryStage((clock) => {
        const applications = new Applications();
        const standIn = new ServiceDiscoveryStandIn('ak', clock, applications.call);
        standIn.start();
        return {
          standIn,
          make: (world, client) => applications.make(world, client),
          restart: () => standIn.replace(),
          timers: () => 1,
        };
      }),
  });
});

/** Node `a` and the service, which asks its health when `elapse` lets it. */
async function registered() {
  const clock = new ManualClock();
  const applications = new Applications();
  const standIn = new ServiceDiscoveryStandIn('ak', clock, applications.call);
  const paths: string[] = [];
  const network = new StandInNetwork(
    {
      handle: (request) => {
        paths.push(`${request.method} ${request.path}`);
        return standIn.handle(request);
      },
    },
    clock,
  );
  const world = {
    clock,
    random: STEADY,
    logger: new CapturedLog(),
    http: network.client(),
  } as Partial<DiscoveryWorld> as DiscoveryWorld & { logger: CapturedLog };
  const start = () => applications.make(world, network.client());
  const discovery = start();
  await discovery.register(testNode('a', { host: '10.0.0.1' }), () => undefined);
  return { clock, standIn, paths, discovery, start, world };
}

describe('the registration of a node', () => {
  it('ends with the health that it was made with, also where the node is there anew', async () => {
    const { clock, standIn, start, discovery } = await registered();
    standIn.start();
    await elapse(clock, 5_000);
    const again = start();
    await again.register(testNode('a', { host: '10.0.0.9' }), () => undefined);
    expect(standIn.hostnames).toEqual(['10.0.0.1', '10.0.0.9']);
    // The former process has ended without a word.
    await discovery.deregister();
    await elapse(clock, 10_000);
    expect(standIn.hostnames).toEqual(['10.0.0.9']);
    await again.deregister();
    standIn.stop();
  });

  it('is made anew where the service has removed it, as it does where the application listens late', async () => {
    const { clock, standIn, discovery, world } = await registered();
    await elapse(clock, 200);
    standIn.replace();
    await elapse(clock, 3_000);
    expect(standIn.hostnames).toEqual(['10.0.0.1']);
    expect(world.logger.warnings).toHaveLength(1);
    await discovery.deregister();
  });

  it('fails where the key is wrong, and says so', async () => {
    const { clock } = await registered();
    const standIn = new ServiceDiscoveryStandIn('another', clock, async () => true);
    const client = new StandInNetwork(standIn, clock).client();
    const discovery = new HttpServiceDiscovery(OPTIONS, { clock }, httpServiceOver(client));
    const error = await rejected(discovery.register(testNode('a', { host: '10.0.0.1' }), () => undefined));
    expect(error.code).toBe('DKV_DISCOVERY_FAILED');
    expect(error.message).toContain('it answers with status 403: {"message":"Forbidden"}');
  });
});

it('an update that is told makes it ask, and no more often than ten times a second', async () => {
  const { clock, paths, discovery } = await registered();
  const asked = () => paths.filter((path) => path === 'GET /node/shop').length;
  await elapse(clock, 500);
  expect(asked()).toBe(1);
  discovery.update();
  await elapse(clock, 500);
  expect(asked()).toBe(2);
  for (let told = 0; told < 1_000; told++) {
    discovery.update();
    if (told % 100 === 0) {
      await elapse(clock, 100);
    }
  }
  expect(asked()).toBeLessThanOrEqual(14);
  await discovery.deregister();
});

it.each<[string, Partial<Record<keyof HttpServiceDiscoveryOptions, unknown>>]>([
  ['url', { url: undefined }],
  ['url', { url: 'discovery:6500' }],
  ['serviceKey', { serviceKey: '' }],
  ['serviceName', { serviceName: 'of/the/shop' }],
  ['callbackUrl', { callbackUrl: 'ftp://app' }],
  ['pollIntervalMs', { pollIntervalMs: 1 }],
])('refuses a wrong option: %s', (option, wrong) => {
  const options = { ...OPTIONS, ...wrong } as HttpServiceDiscoveryOptions;
  const error = caught(() => new HttpServiceDiscovery(options));
  expect(error.code).toBe('DKV_INVALID_OPTIONS');
  expect(error.message).toMatch(new RegExp(`^Options of HttpServiceDiscovery:\\n- ${option}\\b`));
});

describe('its module', () => {
  it('brings the routes that the service calls to the application, and its discovery to whoever imports it', async () => {
    const clock = new ManualClock();
    const standIn = new ServiceDiscoveryStandIn('ak', clock, async () => true);
    const service: Server = await serveStandIn(standIn);
    const url = `http://127.0.0.1:${(service.address() as AddressInfo).port}`;

    @Module({ imports: [HttpServiceDiscoveryModule.forRoot({ ...OPTIONS, url })] })
    class AppModule {}
    const app = await NestFactory.create(AppModule, { logger: false });
    await app.listen(0, '127.0.0.1');
    const discovery = app.get(HttpServiceDiscovery);
    let health = '';
    const handle = standIn.handle.bind(standIn);
    standIn.handle = (request) => {
      health ||= new URL((request.body as { HealthEndpoint?: string })?.HealthEndpoint ?? OPTIONS.callbackUrl)
        .pathname;
      return handle(request);
    };
    try {
      await discovery.register(testNode('a', { host: '10.0.0.1' }), () => undefined);
      expect(await discovery.getNodes()).toEqual([testNode('a', { host: '10.0.0.1' })]);
      const at = await app.getUrl();
      expect((await fetch(at + health)).status).toBe(200);
      expect((await fetch(`${at}/dkv-discovery/health/of-another`)).status).toBe(404);
      expect((await fetch(`${at}/dkv-discovery/update`, { method: 'POST', body: 'anything' })).status).toBe(
        200,
      );
      await discovery.deregister();
      expect((await fetch(at + health)).status).toBe(404);
    } finally {
      await discovery.deregister();
      await app.close();
      service.closeAllConnections();
      await new Promise((resolve) => service.close(resolve));
    }
  });
});
