/** Redis in each way that it is compared in: keys are strings, values Buffers, and no call is wrapped that need not be. */
import { once } from 'node:events';
import { type ChainableCommander, Redis } from 'ioredis';
import { type Connection, keyOf, type Store } from '../load/store.js';
import { type Belongings } from '../processes/belongings.js';
import { freePorts } from '../processes/free-port.js';
import { type Peer, ServerProcess } from './server-process.js';

const IN_MEMORY = ['--save', '', '--appendonly', 'no'];
const EVERY_WRITE_SYNCED = ['--save', '', '--appendonly', 'yes', '--appendfsync', 'always'];
const REPLICAS = 2;
/** How long WAIT may block; a replica that does not answer in this time makes the write a failure. */
const WAIT_MS = 1_000;
/**
 * WAIT blocks its connection, and each connection costs the server: of 256 writes in flight Redis 7.0 on 2 cores did about
 * 9,000 a second through 1 connection, 18,000 through 8 to 32, 17,000 through 64, 13,000 through 128, 10,000 through 256.
 */
const WAIT_CONNECTIONS = 32;

export const redis = single(IN_MEMORY, false);
export const redisAutoPipelining = single(IN_MEMORY, true);
export const redisFsync = single(EVERY_WRITE_SYNCED, true);

export const redisWait: Peer = {
  async start(belongings) {
    const primary = await startServer([...IN_MEMORY, '--repl-diskless-sync-delay', '0'], belongings);
    const of = ['--replicaof', '127.0.0.1', String(primary.port)];
    const replicas = Array.from({ length: REPLICAS }, () => startServer([...IN_MEMORY, ...of], belongings));
    const servers = [primary, ...(await Promise.all(replicas))];
    await asking(primary.port, (client) =>
      primary.until(`${REPLICAS} replicas follow`, async () => {
        const online = (await client.info('replication')).match(/state=online/g) ?? [];
        return online.length === REPLICAS;
      }),
    );
    return servers;
  },
  connect: ([port]) =>
    connected(
      Array.from({ length: WAIT_CONNECTIONS }, () => clientOf(port!, false)),
      waitStore,
    ),
};

function single(settings: readonly string[], autoPipelining: boolean): Peer {
  return {
    start: async (belongings) => [await startServer(settings, belongings)],
    connect: ([port]) => connected([clientOf(port!, autoPipelining)], ([client]) => plainStore(client!)),
  };
}

async function startServer(settings: readonly string[], belongings: Belongings): Promise<ServerProcess> {
  const [port] = await freePorts(1);
  const place = ['--port', String(port), '--bind', '127.0.0.1', '--dir', belongings.folder()];
  const server = await ServerProcess.start('redis-server', [...place, ...settings], port!, belongings);
  await asking(port!, (client) => server.until('it answers', async () => (await client.ping()) === 'PONG'));
  return server;
}

function clientOf(port: number, enableAutoPipelining: boolean): Redis {
  const client = new Redis({ host: '127.0.0.1', port, enableAutoPipelining, lazyConnect: true });
  // Errors of calls reach their callers; those of a connection end its calls.
  return client.on('error', () => undefined);
}

async function asking(port: number, work: (client: Redis) => Promise<void>): Promise<void> {
  const client = clientOf(port, false);
  try {
    await work(client);
  } finally {
    client.disconnect();
  }
}

async function connected(
  clients: readonly Redis[],
  storeOf: (clients: readonly Redis[]) => Store,
): Promise<Connection> {
  await Promise.all(clients.map((client) => client.connect()));
  return {
    store: storeOf(clients),
    close: async () => {
      const ended = clients.map((client) => once(client, 'end'));
      clients.forEach((client) => client.disconnect());
      await Promise.all(ended);
    },
  };
}

function plainStore(client: Redis): Store {
  return {
    key: keyOf,
    read: (key) => client.getBuffer(key),
    write: (key, value) => client.set(key, value),
    increment: (key) => client.incr(key),
  };
}

/**
 * Each write is followed by `WAIT 1`, in one pipeline. WAIT blocks its connection, so an operation takes a connection
 * of its own; only when there are more operations than connections they share.
 */
function waitStore(connections: readonly Redis[]): Store {
  const idle = [...connections];
  let turn = 0;
  const waited = async (change: (pipeline: ChainableCommander) => ChainableCommander): Promise<unknown> => {
    const own = idle.pop();
    const client = own ?? connections[turn++ % connections.length]!;
    try {
      const replies = await change(client.pipeline()).wait(1, WAIT_MS).exec();
      const [[changeError, changed] = [], [waitError, acknowledged] = []] = replies ?? [];
      const error = changeError ?? waitError;
      if (error) {
        throw error;
      }
      if (!(Number(acknowledged) >= 1)) {
        throw new Error(`No replica acknowledged the write in ${WAIT_MS} ms.`);
      }
      return changed;
    } finally {
      if (own) {
        idle.push(own);
      }
    }
  };
  return {
    ...plainStore(connections[0]!),
    write: (key, value) => waited((pipeline) => pipeline.set(key, value)),
    increment: async (key) => Number(await waited((pipeline) => pipeline.incr(key))),
  };
}
