/** Connections that are opened and never used, begun and never ended, fast and by the thousand: who has the key is served. */
import { once } from 'node:events';
import { type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connectionLimits, descriptorsMax } from '../../libs/dkv/src/transport/http/connection-limits.js';
import { API_KEY, AS_PEER, AttackedNode } from './attacked-node.js';

const STRANGERS = 1_000;
const WITH_KEY = 200;

let node: AttackedNode;
let sockets: Socket[];

beforeEach(async () => {
  node = await AttackedNode.start();
  sockets = [];
});

afterEach(async () => {
  sockets.forEach((socket) => socket.destroy());
  expect(node.log.errors).toEqual([]);
  await node.stop();
});

async function hang(bytes: string): Promise<void> {
  const socket = await node.connect();
  socket.resume();
  sockets.push(socket);
  socket.write(bytes);
}

const isOpen = (socket: Socket) => !socket.destroyed && !socket.readableEnded;

describe('strangers', () => {
  it.each([
    ['say nothing', ''],
    ['begin a header', 'GET /kv/k HTTP/1.1\r\nHost: x\r\nX-Api-'],
    [
      'ask for a stream and send no more',
      'GET /peer/stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: dkv-peer\r\n',
    ],
    ['begin a body', 'POST /kv HTTP/1.1\r\nHost: x\r\nX-Api-Key: wrong\r\nContent-Length: 1000\r\n\r\n{'],
    ['are refused and stay', 'GET /kv/k HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n'],
    ['speak another protocol', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  ])('that %s lock nobody out', async (_, bytes) => {
    const { keylessMax } = connectionLimits(await descriptorsMax());
    for (let count = 1; count <= STRANGERS; count++) {
      await hang(bytes);
      if (count % 100 === 0) {
        expect(await node.serves()).toBe(true);
      }
    }
    // All but as many as may stay were closed, by time or because others came.
    await Promise.all(
      sockets
        .slice(0, -keylessMax)
        .filter(isOpen)
        .map((socket) => once(socket, 'close')),
    );
    expect(await node.serves()).toBe(true);
  });
});

describe('callers with the key', () => {
  it('that are slow with a body leave the others served', async () => {
    const head = `POST /kv HTTP/1.1\r\nHost: x\r\nX-Api-Key: ${API_KEY}\r\nContent-Type: application/json\r\n`;
    for (let count = 0; count < WITH_KEY; count++) {
      await hang(`${head}Content-Length: 1000\r\n\r\n{"key":`);
    }
    expect(await node.serves()).toBe(true);
    // Each has the time of a request, and then loses its place.
    await Promise.all(sockets.filter(isOpen).map((socket) => once(socket, 'close')));
    expect(await node.serves()).toBe(true);
  });

  it('that vanish in the middle of anything leave nothing behind', async () => {
    const value = Buffer.alloc(40_000).toString('base64');
    const body = JSON.stringify({ key: 'k', value });
    const head = `POST /kv HTTP/1.1\r\nHost: x\r\nX-Api-Key: ${API_KEY}\r\nContent-Type: application/json\r\n`;
    const whole = `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
    for (let length = 1; length < whole.length; length += 97) {
      const socket = await node.connect();
      socket.write(whole.slice(0, length), () => socket.resetAndDestroy());
      await once(socket, 'close');
    }
    expect((await node.send({ method: 'GET', path: '/kv/k', headers: AS_PEER })).status).toBe(404);
    expect(await node.serves()).toBe(true);
  });
});
