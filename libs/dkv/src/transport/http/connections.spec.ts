/** Draining closes what carries no request, whenever it came, and spares what does until its answer. */
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Connections } from './connections.js';

let server: Server;
let connections: Connections;
let port: number;

beforeEach(async () => {
  // Nothing else may close a connection here: the server itself is never closed before the end.
  server = createServer({ keepAliveTimeout: 0 });
  connections = new Connections(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ({ port } = server.address() as AddressInfo);
});

afterEach(async () => {
  connections.destroyAll();
  server.close();
  await once(server, 'close');
});

function open(): Socket {
  return connect(port, '127.0.0.1').on('error', () => undefined);
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.resume().once('close', () => resolve());
  });
}

async function requested(): Promise<{ socket: Socket; response: ServerResponse }> {
  const asked = once(server, 'request') as Promise<[unknown, ServerResponse]>;
  const socket = open();
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  const [, response] = await asked;
  return { socket, response };
}

it('closes a connection that sent nothing', async () => {
  const accepted = once(server, 'connection');
  const socket = open();
  await accepted;
  connections.drain();
  await closed(socket);
});

it('closes a connection that is opened after', async () => {
  connections.drain();
  await closed(open());
});

it('closes a connection that has had its answer', async () => {
  const { socket, response } = await requested();
  await new Promise<void>((resolve) => {
    response.once('close', () => resolve());
    response.end('answer');
  });
  connections.drain();
  await closed(socket);
});

it('lets an answer that had begun end, then closes its connection', async () => {
  const { socket, response } = await requested();
  response.writeHead(200, { 'Content-Length': 6 });
  response.write('ans');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  connections.drain();
  response.end('wer');
  await closed(socket);
  expect(Buffer.concat(chunks).toString()).toMatch(/keep-alive[^]*\r\n\r\nanswer$/);
});

it('closes everything when told to', async () => {
  const { socket } = await requested();
  connections.destroyAll();
  await closed(socket);
});
