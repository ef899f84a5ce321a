/** NATS JetStream's key-value store: three servers, a bucket of three copies in files. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type KV, Kvm } from '@nats-io/kv';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { keyOf, type Store } from '../load/store.js';
import { freePorts } from '../processes/free-port.js';
import { type Peer, ServerProcess } from './server-process.js';

const SERVERS = 3;
const BUCKET = 'bench';
/**
 * nats-server 2.9, which Debian has, checks an expected revision before the log and not when the entry is applied
 * (nats-server issue 4320): of five concurrent updates of one revision all five succeeded here.
 */
const NO_INCREMENT =
  'nats-server 2.9 has no compare-and-set to count with: concurrent ones of one revision all succeed.';

export const nats: Peer = {
  async start(belongings) {
    const ports = await freePorts(2 * SERVERS);
    const folder = belongings.folder();
    const routes = ports.slice(SERVERS).map((port) => `nats-route://127.0.0.1:${port}`);
    const servers = await Promise.all(
      ports.slice(0, SERVERS).map((port, index) => {
        const name = `server${index + 1}`;
        const file = join(folder, `${name}.conf`);
        writeFileSync(
          file,
          [
            `server_name: ${name}`,
            `listen: "127.0.0.1:${port}"`,
            `jetstream { store_dir: "${join(folder, name)}" }`,
            `cluster { name: bench, listen: "127.0.0.1:${ports[SERVERS + index]}", routes: ${JSON.stringify(routes)} }`,
          ].join('\n'),
        );
        return ServerProcess.start('nats-server', ['-c', file], port, belongings);
      }),
    );
    await servers[0]!.until('a bucket of three copies is there', async () => {
      const connection = await connected(servers.map(({ port }) => port));
      try {
        await new Kvm(connection).create(BUCKET, { replicas: SERVERS, history: 1 });
        return true;
      } finally {
        await connection.close();
      }
    });
    return servers;
  },

  async connect(ports) {
    const connection = await connected(ports);
    const bucket = await new Kvm(connection).open(BUCKET);
    return { store: storeOf(bucket), close: () => connection.close() };
  },
};

function connected(ports: readonly number[]): Promise<NatsConnection> {
  return connect({ servers: ports.map((port) => `127.0.0.1:${port}`), noRandomize: true, timeout: 5_000 });
}

function storeOf(bucket: KV): Store {
  return {
    key: keyOf,
    read: async (key) => (await bucket.get(key))?.value,
    write: (key, value) => bucket.put(key, value),
    increment: () => Promise.reject(new Error(NO_INCREMENT)),
  };
}
