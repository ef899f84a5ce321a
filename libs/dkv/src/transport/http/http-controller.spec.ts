/** The peer port as part of a process: what it leaves alone in its host, and how it ends. */
import { ConsoleLogger, Injectable, Logger as NestLogger } from '@nestjs/common';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../../../testing/manual-clock.js';
import { Gate } from '../../../testing/transport/gate.js';
import { answer, question } from '../../../testing/transport/samples.js';
import { ScriptedPeer } from '../../../testing/transport/scripted-peer.js';
import { encodePeerRequest } from '../messages/peer-codec.js';
import { HttpController, type HttpControllerOptions } from './http-controller.js';
import { type KvService } from '../rest/kv-service.js';
import { createPeerServer } from './peer-server.js';
import { PortKeys } from './port-keys.js';

const clock = new ManualClock();
const logged: string[] = [];
const started: HttpController[] = [];

afterEach(async () => {
  logged.length = 0;
  await Promise.all(started.splice(0).map((controller) => controller.stop()));
});

const NO_REST: KvService = {
  get: () => Promise.resolve(undefined),
  addOrUpdate: () => Promise.reject(new Error('not asked here')),
  remove: () => Promise.resolve({ existed: false }),
};

function newController(peer = new ScriptedPeer(answer), options: Partial<HttpControllerOptions> = {}) {
  const note = (message: string) => void logged.push(message);
  const controller = new HttpController(
    peer,
    NO_REST,
    clock,
    { log: note, warn: note, error: note },
    { host: '127.0.0.1', port: 0, apiKey: 'k', valueBytesMax: 1000, ...options },
  );
  started.push(controller);
  return controller;
}

async function open(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** `once` would fail with the connection. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.resume().once('close', () => resolve());
  });
}

/** Everything that comes until the other side closes. */
async function receive(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await closed(socket);
  return Buffer.concat(chunks).toString();
}

const BODY = encodePeerRequest({ ...question(), sentAtMs: 0 }).toString('latin1');
const HEAD = `POST /peer/get HTTP/1.1\r\nHost: x\r\nX-Api-Key: k\r\nX-Dkv-Format: 3\r\nContent-Type: application/octet-stream\r\n`;
const REQUEST = `${HEAD}Content-Length: ${Buffer.byteLength(BODY)}\r\n\r\n${BODY}`;

describe('its host', () => {
  it('keeps its logger, and sees nothing of the inner application in it', async () => {
    const lines: unknown[] = [];
    const note = (line: unknown) => void lines.push(line);
    const host = { log: note, warn: note, error: note };
    const before = NestLogger['staticInstanceRef'];
    NestLogger.overrideLogger(host);
    try {
      const controller = newController();
      const starting = controller.start();
      new NestLogger('Host').log('meanwhile');
      const { port } = await starting;
      new NestLogger('Host').log('after');
      await expect(newController(undefined, { port }).start()).rejects.toMatchObject({
        code: 'DKV_PORT_IN_USE',
      });
      await controller.stop();
      expect(NestLogger['staticInstanceRef']).toBe(host);
      expect(lines).toEqual(['meanwhile', 'after']);
      expect(logged).toEqual([]);
    } finally {
      NestLogger.overrideLogger(before ?? new ConsoleLogger());
    }
  });

  it('alone calls the lifecycle hooks of its providers', async () => {
    const hooks: string[] = [];
    @Injectable()
    class Peer extends ScriptedPeer {
      onModuleInit = () => hooks.push('onModuleInit');
      onApplicationBootstrap = () => hooks.push('onApplicationBootstrap');
      onModuleDestroy = () => hooks.push('onModuleDestroy');
      beforeApplicationShutdown = () => hooks.push('beforeApplicationShutdown');
      onApplicationShutdown = () => hooks.push('onApplicationShutdown');
    }
    const controller = newController(new Peer(answer));
    await controller.start();
    await controller.stop();
    expect(hooks).toEqual([]);
  });

  it('alone listens to signals', async () => {
    const listeners = () => ['SIGTERM', 'SIGINT', 'SIGHUP'].map((signal) => process.listenerCount(signal));
    const before = listeners();
    await newController().start();
    expect(listeners()).toEqual(before);
  });
});

describe('stop', () => {
  it('ends connections that carry no request, whatever they have sent', async () => {
    const controller = newController();
    const { port } = await controller.start();
    const silent = await open(port);
    const halfHeader = await open(port);
    halfHeader.write('POST /peer/get HTTP/1.1\r\nHost:');
    const kept = await open(port);
    kept.write(REQUEST);
    await once(kept, 'data');
    const ends = [silent, halfHeader, kept].map(closed);
    await controller.stop();
    await Promise.all(ends);
    expect(logged).toEqual([]);
  });

  it('answers what is under way and closes its connection', async () => {
    const gate = new Gate();
    const peer = new ScriptedPeer(async () => {
      await gate.opened;
      return answer();
    });
    const controller = newController(peer);
    const { port } = await controller.start();
    const socket = await open(port);
    socket.write(REQUEST);
    const received = receive(socket);
    await peer.asked(1);
    const stopped = controller.stop();
    gate.open();
    await stopped;
    expect(await received).toMatch(/^HTTP\/1.1 200 OK\r\n[^]*connection: close\r\n[^]*\r\n\r\n[^]*c0ffee/i);
  });

  it('says DKV_NOT_READY to what still comes on a connection under way', async () => {
    const adapter = await createPeerServer(1000, { keys: new PortKeys('k'), stopping: true });
    const refused = await adapter.inject({ url: '/kv/k', headers: { 'X-Api-Key': 'k' } });
    expect([refused.statusCode, refused.json<{ code: string }>().code]).toEqual([503, 'DKV_NOT_READY']);
    expect(refused.headers.connection).toBe('close');
  });

  it('cuts off what does not end in time', async () => {
    const peer = new ScriptedPeer(() => new Promise(() => undefined));
    const controller = newController(peer, { stopTimeoutMs: 3000 });
    const { port } = await controller.start();
    const stuck = await open(port);
    stuck.write(REQUEST);
    const halfBody = await open(port);
    halfBody.write(`${HEAD}Content-Length: 1000\r\n\r\n{`);
    await peer.asked(1);
    const ends = [stuck, halfBody].map(closed);
    const stopped = controller.stop();
    expect(logged).toEqual([]);
    clock.advance(3000);
    await stopped;
    await Promise.all(ends);
    expect(logged).toEqual([expect.stringContaining('did not end in time')]);
  });

  it('does nothing before a start, and nothing twice', async () => {
    const controller = newController();
    await controller.stop();
    expect(clock.pendingTimers).toBe(0);
    const other = newController();
    await other.start();
    await Promise.all([other.stop(), other.stop()]);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('what is not a request', () => {
  it.each(['\x16\x03\x01\x02\x00\x01', 'hello\r\n\r\n', `GET /${'x'.repeat(20_000)} HTTP/1.1\r\n\r\n`])(
    'is answered with a code: %j',
    async (text) => {
      const { port } = await newController().start();
      const socket = await open(port);
      const received = receive(socket);
      socket.write(text);
      expect(await received).toMatch(/^HTTP\/1.1 400 [^]*\{"code":"DKV_INVALID_ARGUMENT"/);
    },
  );

  it.each(['/peer/get', '/kv/k', '/admin/cluster', '/nowhere', '/%zz'])(
    'loses its connection with the refusal: %s',
    async (path) => {
      const { port } = await newController().start();
      const socket = await open(port);
      const received = receive(socket);
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nX-Api-Key: z\r\nConnection: keep-alive\r\n\r\n`);
      expect(await received).toMatch(/^HTTP\/1.1 403 [^]*connection: close\r\n[^]*DKV_FORBIDDEN/i);
    },
  );

  it('has 5 s for its headers and 15 s in all, looked at each second', async () => {
    const server = (
      await createPeerServer(1000, { keys: new PortKeys('k'), stopping: false })
    ).getHttpServer();
    expect(server).toMatchObject({
      headersTimeout: 5_000,
      requestTimeout: 15_000,
      connectionsCheckingInterval: 1_000,
    });
  });

  it('has to be let in before its body is read', async () => {
    const { port } = await newController().start();
    const socket = await open(port);
    const [head] = REQUEST.split('\r\n\r\n');
    const received = once(socket, 'data');
    // The body never comes: whoever waits for it before looking at the key waits for ever.
    socket.write(`${head?.replace('X-Api-Key: k', 'X-Api-Key: z')}\r\n\r\n`);
    expect(String((await received)[0])).toMatch(/^HTTP\/1.1 403 [^]*DKV_FORBIDDEN/);
    socket.destroy();
  });

  it('is refused in another format, as JSON, and of what is no message', async () => {
    const { port } = await newController().start();
    const url = `http://127.0.0.1:${port}/peer/get`;
    const codeOf = async (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string>) => {
      const response = await fetch(url, { method: 'POST', body, headers: { 'X-Api-Key': 'k', ...headers } });
      return ((await response.json()) as { code: string }).code;
    };
    const bytes = { 'Content-Type': 'application/octet-stream', 'X-Dkv-Format': '3' };
    const good = new Uint8Array(encodePeerRequest(question()));
    expect(await codeOf(good, { ...bytes, 'X-Dkv-Format': '2' })).toBe('DKV_PROTOCOL');
    expect(await codeOf('{}', { ...bytes, 'Content-Type': 'application/json' })).toBe('DKV_PROTOCOL');
    expect(await codeOf(good.subarray(1), bytes)).toBe('DKV_PROTOCOL');
    const posted = await fetch(`http://127.0.0.1:${port}/peer/post/live`, {
      method: 'POST',
      body: Uint8Array.of(0, 0, 0, 9, 1),
      headers: { 'X-Api-Key': 'k', 'X-Dkv-Node': 'b', ...bytes },
    });
    expect(((await posted.json()) as { code: string }).code).toBe('DKV_PROTOCOL');
  });

  it('comes over no more connections than allowed', async () => {
    const { port } = await newController(undefined, {
      connections: { max: 1, keylessMax: 1, keylessTimeoutMs: 5000 },
    }).start();
    const first = await open(port);
    const second = await open(port);
    await closed(second);
    first.write(REQUEST);
    await once(first, 'data');
    first.destroy();
  });
});

it('says which address it cannot listen on', async () => {
  await expect(newController(undefined, { host: '192.0.2.1', port: 7000 }).start()).rejects.toMatchObject({
    code: 'DKV_INVALID_OPTIONS',
    message: expect.stringContaining('192.0.2.1:7000') as string,
  });
});
