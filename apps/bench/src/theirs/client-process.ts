/** The process that calls Redis: an application's place, as our first node has it. */
import { once } from 'node:events';
import { Redis } from 'ioredis';
import { fill } from '../load/filling.js';
import { runLoad } from '../load/load-loop.js';
import { serve, tell } from '../processes/serve.js';
import { redisStore, redisWaitStore } from './redis-store.js';

export interface ClientSettings {
  readonly port: number;
  readonly autoPipelining: boolean;
  /** Whether each write waits for a replica. */
  readonly wait: boolean;
  readonly connections: number;
  /** Process ids of the servers: they have no channel that would tell them that the bench is gone. */
  readonly servers: readonly number[];
}

await serve(async ({ port, autoPipelining, wait, connections, servers }: ClientSettings) => {
  const clients = Array.from(
    { length: connections },
    () => new Redis({ host: '127.0.0.1', port, enableAutoPipelining: autoPipelining, lazyConnect: true }),
  );
  // Errors of calls reach their callers; those of a connection end its calls.
  clients.forEach((client) => client.on('error', () => undefined));
  await Promise.all(clients.map((client) => client.connect()));
  const store = wait ? redisWaitStore(clients) : redisStore(clients[0]!);
  return {
    about: 'ioredis',
    close: async () => {
      const ended = clients.map((client) => once(client, 'end'));
      clients.forEach((client) => client.disconnect());
      await Promise.all(ended);
    },
    abandoned: () => servers.forEach(endServer),
    handlers: {
      fill: (plan) => fill(store, plan, (count) => tell({ kind: 'written', count })),
      load: (plan) => runLoad(store, plan),
    },
  };
});

function endServer(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Another client of the same server was faster.
  }
}
