/** A whole node on loopback, with every door that a node can have, and what an attacker sees and an operator reads of it. */
import { RequestMethod } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { expect } from 'vitest';
import { StaticDiscovery } from '../../libs/dkv/src/discovery/static-discovery.js';
import { Dkv } from '../../libs/dkv/src/dkv.js';
import { DkvModule } from '../../libs/dkv/src/dkv.module.js';
import { PEER_REQUEST_KINDS } from '../../libs/dkv/src/model/peer-protocol.js';
import { PeerController } from '../../libs/dkv/src/transport/http/peer-controller.js';
import { AdminController } from '../../libs/dkv/src/transport/rest/admin-controller.js';
import { KvController } from '../../libs/dkv/src/transport/rest/kv-controller.js';
import { CapturedLog } from '../../libs/dkv/testing/captured-log.js';
import { freePort } from '../../libs/dkv/testing/free-port.js';

export const API_KEY = 'the-api-key-of-the-attacked';
export const ADMIN_KEY = 'the-admin-key-of-the-attacked';
/** Stand for what must never be read anywhere but in an answer to whoever may read it. */
export const SECRET_VALUE = 'a-value-that-is-secret';
export const SECRET_RECORD = 'a-record-that-is-secret';

export const AS_PEER = { 'X-Api-Key': API_KEY };
export const AS_OPERATOR = { 'X-Admin-Key': ADMIN_KEY };

export interface Seen {
  readonly status: number;
  readonly text: string;
  /** What the answer says of the connection. */
  readonly connection: string | undefined;
}

export interface Sent {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string | Buffer;
}

export interface Route {
  readonly method: string;
  readonly path: string;
  readonly controller: 'admin' | 'kv' | 'peer';
}

export class AttackedNode {
  private constructor(
    readonly port: number,
    readonly log: CapturedLog,
    private readonly module: TestingModule,
  ) {}

  static async start(): Promise<AttackedNode> {
    const port = await freePort();
    const log = new CapturedLog();
    const store = DkvModule.forRoot({
      nodeId: 'a',
      discovery: StaticDiscovery.parse(`a=127.0.0.1:${port}`),
      peerBind: '127.0.0.1',
      apiKey: API_KEY,
      adminKey: ADMIN_KEY,
      storage: 'memory',
      partitions: 4,
      replicas: 0,
      valueBytesMax: 64 * 1024,
      logger: log,
    });
    const imports = [store, DkvModule.forFeature([{ name: 'presence', mode: 'eventual' }])];
    const module = await Test.createTestingModule({ imports }).compile();
    await module.init();
    await module.get<Dkv<string>>(Dkv).addOrUpdate(SECRET_RECORD, SECRET_VALUE);
    return new AttackedNode(port, log, module);
  }

  /** After all attacks: it serves, no request was anybody's defect, and nobody who reads the log has learnt a secret. */
  async expectUnharmed(): Promise<void> {
    expect(await this.serves()).toBe(true);
    expect(this.log.errors).toEqual([]);
    for (const secret of [API_KEY, ADMIN_KEY, SECRET_VALUE, SECRET_RECORD]) {
      expect(this.read).not.toContain(secret);
    }
  }

  stop(): Promise<void> {
    return this.module.close();
  }

  /** All that an operator has read so far. */
  get read(): string {
    return [...this.log.lines, ...this.log.warnings, ...this.log.errors].join('\n');
  }

  /** Whether somebody with the key is served. */
  async serves(): Promise<boolean> {
    const { status } = await this.send({ method: 'GET', path: `/kv/${SECRET_RECORD}`, headers: AS_PEER });
    return status === 200;
  }

  /** On a connection of its own; the path goes out as it is. */
  send({ method, path, headers = {}, body }: Sent): Promise<Seen> {
    return new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port: this.port, agent: false, method, path, headers } as const;
      const sent = request(options, (response) => {
        response.toArray().then((chunks) => {
          const text = Buffer.concat(chunks as Buffer[]).toString();
          resolve({ status: response.statusCode ?? 0, text, connection: response.headers.connection });
        }, reject);
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }

  async connect(): Promise<Socket> {
    const socket = connect(this.port, '127.0.0.1');
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  }

  /** All that comes back to these bytes until the node closes the connection. */
  async answerTo(bytes: string | Buffer): Promise<string> {
    const socket = await this.connect();
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    const closed = once(socket, 'close');
    socket.write(bytes);
    await closed;
    return Buffer.concat(chunks).toString();
  }
}

export function sendJson(method: string, path: string, body: string, headers: Sent['headers'] = {}): Sent {
  return { method, path, body, headers: { 'Content-Type': 'application/json', ...headers } };
}

/** Every route that the port has, as its controllers declare them: one that is added is attacked as well. */
export function routes(): Route[] {
  const controllers = { admin: AdminController, kv: KvController, peer: PeerController } as const;
  return (Object.keys(controllers) as Route['controller'][]).flatMap((controller) => {
    const { prototype } = controllers[controller];
    const handlers = Object.values(Object.getOwnPropertyDescriptors(prototype)).map(
      ({ value }: PropertyDescriptor) => value as object,
    );
    return handlers
      .filter((handler) => Reflect.hasMetadata('method', handler))
      .flatMap((handler) => {
        const path = String(Reflect.getMetadata('path', handler)).replace(/^\/$/, '');
        const method = RequestMethod[Reflect.getMetadata('method', handler) as RequestMethod];
        const filled =
          path === ':kind' ? PEER_REQUEST_KINDS : [path.replace(':key', 'k').replace(':lane', 'live')];
        return filled.map((last) => ({
          controller,
          method,
          path: `/${controller}${last && `/${last}`}`,
        }));
      });
  });
}
