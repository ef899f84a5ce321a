/** `node scripts/service-discovery.mjs <port>`: the stand-in for an HTTP service discovery, on loopback, with the key of the demo. */
import { ServiceDiscoveryStandIn } from '../libs/dkv/dist/testing/discovery/service-discovery-stand-in.js';
import { serveStandIn } from '../libs/dkv/dist/testing/discovery/stand-in.js';
import { SystemClock } from '../libs/dkv/dist/src/system/system-clock.js';

const KEY = process.env.DKV_DISCOVERY_KEY || 'demo-discovery-key';
const CALL_MS = 1_000;

const standIn = new ServiceDiscoveryStandIn(KEY, new SystemClock(), async (method, url, body) => {
  const json = body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
  try {
    const { ok } = await fetch(url, {
      method,
      ...json,
      signal: AbortSignal.timeout(CALL_MS),
      redirect: 'error',
    });
    return ok;
  } catch {
    return false;
  }
});
await serveStandIn(standIn, Number(process.argv[2]));
standIn.start();
// All that it knows is in memory. The channel tells that whoever started it is gone.
for (const event of ['SIGTERM', 'disconnect']) {
  process.once(event, () => process.exit(0));
}
