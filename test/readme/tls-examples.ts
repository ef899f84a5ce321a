/** The example of docs/tls.md, as it stands there: compiled and run by the tests. */
import { type DynamicModule } from '@nestjs/common';
import { DkvModule, StaticDiscovery } from 'nestjs-dkv';

export function tls(): DynamicModule {
  // prettier-ignore
  const module =
DkvModule.forRoot({
  nodeId: process.env.POD_NAME,
  discovery: StaticDiscovery.parse(process.env.DKV_NODES!),
  apiKey: process.env.DKV_API_KEY,
  tls: { keyFile: '/tls/tls.key', certFile: '/tls/tls.crt', caFile: '/tls/ca.crt' },
});
  return module;
}
