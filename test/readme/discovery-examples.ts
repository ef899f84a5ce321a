/** The examples of docs/discovery.md, as they stand there: compiled and run by the tests. */
import { type DynamicModule, Module } from '@nestjs/common';
import {
  ConsulDiscovery,
  type Discovery,
  DkvModule,
  DnsDiscovery,
  EtcdDiscovery,
  HttpServiceDiscovery,
  HttpServiceDiscoveryModule,
  KubernetesDiscovery,
  StaticDiscovery,
} from 'nestjs-dkv';

export function store(discovery: Discovery): DynamicModule {
  // prettier-ignore
  const module =
DkvModule.forRoot({
  nodeId: process.env.POD_NAME,
  hostname: process.env.POD_IP, // where the others reach this node
  apiKey: process.env.DKV_API_KEY,
  discovery, // one of those below
  clusterSize: 3, // so many make the cluster
});
  return module;
}

export function byList(): Discovery {
  // prettier-ignore
  const discovery = StaticDiscovery.parse('node1=10.0.0.1:7000,node2=10.0.0.2:7000;zone=a;weight=2');
  return discovery;
}

export function byDns(): Discovery {
  // prettier-ignore
  const discovery = new DnsDiscovery({ name: '_peers._tcp.app-peers.default.svc.cluster.local' });
  return discovery;
}

export function byAddresses(): Discovery {
  // prettier-ignore
  const discovery = new DnsDiscovery({ name: 'tasks.app', records: 'A', port: 7000 });
  return discovery;
}

export function byKubernetes(): Discovery {
  // prettier-ignore
  const discovery = new KubernetesDiscovery({ service: 'app-peers', portName: 'peers' });
  return discovery;
}

export function byEtcd(): Discovery {
  // prettier-ignore
  const discovery = new EtcdDiscovery({ endpoints: ['http://etcd-0.etcd:2379', 'http://etcd-1.etcd:2379'] });
  return discovery;
}

export function byConsul(): Discovery {
  // prettier-ignore
  const discovery = new ConsulDiscovery({ service: 'app-dkv', token: process.env.CONSUL_HTTP_TOKEN });
  return discovery;
}

const serviceDiscovery = HttpServiceDiscoveryModule.forRoot({
  url: 'http://discovery:6500',
  serviceKey: process.env.DISCOVERY_KEY!,
  serviceName: 'dkv_monkey_service',
  callbackUrl: `http://${process.env.POD_IP}:3000`,
});

@Module({
  imports: [
    serviceDiscovery,
    DkvModule.forRootAsync({
      imports: [serviceDiscovery],
      inject: [HttpServiceDiscovery],
      useFactory: (discovery: HttpServiceDiscovery) => ({
        nodeId: process.env.POD_NAME,
        hostname: process.env.POD_IP,
        apiKey: process.env.DKV_API_KEY,
        discovery,
        clusterSize: 3,
      }),
    }),
  ],
})
export class AppModule {}

// prettier-ignore
export class ListFromAFile implements Discovery {
  constructor(private readonly read: () => Promise<string>) {}

  async register(): Promise<void> {} // nothing to announce

  async deregister(): Promise<void> {}

  async getNodes() {
    return StaticDiscovery.parse(await this.read()).getNodes();
  }
}
