/** The example of docs/kubernetes.md, as it stands there: compiled and run by the tests. */
import { type DynamicModule } from '@nestjs/common';
import { DkvModule, KubernetesDiscovery } from 'nestjs-dkv';

export function kubernetes(): DynamicModule {
  // prettier-ignore
  const module =
DkvModule.forRoot({
  nodeId: process.env.DKV_NODE_ID, // app-0, app-1, app-2
  clusterSize: Number(process.env.DKV_CLUSTER_SIZE), // how many make the cluster at first
  dataDir: process.env.DKV_DATA_DIR, // on the pod's volume
  peerPort: Number(process.env.DKV_PEER_PORT),
  apiKey: process.env.DKV_API_KEY,
  adminKey: process.env.DKV_ADMIN_KEY, // of operators: for the commands below
  discovery: new KubernetesDiscovery({
    service: process.env.DKV_DISCOVERY!.replace('kubernetes:', ''), // app-peers
    portName: 'peers',
  }),
  tls: process.env.DKV_TLS_KEY
    ? {
        keyFile: process.env.DKV_TLS_KEY,
        certFile: process.env.DKV_TLS_CERT!,
        caFile: process.env.DKV_TLS_CA!,
      }
    : undefined,
});
  return module;
}
