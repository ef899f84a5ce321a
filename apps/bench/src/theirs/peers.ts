/** Their side: each store with the servers that it takes, called by a process of its own. */
import { type LoadPlan } from '../load/load-loop.js';
import { type Belongings } from '../processes/belongings.js';
import { type Filling, type Loaded, type Subject } from '../processes/subject.js';
import { type ProcessUsage, sumOf } from '../processes/window.js';
import { Worker } from '../processes/worker.js';
import { type PeerName } from '../workloads.js';
import { type ClientSettings } from './client-process.js';
import { etcd } from './etcd.js';
import { nats } from './nats.js';
import { redis, redisAutoPipelining, redisFsync, redisWait } from './redis.js';
import { type Peer, type ServerProcess } from './server-process.js';

const FILL_IN_FLIGHT = 128;

export const PEERS: Readonly<Record<PeerName, Peer>> = {
  redis,
  'redis-autopipelining': redisAutoPipelining,
  'redis-wait-1': redisWait,
  'redis-fsync': redisFsync,
  etcd,
  nats,
};

/** @throws Error that says what is missing */
export async function startPeer(name: PeerName, belongings: Belongings): Promise<Subject> {
  const servers = await PEERS[name].start(belongings);
  const settings: ClientSettings = {
    name,
    ports: servers.map(({ port }) => port),
    servers: servers.map(({ pid }) => pid),
  };
  const client = new Worker(name, 'theirs/client-process', settings, belongings);
  await client.ready;
  return new PeerSubject(name, client, servers);
}

class PeerSubject implements Subject {
  private filled = false;

  constructor(
    readonly name: PeerName,
    private readonly client: Worker,
    private readonly servers: readonly ServerProcess[],
  ) {}

  async fill({ keys, valueBytes }: Filling, onWritten?: (count: number) => void): Promise<void> {
    // One set of keys serves all workloads: ours alone has to have some that a node lacks.
    if (!this.filled) {
      this.filled = true;
      const plan = { place: 'held' as const, from: 0, to: keys, valueBytes, inFlight: FILL_IN_FLIGHT };
      await this.client.ask('fill', plan, onWritten);
    }
  }

  async load(plan: LoadPlan): Promise<Loaded> {
    const before = this.serversUsage();
    await this.client.ask('begin-window', null);
    const report = await this.client.ask('load', plan);
    const { cpuUs, rssBytes } = await this.client.ask('end-window', null);
    const after = this.serversUsage();
    const all = before &&
      after && {
        cpuUs: cpuUs + after.cpuUs - before.cpuUs,
        rssBytes: rssBytes + after.rssBytes,
      };
    return { report, caller: { cpuUs, rssBytes }, all };
  }

  private serversUsage(): ProcessUsage | undefined {
    const usages = this.servers.map((server) => server.usage());
    return usages.every((usage) => usage !== undefined) ? sumOf(usages) : undefined;
  }
}
