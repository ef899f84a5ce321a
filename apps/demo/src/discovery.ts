/** How the processes of the demo find each other: `DKV_NODES` names them, or `DKV_DISCOVERY` a service that knows them. */
import { type DynamicModule, Module } from '@nestjs/common';
import {
  type Discovery,
  DnsDiscovery,
  EtcdDiscovery,
  HttpServiceDiscovery,
  HttpServiceDiscoveryModule,
  KubernetesDiscovery,
  StaticDiscovery,
} from 'nestjs-dkv';
import { type Environment } from './environment.js';

/** What `DKV_DISCOVERY` may be, for people. */
export const DISCOVERY_FORMS =
  'give dns:<name of an SRV record>@<server>, kubernetes:<headless Service>, etcd:<URL> or service:<URL> of a service discovery';

interface Found {
  /** To be imported beside the store. */
  readonly module: DynamicModule;
  /** Undefined where the process is alone. */
  readonly discovery: Discovery | undefined;
}

@Module({})
class DiscoveryModule {}

/** @throws DkvError `DKV_INVALID_OPTIONS` for what the discovery does not take; TypeError for what is none of the forms */
export function discoveryOf({ DKV_NODES, DKV_DISCOVERY, DKV_DISCOVERY_KEY, PORT }: Environment): Found {
  const module = { module: DiscoveryModule };
  if (DKV_DISCOVERY === undefined) {
    return { module, discovery: DKV_NODES === undefined ? undefined : StaticDiscovery.parse(DKV_NODES) };
  }
  const [, kind, where = ''] = /^(dns|kubernetes|etcd|service):(.+)$/.exec(DKV_DISCOVERY) ?? [];
  if (kind === 'dns') {
    const [name = '', server] = where.split('@');
    return { module, discovery: new DnsDiscovery({ name, servers: server ? [server] : undefined }) };
  }
  if (kind === 'kubernetes') {
    return { module, discovery: new KubernetesDiscovery({ service: where, portName: 'peers' }) };
  }
  if (kind === 'etcd') {
    return { module, discovery: new EtcdDiscovery({ endpoints: [where] }) };
  }
  if (kind !== 'service') {
    throw new TypeError(DISCOVERY_FORMS);
  }
  const discovery = new HttpServiceDiscovery({
    url: where,
    serviceKey: DKV_DISCOVERY_KEY,
    serviceName: 'dkv-demo',
    callbackUrl: `http://127.0.0.1:${PORT}`,
  });
  return { module: HttpServiceDiscoveryModule.of(discovery), discovery };
}
