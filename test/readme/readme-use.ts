/** What the README shows of a cluster and of the calls, as it stands there: compiled and run by the tests. */
import { type DynamicModule } from '@nestjs/common';
import { type Dkv, DkvModule, StaticDiscovery } from 'nestjs-dkv';

interface User {
  readonly name?: string;
  readonly visits?: number;
}

export function cluster(): DynamicModule {
  // prettier-ignore
  const module =
  DkvModule.forRoot({
    nodeId: 'node1',
    apiKey: process.env.DKV_API_KEY,
    discovery: StaticDiscovery.parse('node1=10.0.0.1:7000,node2=10.0.0.2:7000,node3=10.0.0.3:7000'),
  });
  return module;
}

// prettier-ignore
export async function calls(
  dkv: Dkv<User>,
  counters: Dkv<number>,
  request: { id: string },
  signal: AbortSignal,
  report: (signal: AbortSignal, fencing: number) => void,
): Promise<void> {
  const pair = await dkv.addOrUpdate('user:7', { name: 'Ada' }, { ttlMs: 60_000, idempotencyKey: request.id });
  await dkv.get('user:7'); // { key, value, modified, version } | undefined
  await dkv.get('user:7', { consistency: 'linearizable' }); // sees every acknowledged write
  dkv.peek('user:7'); // no promise: what this node has in memory; null: no value, undefined: ask with get
  await dkv.getMany(['a', 'b'], { timeoutMs: 500, signal });

  await dkv.compareAndSet('user:7', pair.version, { name: 'Ada L.' }); // DkvConflictError tells what is there instead
  await dkv.update('user:7', (user) => ({ ...user, visits: (user?.visits ?? 0) + 1 })); // loses no concurrent write
  await counters.increment('visits'); // a Dkv<number>; resolves with the count
  await dkv.touch('user:7', 60_000);
  await dkv.withLock('report', { waitMs: 5_000 }, ({ signal, fencing }) => report(signal, fencing)); // fencing is what protects
  await dkv.remove('user:7'); // was there a value?
}
