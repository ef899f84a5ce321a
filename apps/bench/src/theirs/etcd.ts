/** Three etcd members, asked by their v3 JSON gateway. */
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { keyOf, type Store } from '../load/store.js';
import { freePorts } from '../processes/free-port.js';
import { type Peer, ServerProcess } from './server-process.js';

const MEMBERS = 3;
const CONNECTIONS_EACH = 64;

/** Numbers of 64 bits and bytes are strings in it, the latter in base64. */
interface KeyValue {
  readonly value?: string;
  readonly mod_revision?: string;
}
interface RangeAnswer {
  readonly kvs?: readonly KeyValue[];
}
interface TxnAnswer {
  readonly succeeded?: boolean;
  readonly responses?: readonly { readonly response_range?: RangeAnswer }[];
}

export const etcd: Peer = {
  async start(belongings) {
    const ports = await freePorts(2 * MEMBERS);
    const folder = belongings.folder();
    const members = Array.from({ length: MEMBERS }, (_, index) => ({
      name: `member${index + 1}`,
      port: ports[index]!,
      client: `http://127.0.0.1:${ports[index]}`,
      peer: `http://127.0.0.1:${ports[MEMBERS + index]}`,
    }));
    const cluster = members.map(({ name, peer }) => `${name}=${peer}`).join();
    const servers = await Promise.all(
      members.map(({ name, port, client, peer }) => {
        const options = {
          name,
          'data-dir': join(folder, name),
          'listen-client-urls': client,
          'advertise-client-urls': client,
          'listen-peer-urls': peer,
          'initial-advertise-peer-urls': peer,
          'initial-cluster': cluster,
          'initial-cluster-token': folder,
          'log-level': 'error',
        };
        const args = Object.entries(options).map(([option, value]) => `--${option}=${value}`);
        return ServerProcess.start('etcd', args, port, belongings);
      }),
    );
    const gateway = new Gateway(servers.map(({ port }) => port));
    try {
      await servers[0]!.until('every member answers', async () => {
        const reads = servers.map(() => gateway.call<RangeAnswer>('/v3/kv/range', { key: base64('ready') }));
        return (await Promise.all(reads)).length === MEMBERS;
      });
    } finally {
      gateway.close();
    }
    return servers;
  },

  async connect(ports) {
    const gateway = new Gateway(ports);
    return { store: storeOf(gateway), close: async () => gateway.close() };
  },
};

function storeOf(gateway: Gateway): Store {
  return {
    key: keyOf,
    // Linearizable unless `serializable` is asked for.
    read: async (key) => {
      const { kvs } = await gateway.call<RangeAnswer>('/v3/kv/range', { key: base64(key) });
      return kvs?.[0] && Buffer.from(kvs[0].value ?? '', 'base64');
    },
    write: (key, value) => gateway.call('/v3/kv/put', { key: base64(key), value: value.toString('base64') }),
    increment: async (name) => {
      const key = base64(name);
      let { kvs } = await gateway.call<RangeAnswer>('/v3/kv/range', { key });
      for (;;) {
        const { value = '', mod_revision = '0' } = kvs?.[0] ?? {};
        const next = Number(Buffer.from(value, 'base64').toString()) + 1;
        const { succeeded, responses } = await gateway.call<TxnAnswer>('/v3/kv/txn', {
          compare: [{ key, target: 'MOD', result: 'EQUAL', mod_revision }],
          success: [{ request_put: { key, value: base64(String(next)) } }],
          failure: [{ request_range: { key } }],
        });
        if (succeeded) {
          return next;
        }
        kvs = responses?.[0]?.response_range?.kvs;
      }
    },
  };
}

/**
 * The members in turn, over kept HTTP connections: the npm client etcd3 is not maintained. The gateway runs in the members,
 * and its CPU counts as theirs.
 */
class Gateway {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS_EACH, scheduling: 'fifo' });
  private turn = 0;

  constructor(private readonly ports: readonly number[]) {}

  /** @throws Error with what the member answered */
  call<T>(path: string, body: object): Promise<T> {
    const text = JSON.stringify(body);
    const port = this.ports[this.turn++ % this.ports.length]!;
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    return new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port, path, method: 'POST', agent: this.agent, headers };
      const sent = request(options, (response) => {
        let answer = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (answer += chunk));
        response.once('error', reject);
        response.once('end', () =>
          response.statusCode === 200
            ? resolve(JSON.parse(answer) as T)
            : reject(new Error(`etcd answered ${response.statusCode}: ${answer.slice(0, 200)}`)),
        );
      });
      sent.once('error', reject);
      sent.end(text);
    });
  }

  close(): void {
    this.agent.destroy();
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
