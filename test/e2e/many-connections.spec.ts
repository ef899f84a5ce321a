/** Strangers at the peer port: connections without the key take no file that the store needs. */
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { useCluster } from './demo-cluster.js';
import { until } from './until.js';
import { WriteStream } from './write-stream.js';

const DESCRIPTORS = 1_000;
const STRANGERS = 1_100;
/** Some say nothing at all, some ask without a key and stay. */
const ASKS = 'GET /kv/k HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n';

describe('a node at its limit of open files', { timeout: 300_000 }, () => {
  const cluster = useCluster(3, { descriptorsMax: DESCRIPTORS });
  const strangers: Socket[] = [];

  afterEach(() => strangers.splice(0).forEach((socket) => socket.destroy()));

  /** Resolves when the connection was taken, or refused. */
  const arrive = (port: number, at: number): Promise<void> =>
    new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        if (at % 2 === 0) {
          socket.write(ASKS);
        }
        resolve();
      });
      socket.on('error', () => resolve());
      socket.resume();
      strangers.push(socket);
    });

  it('goes on writing, and takes a peer back, while more strangers than that knock at its peer port', async () => {
    const [node, peer] = cluster().nodes;
    const writes = new WriteStream([node!], 'beside strangers');
    await Promise.all(Array.from({ length: STRANGERS }, (_, at) => arrive(node!.peerPort, at)));
    const before = writes.acknowledged.length;
    await until('writes to go on', async () => writes.acknowledged.length > before + 100, 30_000);
    await peer!.kill9();
    const keepComing = setInterval(() => void arrive(node!.peerPort, 1), 5);
    try {
      await peer!.start({ withinMs: 30_000 });
      await node!.sees(peer!, 'up');
    } finally {
      clearInterval(keepComing);
    }
    await writes.end();
    expect(writes.unanswered).toEqual([]);
    expect(await writes.missing(node!, 'quorum')).toEqual([]);
    expect(node!.log).not.toMatch(/EMFILE|takes no writes|read-only/);
    expect((await node!.http.send('GET', '/health/ready')).status).toBe(200);
  });
});
