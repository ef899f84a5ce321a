import 'reflect-metadata';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
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
import { socketSink } from './batch.js';
import { FRAME, STREAM_PATH } from './frame-layout.js';
import { type FrameHandler, FrameReceiver, type Incoming } from './frame-receiver.js';
import { FrameSender } from './frame-sender.js';
import { dialRaw, type DialOptions } from '../../../testing/transport/raw-stream.js';
import { cancelFrame, requestFrame } from './outgoing.js';
import { Disconnects } from '../disconnects.js';
import { PortKeys } from '../http/port-keys.js';
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
  const gate = { keys: new PortKeys('the key'), stopping: false };
  const streams = new StreamServer(peer, clock, SILENT, gate, { valueBytesMax: 1024 * KIB, ...options });
  const server = createServer((_, response) => response.end());
  server.on('upgrade', (request, socket, head) =>
    streams.upgrade(request, socket as Socket, head, () => undefined),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUps.push(() => {
    streams.destroyAll();
    server.close();
    server.closeAllConnections();
  });
  return { streams, clock, gate, port: (server.address() as AddressInfo).port };
}

async function dial(port: number, options?: DialOptions): Promise<Socket> {
  const socket = await dialRaw(port, options);
  if (!(socket instanceof Socket)) {
    throw new Error(`Refused with ${JSON.stringify(socket)}.`);
  }
  cleanUps.push(() => socket.destroy());
  return socket;
}

/** A peer that says what it likes and notes what it hears. */
class Asker implements FrameHandler {
  readonly takes = FRAME.ANSWER;
  readonly answered: number[] = [];
  readonly failures = new Map<number, string>();
  readonly messages: string[] = [];
  goodbyes = 0;
  private readonly sender = new FrameSender(setImmediate);
  private lastId = 0;
  private waiting: (() => void)[] = [];

  private constructor(readonly socket: Socket) {
    const receiver = new FrameReceiver(this);
    this.sender.open(socketSink(socket));
    socket.on('data', (data: Buffer) => {
      receiver.receive(data);
      this.waiting.splice(0).forEach((resolve) => resolve());
    });
  }

  static async of(port: number, nodeId = 'node-a.0'): Promise<Asker> {
    return new Asker(await dial(port, { headers: { 'X-Dkv-Node': nodeId } }));
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
  failed(id: number, code: string, message: string): void {
    this.failures.set(id, code);
    this.messages.push(message);
  }
  goodbye(): void {
    this.goodbyes++;
  }
}

describe('the upgrade', () => {
  it('is refused without the key, elsewhere, in another protocol and when the node stops', async () => {
    const { port, gate } = await serverOf(new ScriptedPeer(answer));
    const refused = (path: string, headers: DialOptions['headers'] = {}) => dialRaw(port, { path, headers });
    const key = (text: string) => ({ 'X-Api-Key': text });
    expect(await refused(STREAM_PATH, key('the kez'))).toEqual({ status: 403, code: 'DKV_FORBIDDEN' });
    expect(await refused('/x', key(''))).toEqual({ status: 403, code: 'DKV_FORBIDDEN' });
    expect(await refused('/peer/get')).toEqual({ status: 404, code: 'ROUTE_NOT_FOUND' });
    expect(await refused(STREAM_PATH, { Upgrade: 'websocket' })).toEqual({
      status: 404,
      code: 'ROUTE_NOT_FOUND',
    });
    for (const headers of [
      { 'X-Dkv-Format': '2' },
      { 'X-Dkv-Format': undefined },
      { 'X-Dkv-Node': '' },
      { 'X-Dkv-Node': 'a/b' },
      { 'X-Dkv-Lane': 'other' },
    ]) {
      expect(await refused(STREAM_PATH, headers)).toEqual({ status: 502, code: 'DKV_PROTOCOL' });
    }
    gate.stopping = true;
    expect(await refused(STREAM_PATH)).toEqual({ status: 503, code: 'DKV_NOT_READY' });
  });

  it('to anything but a stream is refused', async () => {
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
    ['an unknown type', Buffer.of(0, 0, 0, 0, 99), /type 99/],
    ['a frame too large', Buffer.of(255, 0, 0, 0, FRAME.REQUEST), /type 1 has 4278190080 bytes/],
    ['HTTP', Buffer.from('GET / HTTP/1.1'), /type 47/],
  ])('closes the connection with a reason: %s', async (_, bytes, reason) => {
    const { port } = await serverOf(new ScriptedPeer(answer));
    const asker = await Asker.of(port);
    asker.socket.write(bytes);
    await once(asker.socket, 'close');
    expect([...asker.failures]).toEqual([[0, 'DKV_PROTOCOL']]);
    expect(asker.messages[0]).toMatch(reason);
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
    const other = await Asker.of(port, 'another');
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

describe('the bound of all sessions', () => {
  it('holds for many that do not read, and leaves a part to one that does', async () => {
    const record = sampleRecord({ value: new Uint8Array(64 * KIB) });
    let heldBytesMax = 0;
    const service: PeerService = {
      serve: never,
      receive: () => undefined,
      serveNow() {
        heldBytesMax = Math.max(heldBytesMax, streams.heldBytes);
        return { kind: 'get', ...ANSWERING, answer: { record } };
      },
    };
    const { port, streams } = await serverOf(service, {
      valueBytesMax: 64 * KIB,
      underWayBytesMax: 4096 * KIB,
      allUnderWayBytesMax: 8192 * KIB,
    });
    const stuck = await Promise.all(Array.from({ length: 12 }, (_, at) => Asker.of(port, `stuck-${at}`)));
    for (const asker of stuck) {
      asker.socket.pause();
      Array.from({ length: 400 }, () => asker.ask());
    }
    const reading = await Asker.of(port, 'reading');
    const ids = Array.from({ length: 400 }, () => reading.ask());
    await reading.heard(() => reading.answered.length === ids.length);
    expect(heldBytesMax).toBeGreaterThan(4096 * KIB);
    // Each of the thirteen always has 320 KiB, one answer past them, and its requests of one read: 400, of 1 KiB each.
    expect(heldBytesMax).toBeLessThan(8192 * KIB + 13 * 800 * KIB);
    for (const asker of stuck) {
      asker.socket.resume();
    }
    await Promise.all(stuck.map((asker) => asker.heard(() => asker.answered.length === ids.length)));
  });
});

describe('the number of requests carried out at once', () => {
  it('is bounded, but for forwarded writes', async () => {
    const gate = new Gate();
    const forward = sampleExchanges(1).find(({ request }) => request.kind === 'forward')!;
    const peer = new ScriptedPeer(async ({ kind }) => {
      if (kind === 'forward') {
        return forward.reply;
      }
      await gate.opened;
      return answer();
    });
    const { port } = await serverOf(peer);
    const asker = await Asker.of(port);
    const ids = Array.from({ length: 3000 }, () => asker.ask());
    const other = asker.ask(forward.request);
    await asker.heard(() => asker.answered.length === 1);
    expect(asker.answered).toEqual([other]);
    expect(peer.requests).toHaveLength(1024 + 1);
    gate.open();
    await asker.heard(() => asker.answered.length === 1 + ids.length);
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
      receive: () => undefined,
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
      receive: () => undefined,
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
    asker.ask({ ...question(), kind: 'getNoValue' });
    const ids = Array.from({ length: 20_000 }, () => asker.ask());
    await asker.heard(() => asker.answered.length === ids.length);
    expect(asker.answered).toEqual(ids);
    expect(peer.requests.map(({ kind }) => kind)).toEqual(['getNoValue']);
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
    const small = { kind: 'getNoValue', ...ANSWERING, answer: { header: undefined } } as const;
    const peer = new ScriptedPeer((request) => (request.kind === 'getNoValue' ? small : big));
    const { port } = await serverOf(peer);
    const asker = await Asker.of(port);
    for (let i = 0; i < 20; i++) {
      asker.ask();
    }
    const last = asker.ask({ ...question(), kind: 'getNoValue' });
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
    await once(asker.socket, 'close');
    expect(asker.answered).toEqual([before]);
    while (clock.pendingTimers > 0) {
      await new Promise(setImmediate);
    }
  });

  it('cuts a connection that gives no sign of life', async () => {
    const { clock, port } = await serverOf(new ScriptedPeer(answer), { keepAliveMs: 1000 });
    const socket = await dial(port);
    const pinged = once(socket, 'data');
    clock.advance(2000);
    expect((await pinged)[0]).toEqual(Buffer.of(0, 0, 0, 0, FRAME.PING));
    const closed = once(socket, 'close');
    clock.advance(1000);
    await closed;
  });

  it('keeps one that gives signs of life, and gives them itself', async () => {
    const { clock, port } = await serverOf(new ScriptedPeer(answer), { keepAliveMs: 1000 });
    const socket = await dial(port);
    for (let round = 0; round < 4; round++) {
      const answered = once(socket, 'data');
      socket.write(Buffer.of(0, 0, 0, 0, FRAME.PING));
      expect((await answered)[0]).toEqual(Buffer.of(0, 0, 0, 0, FRAME.PONG));
      clock.advance(1000);
    }
    expect(socket.destroyed).toBe(false);
  });
});

describe('posted frames', () => {
  const post = (...bytes: number[]) => Buffer.of(0, 0, 0, bytes.length, FRAME.POST, ...bytes);

  it('are handed on as of the node that introduced itself, also behind the last of a connection', async () => {
    const peer = new ScriptedPeer(answer);
    const told: string[] = [];
    const disconnects = new Disconnects();
    disconnects.add((nodeId) => told.push(`${nodeId} after ${peer.frames.length}`));
    const { port } = await serverOf(peer, { disconnects });
    const socket = await dial(port, { headers: { 'X-Dkv-Node': 'b' } });
    const count = 1000;
    socket.end(Buffer.concat(Array.from({ length: count }, (_, i) => post(i >> 8, i & 255))));
    await once(socket, 'close');
    await peer.posted(count);
    while (told.length === 0) {
      await new Promise(setImmediate);
    }
    expect(told).toEqual([`b after ${count}`]);
    expect(new Set(peer.frames.map(({ from }) => from))).toEqual(new Set(['b']));
    expect(peer.frames.map(({ frame }) => (frame[0]! << 8) | frame[1]!)).toEqual(
      peer.frames.map((_, i) => i),
    );
  });

  it('go on when the service fails, which it must not', async () => {
    let received = 0;
    const service: PeerService = {
      serve: never,
      receive: () => {
        received++;
        throw new Error('a defect');
      },
    };
    const { port } = await serverOf(service);
    const asker = await Asker.of(port);
    asker.socket.write(Buffer.concat([post(1), post(2)]));
    while (received < 2) {
      await new Promise(setImmediate);
    }
    expect(asker.socket.destroyed).toBe(false);
  });

  it('tell nothing of bulk that ends, and of a live one that another takes the place of', async () => {
    const told: string[] = [];
    const disconnects = new Disconnects();
    disconnects.add((nodeId) => told.push(nodeId));
    const { port, streams } = await serverOf(new ScriptedPeer(answer), { disconnects });
    const bulk = await dial(port, { headers: { 'X-Dkv-Lane': 'bulk' } });
    bulk.end();
    await once(bulk, 'close');
    const first = await dial(port);
    const firstClosed = once(first, 'close');
    const second = await dial(port);
    await firstClosed;
    while (told.length === 0) {
      await new Promise(setImmediate);
    }
    expect(told).toEqual(['node-a.0']);
    const secondClosed = once(second, 'close');
    streams.destroyAll();
    await secondClosed;
    expect(told).toEqual(['node-a.0']);
  });
});
