/** The example of docs/kubernetes.md, as it stands there: compiled and run by the tests. */
import { type DynamicModule } from '@nestjs/common';
import { DkvModule, StaticDiscovery } from 'nestjs-dkv';

export function kubernetes(): DynamicModule {
  // prettier-ignore
  const module =
DkvModule.forRoot({
  nodeId: process.env.POD_NAME, // app-0, app-1, app-2
  dataDir: '/data/dkv',
  apiKey: process.env.DKV_API_KEY,
  adminKey: process.env.DKV_ADMIN_KEY, // of operators: for the commands below
  discovery: StaticDiscovery.parse(process.env.DKV_NODES!),
});
  return module;
}
