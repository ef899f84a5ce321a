/** The example of a monkey service: two of them find each other by the stand-in for the service discovery, write, and stop. */
import 'reflect-metadata';
import { type INestApplication } from '@nestjs/common';
import { Dkv } from 'nestjs-dkv';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { ServiceDiscoveryStandIn } from '../../libs/dkv/testing/discovery/service-discovery-stand-in.js';
import { serveStandIn } from '../../libs/dkv/testing/discovery/stand-in.js';
import { SystemClock } from '../../libs/dkv/src/system/system-clock.js';
import { pickFreePorts } from './free-ports.js';
import { start } from '../../apps/demo/src/monkey-example.js';

const POLL = { timeout: 90_000, interval: 50 };
const folder = mkdtempSync(join(tmpdir(), 'dkv-monkeys-'));
const apps: INestApplication[] = [];

afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
  rmSync(folder, { recursive: true, force: true });
});

it('two monkey services find each other, and write what both have', async () => {
  const standIn = new ServiceDiscoveryStandIn('ak', new SystemClock(), (method, url, body) =>
    fetch(url, { method, body: body === undefined ? undefined : JSON.stringify(body) }).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
  const server = await serveStandIn(standIn);
  standIn.start();
  const ports = await pickFreePorts(4);
  const monkey = async (at: number): Promise<Dkv> => {
    const env = {
      DISCOVERY_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      HOST: '127.0.0.1',
      PORT: String(ports[2 * at]),
      DKV_PEER_PORT: String(ports[2 * at + 1]),
      DKV_NODE_ID: `monkey-${at}`,
      DKV_DATA_DIR: join(folder, String(at)),
    };
    const app = await start(env, { logger: false });
    apps.push(app);
    const dkv = app.get(Dkv);
    await expect.poll(() => dkv.metrics().ready, POLL).toBe(true);
    return dkv;
  };
  try {
    const first = await monkey(0);
    const second = await monkey(1);
    const seen = () => first.cluster().map(({ nodeId, state }) => `${nodeId} ${state}`);
    await expect.poll(seen, POLL).toEqual(['monkey-0 up', 'monkey-1 up']);
    for (const dkv of [first, second]) {
      await expect.poll(() => dkv.metrics().keys, POLL).toBeGreaterThan(0);
    }
    expect(standIn.hostnames).toHaveLength(2);
  } finally {
    await Promise.all(apps.splice(0).map((app) => app.close()));
    standIn.stop();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});
