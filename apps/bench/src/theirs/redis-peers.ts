/** Their side: Redis in each way that it is compared in, called by a process of its own. */
import { type LoadPlan, type LoadReport } from '../load/load-loop.js';
import { type Belongings } from '../processes/belongings.js';
import { type Filling, type Subject, sumOf } from '../processes/subject.js';
import { type ProcessUsage } from '../processes/tasks.js';
import { Worker } from '../processes/worker.js';
import { type Peer } from '../workloads.js';
import { type ClientSettings } from './client-process.js';
import { RedisServer } from './redis-server.js';

const FILL_IN_FLIGHT = 256;
const REPLICAS = 2;
/**
 * WAIT blocks its connection, and each connection costs the server: of 256 writes in flight Redis 7.0 on 2 cores did about
 * 9,000 a second through 1 connection, 18,000 through 8 to 32, 17,000 through 64, 13,000 through 128, 10,000 through 256.
 */
const WAIT_CONNECTIONS = 32;

class RedisPeer implements Subject {
  constructor(
    readonly name: Peer,
    private readonly client: Worker,
    private readonly servers: readonly RedisServer[],
    /** Also where another peer has the same server, and fills it. */
    private isFilled: boolean,
  ) {}

  async fill({ keys, valueBytes }: Filling, onWritten?: (count: number) => void): Promise<void> {
    // One set of keys serves all workloads: ours alone has to have some that a node lacks.
    if (!this.isFilled) {
      this.isFilled = true;
      const plan = { place: 'held' as const, from: 0, to: keys, valueBytes, inFlight: FILL_IN_FLIGHT };
      await this.client.ask('fill', plan, onWritten);
    }
  }

  load(plan: LoadPlan): Promise<LoadReport> {
    return this.client.ask('load', plan);
  }

  async usage() {
    const caller = await this.client.ask('usage', null);
    const others = this.servers.map((server) => server.usage());
    return { caller, others: others.every(isTold) ? sumOf(others) : undefined };
  }
}

/** Starts the servers and clients of these peers; the two that differ in pipelining alone share a server. */
export async function startPeers(
  peers: readonly Peer[],
  belongings: Belongings,
): Promise<readonly Subject[]> {
  let shared: RedisServer | undefined;
  const started: Subject[] = [];
  for (const name of peers) {
    const filledByOther = isOnShared(name) && shared !== undefined;
    let servers: readonly RedisServer[];
    if (isOnShared(name)) {
      shared ??= await RedisServer.inMemory(belongings);
      servers = [shared];
    } else if (name === 'redis-wait-1') {
      servers = await RedisServer.replicated(REPLICAS, belongings);
    } else {
      servers = [await RedisServer.syncingEveryWrite(belongings)];
    }
    const settings: ClientSettings = {
      ...CLIENTS[name],
      port: servers[0]!.port,
      servers: servers.map(({ pid }) => pid),
    };
    const client = new Worker(name, 'theirs/client-process', settings, belongings);
    await client.ready;
    started.push(new RedisPeer(name, client, servers, filledByOther));
  }
  return started;
}

const CLIENTS: Readonly<Record<Peer, Omit<ClientSettings, 'port' | 'servers'>>> = {
  redis: { autoPipelining: false, wait: false, connections: 1 },
  'redis-autopipelining': { autoPipelining: true, wait: false, connections: 1 },
  'redis-wait-1': { autoPipelining: false, wait: true, connections: WAIT_CONNECTIONS },
  'redis-appendfsync-always': { autoPipelining: true, wait: false, connections: 1 },
};

function isOnShared(name: Peer): boolean {
  return name === 'redis' || name === 'redis-autopipelining';
}

function isTold(usage: ProcessUsage | undefined): usage is ProcessUsage {
  return usage !== undefined;
}
