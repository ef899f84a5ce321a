/** What only HTTP can get wrong: answers of something else than a node, sockets, queues, proxies. */
import { HttpService } from '@nestjs/axios';
import axios from 'axios';
import dns from 'node:dns';
import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ManualClock } from '../../../testing/manual-clock.js';
import { answer, ANSWERING, question } from '../../../testing/transport/samples.js';
import { encodePeerReply } from '../messages/peer-codec.js';
import { HttpRemoteKvRepo, type HttpRemoteKvRepoOptions } from './http-remote-kv-repo.js';

const POLL = { timeout: 30_000, interval: 5 };
const clock = new ManualClock();
const closers: (() => unknown)[] = [];

afterEach(async () => {
  vi.unstubAllEnvs();
  for (const close of closers.splice(0).reverse()) {
    await close();
  }
});

/** Counts what a server was asked, and lets a test wait for it. */
class Asked {
  count = 0;
  private waiting: (() => void) | undefined;

  add(): void {
    this.count += 1;
    this.waiting?.();
  }

  async atLeast(count: number): Promise<void> {
    while (this.count < count) {
      await new Promise<void>((resolve) => {
        this.waiting = resolve;
      });
    }
  }
}

function newRemote(
  options: Partial<HttpRemoteKvRepoOptions> = {},
  instance = axios.create(),
): HttpRemoteKvRepo {
  const remote = new HttpRemoteKvRepo(new HttpService(instance), clock, {
    nodeId: 'node-a.0',
    apiKey: 'k',
    valueBytesMax: 1000,
    ...options,
  });
  closers.push(() => remote.close());
  return remote;
}

async function listen<S extends Server>(server: S): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(async () => {
    const closed = once(server, 'close');
    server.close();
    sockets.forEach((socket) => socket.destroy());
    await closed;
  });
  return (server.address() as AddressInfo).port;
}

/** A server that says `text` to whoever sends something, and then, told so, hangs up. */
const listenRaw = (text: string, hangUp = true): Promise<number> =>
  listen(
    createServer((socket) =>
      socket.once('data', () => {
        if (hangUp) {
          socket.end(text);
        } else {
          socket.write(text);
        }
      }),
    ),
  );

const listenHttp = (listener: RequestListener): Promise<number> => listen(createHttpServer(listener));

function send(remote: HttpRemoteKvRepo, port: number, host = '127.0.0.1') {
  const to = { nodeId: ANSWERING.from, weight: 1, zone: '', host, port };
  return remote.send(to, question(), { timeoutMs: 1000 });
}

function http(body: string, headers = ''): string {
  return `HTTP/1.1 200 OK\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${headers}\r\n${body}`;
}

/** Of characters below 128 alone, so that it is the same in any encoding. */
const GOOD = encodePeerReply({ ...answer(), sentAtMs: 0 }).toString('latin1');

describe('an answer', () => {
  it('is taken from a server that speaks the protocol', async () => {
    expect(await send(newRemote(), await listenRaw(http(GOOD)))).toEqual({ ...answer(), sentAtMs: 0 });
  });

  const strange: [string, string][] = [
    ['not HTTP', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['a page', http('<html></html>')],
    ['JSON', http('{"ok":true}')],
    ['empty', http('')],
    ['no content', 'HTTP/1.1 204 No Content\r\n\r\n'],
    ['cut', http(GOOD.slice(0, -1))],
    ['too long', http(`${GOOD}x`)],
    ['an error without a code', 'HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\n{}'],
    ['an error behind a status that is not one', http('{"code":"DKV_TIMEOUT","message":"m"}')],
    ['compressed', http('\x1f\x8b\x08', 'Content-Encoding: gzip\r\n')],
  ];
  it.each(strange)('that is %s is DKV_PROTOCOL', async (_, text) => {
    await expect(send(newRemote(), await listenRaw(text))).rejects.toMatchObject({ code: 'DKV_PROTOCOL' });
  });

  const cut: [string, string][] = [
    ['nothing', ''],
    ['half a header', 'HTTP/1.1 200 OK\r\nContent-Le'],
    ['half a body', http(GOOD).slice(0, -5)],
    ['half of the chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"fo'],
  ];
  it.each(cut)('of which %s came before the end is DKV_PEER_DISCONNECTED', async (_, text) => {
    await expect(send(newRemote(), await listenRaw(text))).rejects.toMatchObject({
      code: 'DKV_PEER_DISCONNECTED',
    });
  });

  it('that never ends is given up at the bound of its size', async () => {
    const port = await listenHttp((_request, response) => {
      const more = () => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
      };
      response.on('drain', more);
      more();
    });
    await expect(send(newRemote(), port)).rejects.toMatchObject({ code: 'DKV_PROTOCOL' });
  });

  it('that stops half way is given up in time', async () => {
    const port = await listenRaw(http(GOOD).slice(0, -5), false);
    const headers = new Asked();
    const instance = axios.create();
    instance.interceptors.response.use((response) => {
      headers.add();
      return response;
    });
    const sent = send(newRemote({}, instance), port);
    await headers.atLeast(1);
    clock.advance(1000);
    await expect(sent).rejects.toMatchObject({ code: 'DKV_PEER_DISCONNECTED' });
  });
});

it('does not follow a redirect', async () => {
  let reached = 0;
  const elsewhere = await listenHttp((_request, response) => {
    reached += 1;
    response.end(GOOD);
  });
  const port = await listenHttp((_request, response) => {
    response.writeHead(307, { Location: `http://127.0.0.1:${elsewhere}/peer/get` }).end();
  });
  await expect(send(newRemote(), port)).rejects.toMatchObject({ code: 'DKV_PROTOCOL' });
  expect(reached).toBe(0);
});

it('does not go through a proxy of the environment', async () => {
  let proxied = 0;
  const proxy = await listenHttp((_request, response) => {
    proxied += 1;
    response.end(GOOD);
  });
  vi.stubEnv('http_proxy', `http://127.0.0.1:${proxy}`);
  vi.stubEnv('HTTP_PROXY', `http://127.0.0.1:${proxy}`);
  vi.stubEnv('no_proxy', '');
  vi.stubEnv('NO_PROXY', '');
  await send(newRemote(), await listenRaw(http(GOOD)));
  expect(proxied).toBe(0);
});

it('keeps connections, and says who it is and what it speaks', async () => {
  const seen: unknown[] = [];
  const sockets = new Set<Socket>();
  const port = await listenHttp((request, response) => {
    const { method, url, headers } = request;
    seen.push([method, url, headers['x-api-key'], headers['x-dkv-format'], headers['x-dkv-node']]);
    sockets.add(request.socket);
    request.resume().once('end', () => response.end(GOOD));
  });
  const remote = newRemote();
  await send(remote, port);
  await send(remote, port);
  expect(seen).toEqual(new Array(2).fill(['POST', '/peer/get', 'k', '3', 'node-a.0']));
  expect(sockets.size).toBe(1);
});

describe('a request that waits', () => {
  it('for a socket when its time is over was not sent', async () => {
    const asked = new Asked();
    let reply: (() => void) | undefined;
    const port = await listenHttp((_request, response) => {
      reply = () => response.end(GOOD);
      asked.add();
    });
    const remote = newRemote({ socketsPerPeerMax: 1 });
    const kept = remote.send(nodeAt(port), question(), { timeoutMs: 5000 });
    await asked.atLeast(1);
    const waiting = send(remote, port);
    const failed = expect(waiting).rejects.toMatchObject({ code: 'DKV_PEER_UNREACHABLE' });
    await queued();
    clock.advance(1000);
    await failed;
    reply?.();
    await kept;
    // The socket is free again, and what was given up is not sent after all.
    const next = send(remote, port);
    await asked.atLeast(2);
    reply?.();
    await next;
    expect(asked.count).toBe(2);
  });

  it('for its connection when its time is over was not sent', async () => {
    const lookedUp = new Asked();
    vi.spyOn(dns, 'lookup').mockImplementation(() => lookedUp.add());
    const sent = send(newRemote(), 7000, 'peer.test');
    await lookedUp.atLeast(1);
    clock.advance(1000);
    await expect(sent).rejects.toMatchObject({ code: 'DKV_PEER_UNREACHABLE' });
  });

  it('for its connection has a time-out of its own', async () => {
    const lookedUp = new Asked();
    const lookup = vi.spyOn(dns, 'lookup').mockImplementation(() => lookedUp.add());
    const to = { ...nodeAt(7000), host: 'peer.test' };
    const unsent = newRemote().send(to, question(), { timeoutMs: 1000, unsentTimeoutMs: 100 });
    await lookedUp.atLeast(1);
    clock.advance(100);
    await expect(unsent).rejects.toMatchObject({ code: 'DKV_PEER_UNREACHABLE' });
    lookup.mockRestore();

    const asked = new Asked();
    let reply: (() => void) | undefined;
    const port = await listenHttp((_request, response) => {
      reply = () => response.end(GOOD);
      asked.add();
    });
    const sent = newRemote().send(nodeAt(port), question(), { timeoutMs: 1000, unsentTimeoutMs: 100 });
    await asked.atLeast(1);
    clock.advance(100);
    reply?.();
    expect(await sent).toEqual({ ...answer(), sentAtMs: 0 });
  });

  it('for a socket when the transport closes ends as well', async () => {
    const asked = new Asked();
    const port = await listenHttp(() => asked.add());
    const remote = newRemote({ socketsPerPeerMax: 1 });
    const underWay = send(remote, port);
    await asked.atLeast(1);
    const waiting = send(remote, port);
    await queued();
    await Promise.all([
      expect(underWay).rejects.toMatchObject({ code: 'DKV_PEER_DISCONNECTED' }),
      expect(waiting).rejects.toMatchObject({ code: 'DKV_PEER_UNREACHABLE' }),
      remote.close(),
    ]);
  });

  it('for axios when its time is over is not sent after all', async () => {
    const asked = new Asked();
    const port = await listenHttp((request, response) => {
      asked.add();
      request.resume().once('end', () => response.end(GOOD));
    });
    const instance = axios.create();
    const intercepted = new Asked();
    // As a host application may do, for tracing: the request is made some turns later.
    instance.interceptors.request.use(async (config) => {
      intercepted.add();
      return config;
    });
    const remote = newRemote({}, instance);
    const early = send(remote, port);
    await intercepted.atLeast(1);
    clock.advance(1000);
    await expect(early).rejects.toMatchObject({ code: 'DKV_PEER_UNREACHABLE' });
    await send(remote, port);
    await send(remote, port);
    expect(asked.count).toBe(2);
  });

  it('for a socket when it is aborted is not sent', async () => {
    const asked = new Asked();
    const port = await listenHttp(() => asked.add());
    const remote = newRemote({ socketsPerPeerMax: 1 });
    const stuck = send(remote, port);
    await asked.atLeast(1);
    const abort = new AbortController();
    const waiting = remote.send(nodeAt(port), question(), { timeoutMs: 5000, signal: abort.signal });
    await queued();
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'DKV_ABORTED' });
    clock.advance(1000);
    await expect(stuck).rejects.toMatchObject({ code: 'DKV_PEER_DISCONNECTED' });
    expect(asked.count).toBe(1);
  });
});

/** Axios takes some turns of promises until it has made the request, which then queues for a socket. */
function queued(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

it('says what is wrong with its options', () => {
  expect(() => newRemote({ inFlightBytesMax: 1000 })).toThrow(/inFlightBytesMax is 1000.*at least \d+/);
});

function nodeAt(port: number) {
  return { nodeId: ANSWERING.from, weight: 1, zone: '', host: '127.0.0.1', port };
}

describe('a good-bye', () => {
  /** A remote with an open lane to a peer that answers when it is told to; what it is asked, by turns. */
  async function posting() {
    const asked = new Asked();
    const bodies: string[] = [];
    const answers: (() => void)[] = [];
    const port = await listenHttp((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.once('end', () => {
        bodies.push(Buffer.concat(chunks).toString('latin1'));
        answers.push(() => response.writeHead(204).end());
        asked.add();
      });
    });
    const remote = newRemote();
    const to = { nodeId: ANSWERING.from, weight: 1, zone: '', host: '127.0.0.1', port };
    const post = (text: string) => remote.post(to, Buffer.from(text), 'live');
    post('finds out if the peer is there');
    await asked.atLeast(1);
    answers.shift()!();
    await vi.waitUntil(() => post('heartbeat'), POLL);
    await asked.atLeast(2);
    return { remote, post, bodies, asked, answer: () => answers.shift()!() };
  }

  it('that waits behind a heartbeat goes out before the connection ends', async () => {
    const { remote, post, bodies, asked, answer } = await posting();
    expect(post('good-bye')).toBe(true);
    const closing = remote.close();
    answer();
    await asked.atLeast(3);
    answer();
    await closing;
    expect(bodies.map((body) => body.slice(4))).toEqual(['', 'heartbeat', 'good-bye']);
  });

  it('to a peer that does not answer holds up no stop', async () => {
    const { remote, post } = await posting();
    post('good-bye');
    const closing = remote.close();
    clock.advance(500);
    await closing;
  });
});
