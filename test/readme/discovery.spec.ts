/** The examples of docs/discovery.md make discoveries that boot takes, and its tables name every option. */
import { getMetadataStorage } from 'class-validator';
import {
  ConsulDiscoveryOptions,
  type Discovery,
  DnsDiscoveryOptions,
  EtcdDiscoveryOptions,
  HttpServiceDiscoveryOptions,
  KubernetesDiscoveryOptions,
} from 'nestjs-dkv';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { documentText } from './documented.js';

/** Read when the examples are loaded. */
const ENV = {
  POD_NAME: 'node1',
  POD_IP: '10.0.0.1',
  DKV_API_KEY: 'secret-of-the-tests',
  DISCOVERY_KEY: 'ak',
  CONSUL_HTTP_TOKEN: 'token',
  KUBERNETES_SERVICE_HOST: '10.96.0.1',
};

beforeEach(() => Object.entries(ENV).forEach(([name, value]) => vi.stubEnv(name, value)));
afterEach(() => void vi.unstubAllEnvs());

const examples = () => import('./discovery-examples.js');

describe('an example', () => {
  it.each(['byList', 'byDns', 'byAddresses', 'byKubernetes', 'byEtcd', 'byConsul'] as const)(
    'makes a discovery that the store takes: %s',
    async (name) => {
      const { [name]: make, store } = await examples();
      const discovery: Discovery = make();
      await discovery.deregister();
      expect(store(discovery).providers).toBeDefined();
    },
  );

  it('tells what a file tells, and an error where that is wrong', async () => {
    const { ListFromAFile } = await examples();
    expect(await new ListFromAFile(async () => 'a=h:1').getNodes()).toHaveLength(1);
    await expect(new ListFromAFile(async () => '').getNodes()).rejects.toMatchObject({
      code: 'DKV_INVALID_OPTIONS',
    });
  });

  it('brings the module of the service discovery', async () => {
    const { AppModule } = await examples();
    expect(Reflect.getMetadata('imports', AppModule)).toHaveLength(2);
  });
});

it.each<[string, new () => object]>([
  ['## DNS', DnsDiscoveryOptions],
  ['## Kubernetes', KubernetesDiscoveryOptions],
  ['## etcd', EtcdDiscoveryOptions],
  ['## Consul', ConsulDiscoveryOptions],
  ['## HTTP service discovery', HttpServiceDiscoveryOptions],
])('its table names every option, and no other: %s', (heading, Options) => {
  const metadatas = getMetadataStorage().getTargetValidationMetadatas(Options, '', false, false);
  const options = new Set(metadatas.map(({ propertyName }) => propertyName));
  const rowsBelow = (title: string) => {
    const section = documentText('docs/discovery.md').split(`\n${title}\n`)[1]!.split('\n## ')[0]!;
    return [...section.matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name!);
  };
  expect([...rowsBelow(heading), ...rowsBelow('## All of them')].sort()).toEqual([...options].sort());
});
