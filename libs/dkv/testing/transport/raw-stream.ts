/** The two ends of a raw stream for tests that hold one end in their own hand. */
import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import { type AddressInfo, type Socket } from 'node:net';
import { STREAM_PATH, STREAM_PROTOCOL } from '../../src/transport/stream/frame-layout.js';
import { PEER_FORMAT } from '../../src/transport/messages/limits.js';

export interface DialOptions {
  readonly path?: string;
  /** Instead of or beside what a peer sends; undefined leaves one out. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
}

export interface Refused {
  readonly status: number | undefined;
  readonly code: unknown;
}

/** Asks for a stream as a peer does. */
export async function dialRaw(port: number, options: DialOptions = {}): Promise<Socket | Refused> {
  const headers = {
    Connection: 'Upgrade',
    Upgrade: STREAM_PROTOCOL,
    'X-Api-Key': 'the key',
    'X-Dkv-Format': String(PEER_FORMAT),
    'X-Dkv-Node': 'node-a.0',
    'X-Dkv-Lane': 'live',
    ...options.headers,
  };
  const dial = request({
    host: '127.0.0.1',
    port,
    path: options.path ?? STREAM_PATH,
    agent: false,
    headers: defined(headers),
  });
  return new Promise((resolve, reject) => {
    dial.on('error', reject);
    dial.on('upgrade', (_, socket, head) => {
      socket.on('error', () => undefined);
      if (head.length > 0) {
        socket.unshift(head);
      }
      resolve(socket);
    });
    dial.on('response', (response) => {
      response.toArray().then((chunks) => {
        const { code } = JSON.parse(Buffer.concat(chunks as Buffer[]).toString()) as { code: unknown };
        resolve({ status: response.statusCode, code });
      }, reject);
    });
    dial.end();
  });
}

/** Takes streams from whoever asks, and gives their sockets to `accept`. */
export async function listenRaw(accept: (socket: Socket) => void): Promise<{ port: number; server: Server }> {
  const server = createServer();
  server.on('upgrade', (_, stream) => {
    const socket = stream as Socket;
    socket.on('error', () => undefined);
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${STREAM_PROTOCOL}\r\n\r\n`,
    );
    accept(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, server };
}

function defined(headers: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const entries = Object.entries(headers).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  return Object.fromEntries(entries);
}
