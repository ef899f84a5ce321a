/** Strangers have few places and little time; draining closes what carries no request, whenever it came, and spares what does until its answer. */
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../../../testing/manual-clock.js';
import { connectionLimits, descriptorsIn, descriptorsMax } from './connection-limits.js';
import { Connections } from './connections.js';
import { PortKeys } from './port-keys.js';

let server: Server;
let connections: Connections;
let clock: ManualClock;
let port: number;

beforeEach(async () => {
  // Nothing else may close a connection here: the server itself is never closed before the end.
  server = createServer({ keepAliveTimeout: 0 });
  clock = new ManualClock();
  connections = new Connections(server, new PortKeys('k', 'an admin key'), clock, connectionLimits(200));
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

async function requested(headers = ''): Promise<{ socket: Socket; response: ServerResponse }> {
  const asked = once(server, 'request') as Promise<[unknown, ServerResponse]>;
  const socket = open();
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n' + headers + '\r\n');
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

/** How many connections the server holds. */
async function held(): Promise<number> {
  return new Promise((resolve, reject) =>
    server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  );
}

describe('connections that have not shown the key', () => {
  it('have few of the places: a new one takes that of the oldest, never of one that has', async () => {
    const { max, keylessMax } = connectionLimits(200);
    expect([max, keylessMax]).toEqual([100, 12]);
    const { socket: known } = await requested('X-Api-Key: k\r\n');
    const strangers: Socket[] = [];
    const ends: Promise<void>[] = [];
    for (let count = 1; count <= 150; count++) {
      const accepted = once(server, 'connection');
      const stranger = open();
      strangers.push(stranger);
      ends.push(closed(stranger));
      await accepted;
      expect(await held()).toBeLessThanOrEqual(keylessMax + 2);
    }
    await Promise.all(ends.slice(0, -keylessMax));
    expect(strangers.slice(-keylessMax).some(({ destroyed }) => destroyed)).toBe(false);
    expect(known.destroyed).toBe(false);
    // Who has the key still gets in.
    const { socket, response } = await requested('X-Api-Key: k\r\n');
    response.end('answer');
    await once(socket, 'data');
  });

  it('have little time, whatever they ask, and those that have shown it all of it', async () => {
    const { socket: known } = await requested('X-Api-Key: k\r\n');
    const silent = open();
    await once(server, 'connection');
    const { socket: wrong, response } = await requested('X-Api-Key: kez\r\n');
    response.end('refused');
    const ends = [silent, wrong].map(closed);
    clock.advance(4999);
    expect(await held()).toBe(3);
    clock.advance(1);
    await Promise.all(ends);
    clock.advance(60_000);
    expect(known.destroyed).toBe(false);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('the limits', () => {
  it('leave at least half of the descriptors to the store and the application', () => {
    expect(connectionLimits(1000)).toMatchObject({ max: 500, keylessMax: 62 });
    expect(connectionLimits(Infinity)).toMatchObject({ max: 4096, keylessMax: 256 });
    expect(connectionLimits(10)).toMatchObject({ max: 8, keylessMax: 4 });
  });

  it('come from what the system tells of this process', async () => {
    const head = 'Limit                     Soft Limit           Hard Limit           Units     \n';
    expect(
      descriptorsIn(`${head}Max open files            1024                 524288               files\n`),
    ).toBe(1024);
    expect(
      descriptorsIn(`${head}Max open files            unlimited            unlimited            files\n`),
    ).toBe(Infinity);
    expect(descriptorsIn(head)).toBe(4096);
    expect(await descriptorsMax()).toBeGreaterThan(0);
  });
});
