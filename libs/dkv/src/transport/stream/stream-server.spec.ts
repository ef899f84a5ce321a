import 'reflect-metadata';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { ManualClock } from '../../../testing/manual-clock.js';
import { Gate } from '../../../testing/transport/gate.js';
import {
  addOrUpdate,
  answer,
  ANSWERING,
  never,
  question,
  sampleExchanges,
  sampleRecord,
} from '../../../testing/transport/samples.js';
import { ScriptedPeer } from '../../../testing/transport/scripted-peer.js';
import { DkvError } from '../../dkv.errors.js';
import { type PeerRequest } from '../../model/peer-protocol.js';
import { type PeerService } from '../../ports/controller.js';
import { type Logger } from '../../ports/logger.js';
import {
  FRAME,
  FRAME_FORMAT,
  MESSAGE_BYTES_MAX,
  STREAM_PATH,
  STREAM_PROTOCOL,
} from './frame-layout.js';
import { type FrameHandler, FrameReceiver, type Incoming } from './frame-receiver.js';
import { FrameSender } from './frame-sender.js';
import { cancelFrame, requestFrame } from './outgoing.js';
import { ApiKey } from '../http/api-key.js';
import { StreamServer, type StreamServerOptions } from './stream-server.js';

const KIB = 1024;
const SILENT: Logger = { log() {}, warn() {}, error() {} };
const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) {
    await cleanUp();
  }
});

async function serverOf(peer: PeerService, options: Partial<StreamServerOptions> = {}) {
  const clock = new ManualClock();
  const gate = { apiKey: new ApiKey('the key'), stopping: false };
  const streams = new StreamServer(peer, clock, SILENT, gate, { valueBytesMax: 1024 * KIB, ...options });
  const server = createServer((_, response) => response.end());
  server.on('upgrade', (request, socket, head) => streams.upgrade(request, socket, head, () => undefined));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUps.push(() => {
    streams.destroyAll();
    server.close();
    server.closeAllConnections();
  });
  return { streams, clock, gate, port: (server.address() as AddressInfo).port };
}

interface Dial {
  readonly path?: string;
  readonly key?: string;
  readonly protocol?: string;
}

function dial(port: number, { path = STREAM_PATH, key = 'the key', protocol = STREAM_PROTOCOL }: Dial = {}) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocol, { headers: { 'X-Api-Key': key } });
  socket.on('error', () => undefined);
  cleanUps.push(() => socket.terminate());
  return socket;
}

async function refusal(socket: WebSocket): Promise<{ status: number | undefined; code: unknown }> {
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage];
  const chunks = await response.toArray();
  const { code } = JSON.parse(Buffer.concat(chunks as Buffer[]).toString()) as { code: unknown };
  return { status: response.statusCode, code };
}

/** A peer that says what it likes and notes what it hears. */
class Asker implements FrameHandler {
  readonly takes = FRAME.ANSWER;
  readonly answered: number[] = [];
  readonly failures = new Map<number, string>();
  goodbyes = 0;
  private readonly sender = new FrameSender(setImmediate);
  private lastId = 0;
  private waiting: (() => void)[] = [];

  private constructor(readonly socket: WebSocket) {
    const receiver = new FrameReceiver(this);
    this.sender.open({ send: (message, flushed) => socket.send(message, flushed) });
    socket.on('message', (data: Buffer) => {
      receiver.receive(data);
      this.waiting.splice(0).forEach((resolve) => resolve());
    });
  }

  static async of(port: number): Promise<Asker> {
    const socket = dial(port);
    await once(socket, 'open');
    return new Asker(socket);
  }

  ask(request: PeerRequest = question()): number {
    this.sender.add(requestFrame(++this.lastId, request));
    return this.lastId;
  }

  cancel(id: number): void {
    this.sender.add(cancelFrame(id));
  }

  async heard(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  admits(): boolean {
    return true;
  }
  incoming({ id }: Incoming): void {
    this.answered.push(id);
  }
  failed(id: number, code: string): void {
    this.failures.set(id, code);
  }
  goodbye(): void {
    this.goodbyes++;
  }
}

describe('the upgrade', () => {
  it('is refused without the key, elsewhere, in another protocol and when the node stops', async () => {
    const { port, gate } = await serverOf(new ScriptedPeer(answer));
    expect(await refusal(dial(port, { key: 'the kez' }))).toEqual({ status: 403, code: 'DKV_FORBIDDEN' });
    expect(await refusal(dial(port, { path: '/x', key: '' }))).toEqual({
      status: 403,
      code: 'DKV_FORBIDDEN',
    });
    expect(await refusal(dial(port, { path: '/peer/get' }))).toEqual({
      status: 404,
      code: 'ROUTE_NOT_FOUND',
    });
    expect(await refusal(dial(port, { protocol: 'other' }))).toEqual({ status: 502, code: 'DKV_PROTOCOL' });
    gate.stopping = true;
    expect(await refusal(dial(port))).toEqual({ status: 503, code: 'DKV_NOT_READY' });
  });

  it('to anything but a WebSocket is refused', async () => {
    const { port } = await serverOf(new ScriptedPeer(answer));
    const socket = connect(port, '127.0.0.1');
    socket.write(
      `GET ${STREAM_PATH} HTTP/1.1\r\nHost: x\r\nX-Api-Key: the key\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n`,
    );
    const chunks = await socket.toArray();
    expect(Buffer.concat(chunks as Buffer[]).toString()).toMatch(/^HTTP\/1.1 404 /);
  });
});

describe('what is not of the protocol', () => {
  it.each([
    ['bytes', Buffer.of(FRAME_FORMAT, 99), 1002, /^DKV_PROTOCOL: .*type 99/],
    ['text', 'hello', 1002, /^DKV_PROTOCOL: .*text/],
    ['a message too large', Buffer.alloc(MESSAGE_BYTES_MAX + 1), 1009, /^/],
  ])('closes the connection with a reason: %s', async (_, message, code, reason) => {
    const { port } = await serverOf(new ScriptedPeer(answer));
    const socket = dial(port);
    await once(socket, 'open');
    socket.send(message);
    const [closedWith, why] = (await once(socket, 'close')) as [number, Buffer];
    expect(closedWith).toBe(code);
    expect(why.toString()).toMatch(reason);
  });
});

describe('the bound of bytes under way', () => {
  const put = (bytes: number) => addOrUpdate(sampleRecord({ value: new Uint8Array(bytes) }));
  const version = sampleRecord().version;
  const kept = { kind: 'addOrUpdate', ...ANSWERING, answer: { version, newer: undefined } } as const;

  it('stops reading, and reads on as answers leave', async () => {
    const gate = new Gate();
    const peer = new ScriptedPeer(async () => {
      await gate.opened;
      return kept;
    });
    const { port } = await serverOf(peer, { underWayBytesMax: 512 * KIB });
    const asker = await Asker.of(port);
    const ids = Array.from({ length: 400 }, () => asker.ask(put(48 * KIB)));
    // All that is read of 19 MiB: the bound, and what one read of the socket may bring beyond it.
    await peer.asked(10);
    const other = await Asker.of(port);
    other.ask(put(1));
    await peer.asked(peer.requests.length + 1);
    expect(peer.requests.length).toBeLessThan(40);
    gate.open();
    await asker.heard(() => asker.answered.length === ids.length);
  });

  it('refuses forwarded writes at half of it, which may wait for this peer', async () => {
    const peer = new ScriptedPeer((request) => (request.kind === 'forward' ? never() : answer()));
    const { port } = await serverOf(peer, { underWayBytesMax: 64 * KIB });
    const asker = await Asker.of(port);
    const forward = sampleExchanges(1).find(({ request }) => request.kind === 'forward')!.request;
    for (let i = 0; i < 200; i++) {
      asker.ask(forward);
    }
    const last = asker.ask();
    await asker.heard(() => asker.answered.includes(last));
    const codes = [...asker.failures.values()];
    expect(new Set(codes)).toEqual(new Set(['DKV_OVERLOADED']));
    expect(codes.length).toBeGreaterThan(150);
    expect(codes.length).toBeLessThan(200);
  });

  it('holds for large requests that come in, which give it back when they are cancelled', async () => {
    const peer = new ScriptedPeer(() => kept);
    const { port } = await serverOf(peer, { underWayBytesMax: 1024 * KIB });
    const asker = await Asker.of(port);
    const ids = [asker.ask(put(700 * KIB)), asker.ask(put(700 * KIB))];
    await asker.heard(() => asker.failures.size + asker.answered.length === 2);
    expect([...asker.failures]).toEqual([[ids[1], 'DKV_OVERLOADED']]);
    for (let round = 0; round < 5; round++) {
      const id = asker.ask(put(700 * KIB));
      await asker.heard(() => asker.answered.includes(id));
    }
    const tooLarge = asker.ask(put(2000 * KIB));
    await asker.heard(() => asker.failures.has(tooLarge));
    expect(asker.failures.get(tooLarge)).toBe('DKV_VALUE_TOO_LARGE');
  });
});

describe('the number of requests carried out at once', () => {
  it('is bounded, but for heartbeats and forwarded writes', async () => {
    const gate = new Gate();
    const forward = sampleExchanges(1).find(({ request }) => request.kind === 'forward')!;
    const ping = { kind: 'ping', ...ANSWERING, answer: { ready: true, caughtUp: true } } as const;
    const peer = new ScriptedPeer(async ({ kind }) => {
      if (kind !== 'get') {
        return kind === 'ping' ? ping : forward.reply;
      }
      await gate.opened;
      return answer();
    });
    const { port } = await serverOf(peer);
    const asker = await Asker.of(port);
    const ids = Array.from({ length: 3000 }, () => asker.ask());
    const others = [asker.ask({ ...question(), kind: 'ping', ask: {} }), asker.ask(forward.request)];
    await asker.heard(() => asker.answered.length === others.length);
    expect(new Set(asker.answered)).toEqual(new Set(others));
    expect(peer.requests).toHaveLength(1024 + others.length);
    gate.open();
    await asker.heard(() => asker.answered.length === others.length + ids.length);
  });
});

describe('requests that fail at once', () => {
  it('are answered one by one, however many have waited for their turn', async () => {
    const gate = new Gate();
    let failing = false;
    const peer = new ScriptedPeer(async () => {
      await gate.opened;
      return answer();
    });
    const service = {
      serve: ((request) => {
        if (failing) {
          throw new DkvError('DKV_NOT_READY', 'not now');
        }
        return peer.serve(request);
      }) as PeerService['serve'],
    };
    const { port } = await serverOf(service);
    const asker = await Asker.of(port);
    const ids = Array.from({ length: 20_000 }, () => asker.ask());
    await peer.asked(1024);
    failing = true;
    gate.open();
    await asker.heard(() => asker.answered.length + asker.failures.size === ids.length);
    expect(new Set(asker.failures.values())).toEqual(new Set(['DKV_NOT_READY']));
    expect(asker.answered.length).toBeLessThan(2048);
  });
});

describe('requests that are answered at once', () => {
  const big = sampleRecord({ value: new Uint8Array(200 * KIB) });

  /** Knows the answer to every get. */
  function knowing(record = sampleRecord(), refusal?: DkvError) {
    const peer = new ScriptedPeer(never);
    const service: PeerService = {
      serve: (request) => peer.serve(request),
      serveNow(request) {
        if (refusal) {
          throw refusal;
        }
        return request.kind === 'get' ? { kind: 'get', ...ANSWERING, answer: { record } } : undefined;
      },
    };
    return { peer, service };
  }

  it('wait for nothing, and those of which nothing is known are served', async () => {
    const { peer, service } = knowing();
    const { port } = await serverOf(service);
    const asker = await Asker.of(port);
    asker.ask({ ...question(), kind: 'ping', ask: {} });
    const ids = Array.from({ length: 20_000 }, () => asker.ask());
    await asker.heard(() => asker.answered.length === ids.length);
    expect(asker.answered).toEqual(ids);
    expect(peer.requests.map(({ kind }) => kind)).toEqual(['ping']);
  });

  it('are answered as room is made for their answers', async () => {
    const { service } = knowing(big);
    const { port } = await serverOf(service, { underWayBytesMax: 512 * KIB });
    const asker = await Asker.of(port);
    const ids = Array.from({ length: 300 }, () => asker.ask());
    await asker.heard(() => asker.answered.length === ids.length);
    expect(new Set(asker.answered)).toEqual(new Set(ids));
  });

  it('are refused one by one', async () => {
    const { service } = knowing(big, new DkvError('DKV_CLOCK_SKEW', 'no'));
    const { port } = await serverOf(service);
    const asker = await Asker.of(port);
    const ids = Array.from({ length: 5000 }, () => asker.ask());
    await asker.heard(() => asker.failures.size === ids.length);
    expect(new Set(asker.failures.values())).toEqual(new Set(['DKV_CLOCK_SKEW']));
  });
});

describe('answers', () => {
  it('that are small pass large ones', async () => {
    const record = sampleRecord({ value: new Uint8Array(1000 * KIB) });
    const big = { kind: 'get', ...ANSWERING, answer: { record } } as const;
    const ping = { kind: 'ping', ...ANSWERING, answer: { ready: true, caughtUp: true } } as const;
    const peer = new ScriptedPeer((request) => (request.kind === 'ping' ? ping : big));
    const { port } = await serverOf(peer);
    const asker = await Asker.of(port);
    for (let i = 0; i < 20; i++) {
      asker.ask();
    }
    const last = asker.ask({ ...question(), kind: 'ping', ask: {} });
    await asker.heard(() => asker.answered.length === 21);
    expect(asker.answered[0]).toBe(last);
  });
});

describe('stopping', () => {
  it('says goodbye, answers what was asked before, refuses the rest, and hangs up on who stays', async () => {
    const gate = new Gate();
    const peer = new ScriptedPeer(async () => {
      await gate.opened;
      return answer();
    });
    const { streams, clock, port } = await serverOf(peer);
    const asker = await Asker.of(port);
    const before = asker.ask();
    await peer.asked(1);
    streams.drain();
    await asker.heard(() => asker.goodbyes === 1);
    const after = asker.ask();
    await asker.heard(() => asker.failures.size === 1);
    expect(asker.failures.get(after)).toBe('DKV_NOT_READY');
    clock.advance(1000);
    gate.open();
    const [code] = (await once(asker.socket, 'close')) as [number];
    expect([asker.answered, code]).toEqual([[before], 1001]);
    while (clock.pendingTimers > 0) {
      await new Promise(setImmediate);
    }
  });

  it('cuts a connection that gives no sign of life', async () => {
    const { clock, port } = await serverOf(new ScriptedPeer(answer), { keepAliveMs: 1000 });
    const socket = new WebSocket(`ws://127.0.0.1:${port}${STREAM_PATH}`, STREAM_PROTOCOL, {
      headers: { 'X-Api-Key': 'the key' },
      autoPong: false,
    });
    cleanUps.push(() => socket.terminate());
    await once(socket, 'open');
    const pinged = once(socket, 'ping');
    clock.advance(2000);
    await pinged;
    const closed = once(socket, 'close');
    clock.advance(1000);
    await closed;
  });
});
