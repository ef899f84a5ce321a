/** The adapters that speak HTTP on real sockets, with the real clock: what the suite shows of them in virtual time. */
import { createServer } from 'node:https';
import { type Server } from 'node:http';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { CapturedLog } from '../../testing/captured-log.js';
import { issue } from '../../testing/certificates.js';
import { ConsulStandIn } from '../../testing/discovery/consul-stand-in.js';
import { KubernetesStandIn } from '../../testing/discovery/kubernetes-stand-in.js';
import { respond, serveStandIn } from '../../testing/discovery/stand-in.js';
import { testNode } from '../../testing/test-nodes.js';
import { type ClusterNode } from '../model/node.js';
import { type Discovery } from '../ports/discovery.js';
import { SystemClock } from '../system/system-clock.js';
import { ConsulDiscovery } from './consul-discovery.js';
import { KubernetesDiscovery } from './kubernetes-discovery.js';

const POLL = { timeout: 60_000, interval: 20 };
const NODES = ['app-0', 'app-1', 'app-2'].map((nodeId, at) => testNode(nodeId, { host: `10.0.0.${at + 1}` }));
const ended: (() => Promise<unknown> | void)[] = [];

afterEach(async () => {
  for (const end of ended.splice(0).reverse()) {
    await end();
  }
});

function portOf(server: Server): number {
  ended.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

/** What a node is told, by id. */
async function told(discovery: Discovery, self: ClusterNode): Promise<() => string | undefined> {
  const updates: string[] = [];
  ended.push(() => discovery.deregister());
  await discovery.register(self, (nodes) => updates.push(nodes.map(({ nodeId }) => nodeId).join()));
  return () => updates.at(-1);
}

it('Kubernetes: a watch by TLS, with the CA and the token of the pod', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'dkv-service-account-'));
  ended.push(() => rmSync(folder, { recursive: true }));
  const ca = issue('CA of the cluster');
  const { key, cert } = issue('localhost', { issuer: ca });
  const standIn = new KubernetesStandIn('shop', 'app-peers');
  for (const [name, text] of Object.entries({ token: standIn.token, namespace: 'shop', 'ca.crt': ca.cert })) {
    writeFileSync(join(folder, name), `${text}\n`);
  }
  const server = createServer({ key, cert }, (request, response) => void respond(standIn, request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  standIn.place(NODES.slice(0, 1));
  const options = {
    service: 'app-peers',
    portName: 'peers',
    apiServer: `https://localhost:${portOf(server)}`,
    credentialsDir: folder,
  };
  const log = new CapturedLog();
  const discovery = new KubernetesDiscovery(options, { logger: log });
  const last = await told(discovery, NODES[0]!);
  await expect.poll(last, POLL).toBe('app-0');
  standIn.place(NODES);
  await expect.poll(last, POLL).toBe('app-0,app-1,app-2');
  expect(log.warnings).toEqual([]);

  writeFileSync(join(folder, 'token'), 'of another');
  await expect(discovery.getNodes()).rejects.toThrow('it answers with status 401');
  writeFileSync(join(folder, 'ca.crt'), issue('another CA').cert);
  await expect(discovery.getNodes()).rejects.toMatchObject({ code: 'DKV_DISCOVERY_FAILED' });
});

it('Consul: questions that wait', async () => {
  const standIn = new ConsulStandIn(new SystemClock());
  const agent = `http://127.0.0.1:${portOf(await serveStandIn(standIn))}`;
  const log = new CapturedLog();
  const make = () => new ConsulDiscovery({ service: 'app', agent }, { logger: log });
  const last = await told(make(), NODES[0]!);
  await expect.poll(last, POLL).toBe('app-0');
  const other = make();
  await told(other, NODES[1]!);
  await expect.poll(last, POLL).toBe('app-0,app-1');
  await other.deregister();
  await expect.poll(last, POLL).toBe('app-0');
  expect(log.warnings).toEqual([]);
});
