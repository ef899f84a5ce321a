import { once } from 'node:events';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listenRaw } from '../../../testing/transport/raw-stream.js';
import { ManualClock } from '../../../testing/manual-clock.js';
import {
  addOrUpdate,
  ANSWERING,
  question,
  sampleRecord,
  VERSION,
} from '../../../testing/transport/samples.js';
import { failureOf } from '../../../testing/transport/transport-pair.js';
import { SimRandom } from '../../../testing/simulation/sim-random.js';
import { type ClusterNode } from '../../model/node.js';
import { type PeerReply, type PeerRequest } from '../../model/peer-protocol.js';
import { FRAME } from './frame-layout.js';
import { decodeRequest, type FrameHandler, FrameReceiver, type Incoming } from './frame-receiver.js';
import { socketSink } from './batch.js';
import { FrameSender } from './frame-sender.js';
import { answerFrame, type Outgoing, wordFrame } from './outgoing.js';
import { StreamRemoteKvRepo, type StreamRemoteKvRepoOptions } from './stream-remote-kv-repo.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const TIMEOUT_MS = 5000;

/** The far end of one connection, as a test wants it. */
class FarEnd implements FrameHandler {
  readonly takes = FRAME.REQUEST;
  readonly requests: { readonly id: number; readonly request: PeerRequest }[] = [];
  readonly cancels: number[] = [];
  messages = 0;
  pings = 0;
  isClosed = false;
  answering = true;
  private readonly sender = new FrameSender(setImmediate);

  constructor(
    readonly socket: Socket,
    private readonly signs: boolean,
    changed: () => void,
  ) {
    const receiver = new FrameReceiver(this);
    this.sender.open(socketSink(socket));
    socket.on('data', (data: Buffer) => {
      this.messages++;
      receiver.receive(data);
      changed();
    });
    socket.on('end', () => socket.end());
    socket.on('close', () => {
      this.isClosed = true;
      changed();
    });
    socket.on('error', () => undefined);
  }

  admits(): boolean {
    return true;
  }

  incoming(message: Incoming): void {
    const request = decodeRequest(message);
    this.requests.push({ id: message.id, request });
    if (this.answering) {
      this.say(answerFrame(message.id, replyTo(request)));
    }
  }

  pinged(): void {
    this.pings++;
    if (this.signs) {
      this.say(wordFrame(FRAME.PONG));
    }
  }

  cancelled(id: number): void {
    this.cancels.push(id);
  }

  answerAll(): void {
    this.requests.forEach(({ id, request }) => this.say(answerFrame(id, replyTo(request))));
  }

  say(frame: Outgoing): void {
    this.sender.add(frame);
  }

  get kinds(): string[] {
    return this.requests.map(({ request }) => request.kind);
  }
}

function replyTo({ kind }: PeerRequest): PeerReply {
  return kind === 'addOrUpdate'
    ? { kind, ...ANSWERING, answer: { version: VERSION, newer: undefined } }
    : { kind: 'get', ...ANSWERING, answer: { record: undefined } };
}

/** A peer whose connections a test holds in its hand. */
class FarPeer {
  readonly ends: FarEnd[] = [];
  prepare: (end: FarEnd) => void = () => undefined;
  private listening: { readonly port: number; readonly server: HttpServer } | undefined;
  private waiting: (() => void)[] = [];

  /** `signs`: whether it answers who asks for a sign of life. */
  static async listen({ signs = true } = {}): Promise<FarPeer> {
    const peer = new FarPeer();
    peer.listening = await listenRaw((socket) => {
      const end = new FarEnd(socket, signs, () => peer.changed());
      peer.ends.push(end);
      peer.prepare(end);
      peer.changed();
    });
    cleanUps.push(() => peer.close());
    return peer;
  }

  get port(): number {
    return this.listening!.port;
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  private changed(): void {
    this.waiting.splice(0).forEach((resolve) => resolve());
  }

  private close(): void {
    this.listening?.server.close();
    this.ends.forEach(({ socket }) => socket.destroy());
  }
}

const cleanUps: (() => unknown)[] = [];
let clock: ManualClock;

beforeEach(() => {
  clock = new ManualClock();
});
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) {
    await cleanUp();
  }
});

function remoteWith(options: Partial<StreamRemoteKvRepoOptions> = {}): StreamRemoteKvRepo {
  const remote = new StreamRemoteKvRepo(clock, new SimRandom(1), {
    nodeId: 'node-a.0',
    apiKey: 'the key',
    valueBytesMax: 2 * MIB,
    ...options,
  });
  cleanUps.push(() => remote.close());
  return remote;
}

function at(port: number): ClusterNode {
  return { nodeId: ANSWERING.from, weight: 1, zone: '', host: '127.0.0.1', port };
}

async function listening(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUps.push(() => {
    server.close();
    sockets.forEach((socket) => socket.destroy());
  });
  return (server.address() as AddressInfo).port;
}

function many<T>(count: number, make: () => T): T[] {
  return Array.from({ length: count }, make);
}

const send = (remote: StreamRemoteKvRepo, port: number, request: PeerRequest = question(), more = {}) =>
  remote.send(at(port), request, { timeoutMs: TIMEOUT_MS, ...more });
const large = () => addOrUpdate(sampleRecord({ value: new Uint8Array(MIB) }));

describe('sending', () => {
  it('puts all requests of one turn into one message, on one connection', async () => {
    const peer = await FarPeer.listen();
    const remote = remoteWith();
    await Promise.all(many(100, () => send(remote, peer.port)));
    expect(peer.ends.map(({ messages }) => messages)).toEqual([1]);
    await Promise.all(many(200, () => Promise.resolve().then(() => send(remote, peer.port))));
    expect(peer.ends.map(({ messages }) => messages)).toEqual([2]);
  });

  it('lets small requests pass large ones that are under way', async () => {
    const peer = await FarPeer.listen();
    const remote = remoteWith();
    // More than the network takes while nobody reads.
    peer.prepare = ({ socket }) => socket.once('data', () => socket.pause());
    const sent = many(24, () => send(remote, peer.port, large()));
    await peer.until(() => peer.ends[0]?.messages === 1);
    sent.push(send(remote, peer.port));
    await new Promise(setImmediate);
    peer.ends[0]!.socket.resume();
    await Promise.all(sent);
    expect(peer.ends[0]!.kinds[0]).toBe('get');
  });

  it('tells the peer of a request that nobody waits for any more', async () => {
    const peer = await FarPeer.listen();
    peer.prepare = (end) => (end.answering = false);
    const remote = remoteWith();
    const abort = new AbortController();
    const failure = failureOf(send(remote, peer.port, question(), { signal: abort.signal }));
    await peer.until(() => peer.ends[0]?.requests.length === 1);
    abort.abort();
    expect((await failure).code).toBe('DKV_ABORTED');
    await peer.until(() => peer.ends[0]!.cancels.length === 1);
    expect(peer.ends[0]!.cancels).toEqual([peer.ends[0]!.requests[0]!.id]);
  });

  it('refuses to be made with a bound below one request', () => {
    expect(() => remoteWith({ inFlightBytesMax: MIB })).toThrow(TypeError);
  });
});

describe('overload', () => {
  it('turns requests away at once, and goes on when answers have come', async () => {
    const peer = await FarPeer.listen();
    peer.prepare = (end) => (end.answering = false);
    const remote = remoteWith({ inFlightBytesMax: 3 * MIB });
    const sent = [send(remote, peer.port, large()), send(remote, peer.port, large())];
    expect((await failureOf(send(remote, peer.port, large()))).code).toBe('DKV_OVERLOADED');
    await peer.until(() => peer.ends[0]?.requests.length === 2);
    peer.ends[0]!.answerAll();
    await Promise.all(sent);
    peer.ends[0]!.answering = true;
    await send(remote, peer.port, large());
  });

  it('bounds small requests by what they cost in memory', async () => {
    const peer = await FarPeer.listen();
    const remote = remoteWith({ inFlightBytesMax: 3 * MIB });
    const most = 3072;
    const settled = await Promise.allSettled(many(5000, () => send(remote, peer.port)));
    const carried = settled.filter(({ status }) => status === 'fulfilled').length;
    expect(carried).toBeGreaterThan(most / 2);
    expect(carried).toBeLessThanOrEqual(most);
  });

  it('does not bound one peer by what another owes', async () => {
    const [slow, quick] = [await FarPeer.listen(), await FarPeer.listen()];
    slow.prepare = (end) => (end.answering = false);
    const remote = remoteWith({ inFlightBytesMax: 3 * MIB });
    const owed = many(2, () => failureOf(send(remote, slow.port, large())));
    await send(remote, quick.port, large());
    await remote.close();
    await Promise.all(owed);
  });
});

describe('connecting', () => {
  it('fails at once while it waits to try again, which it does less and less often', async () => {
    let attempts = 0;
    const port = await listening(
      createServer((socket) => {
        attempts++;
        socket.resetAndDestroy();
      }),
    );
    const remote = remoteWith();
    const first = await failureOf(send(remote, port));
    expect([first.code, attempts]).toEqual(['DKV_PEER_UNREACHABLE', 1]);
    const second = await failureOf(send(remote, port));
    expect([second.code, attempts]).toEqual(['DKV_PEER_UNREACHABLE', 1]);
    expect(second.message).toMatch(/tried again in \d+ ms/);
    for (let elapsedMs = 0; elapsedMs < 10_000; elapsedMs += 10) {
      clock.advance(10);
      await failureOf(send(remote, port));
    }
    expect(attempts).toBeGreaterThan(10);
    expect(attempts).toBeLessThan(30);
  });

  it('gives up what is not sent in time as unreachable', async () => {
    const port = await listening(createServer());
    const remote = remoteWith({ connectTimeoutMs: 3000 });
    const hurried = failureOf(send(remote, port, question(), { unsentTimeoutMs: 200 }));
    const patient = failureOf(send(remote, port));
    clock.advance(200);
    expect((await hurried).code).toBe('DKV_PEER_UNREACHABLE');
    clock.advance(2800);
    expect((await patient).code).toBe('DKV_PEER_UNREACHABLE');
    expect((await patient).message).toMatch(/no connection in 3000 ms/);
  });

  it('says that who answers is no peer', async () => {
    const port = await listening(createHttpServer((_, response) => response.writeHead(200).end('hello')));
    expect((await failureOf(send(remoteWith(), port))).code).toBe('DKV_PROTOCOL');
  });

  it('begins anew after a connection that was of use, without a pause', async () => {
    const peer = await FarPeer.listen();
    const remote = remoteWith();
    for (let round = 1; round <= 3; round++) {
      await send(remote, peer.port);
      peer.ends.at(-1)!.answering = false;
      const failure = failureOf(send(remote, peer.port));
      await peer.until(() => peer.ends.at(-1)!.requests.length === 2);
      peer.ends.at(-1)!.socket.destroy();
      expect((await failure).code).toBe('DKV_PEER_DISCONNECTED');
      expect(peer.ends).toHaveLength(round);
    }
  });

  it('loses requests that were sent to a peer that talks nonsense, and closes', async () => {
    const peer = await FarPeer.listen();
    peer.prepare = (end) => (end.answering = false);
    const remote = remoteWith();
    for (const [round, nonsense] of [Buffer.of(0, 0, 0, 0, 99), Buffer.of(9, 9, 9, 9, 9)].entries()) {
      const failure = failureOf(send(remote, peer.port));
      await peer.until(() => peer.ends[round]?.requests.length === 1);
      peer.ends[round]!.socket.write(nonsense);
      expect((await failure).code).toBe('DKV_PEER_DISCONNECTED');
      await peer.until(() => peer.ends[round]!.isClosed);
      expect((await failureOf(send(remote, peer.port))).message).toMatch(/not of the protocol.*tried again/);
      clock.advance(1000);
    }
  });
});

describe('a connection that is silent', () => {
  it('is asked for a sign of life, and cut when none comes', async () => {
    const peer = await FarPeer.listen({ signs: false });
    const remote = remoteWith({ keepAliveMs: 1000 });
    await send(remote, peer.port);
    const [end] = peer.ends;
    end!.answering = false;
    const failure = failureOf(send(remote, peer.port));
    await peer.until(() => end!.requests.length === 2);
    clock.advance(2000);
    await peer.until(() => end!.pings === 1);
    clock.advance(1000);
    expect((await failure).code).toBe('DKV_PEER_DISCONNECTED');
    await send(remote, peer.port);
    expect(peer.ends).toHaveLength(2);
  });

  it('is kept while it gives signs, until nobody has used it for long', async () => {
    const peer = await FarPeer.listen();
    const remote = remoteWith({ keepAliveMs: 30_000 });
    await send(remote, peer.port);
    const [end] = peer.ends;
    for (let minute = 1; minute <= 5; minute++) {
      clock.advance(60_000);
      // It is answered with another.
      const heard = once(end!.socket, 'data');
      end!.say(wordFrame(FRAME.PING));
      await heard;
      expect(end!.isClosed).toBe(false);
    }
    clock.advance(60_000);
    await peer.until(() => end!.isClosed);
    await send(remote, peer.port);
    expect(peer.ends).toHaveLength(2);
  });
});

describe('a peer that stops', () => {
  it('is left when it has answered, and asked no more', async () => {
    const peer = await FarPeer.listen();
    peer.prepare = (end) => (end.answering = false);
    const remote = remoteWith();
    const sent = send(remote, peer.port);
    await peer.until(() => peer.ends[0]?.requests.length === 1);
    peer.ends[0]!.say(wordFrame(FRAME.GOODBYE));
    const heard = once(peer.ends[0]!.socket, 'data');
    peer.ends[0]!.say(wordFrame(FRAME.PING));
    await heard;
    peer.prepare = () => undefined;
    await send(remote, peer.port);
    expect(peer.ends.map(({ requests }) => requests.length)).toEqual([1, 1]);
    expect(peer.ends[0]!.isClosed).toBe(false);
    peer.ends[0]!.answerAll();
    await sent;
    await peer.until(() => peer.ends[0]!.isClosed);
  });
});
