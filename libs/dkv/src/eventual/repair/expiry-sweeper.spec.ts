/** Expired values become tombstones, once, wherever they are; values that were renewed do not. */
import { beforeEach, describe, expect, it } from 'vitest';
import { createTestCluster, type TestCluster } from '../../../testing/simulation/sim-cluster.js';
import { type WriteOperation } from '../../model/peer-protocol.js';
import { keysIn } from '../../model/usage.js';
import { decodePeerRequest, encodePeerRequest } from '../../transport/messages/peer-codec.js';

const NODES = ['a', 'b', 'c'];
const TTL_MS = 60_000;
const KEY = 'k';

let cluster: TestCluster;

async function start(): Promise<void> {
  cluster = createTestCluster(3, {
    partitions: 8,
    limits: { tombstoneTtlMs: TTL_MS, collectionIntervalMs: 5_000 },
  });
  await cluster.start();
  await cluster.advance(2_000);
}

async function putFor(
  nodeId: string,
  key: string,
  ttlMs: number,
  level: 'one' | 'quorum' = 'quorum',
): Promise<void> {
  const options = { level, timeoutMs: 5_000, ttlMs };
  const { processor } = cluster.node(nodeId);
  await cluster.settle(processor.addOrUpdate('default', key, Buffer.from('v'), options));
}

const tombstones = () => NODES.map((nodeId) => cluster.node(nodeId).local.metrics().tombstones);
const swept = () =>
  NODES.flatMap((nodeId) =>
    cluster.node(nodeId).telemetry.events.filter((event) => event.startsWith('expiredKeys')),
  );

describe('expired values of a namespace', () => {
  beforeEach(start);

  it('become tombstones on all nodes, swept by one, and are collected', async () => {
    await putFor('a', KEY, 5_000);
    await putFor('a', 'other', 0);
    await cluster.advance(4_000);
    expect(tombstones()).toEqual([0, 0, 0]);
    expect(await cluster.get('b', KEY)).toBe('v');
    await cluster.advance(3_500);
    expect(tombstones()).toEqual([1, 1, 1]);
    expect(swept()).toEqual(['expiredKeys 1']);
    await cluster.advance(TTL_MS + 20_000);
    expect(tombstones()).toEqual([0, 0, 0]);
    expect(await cluster.get('c', KEY, { level: 'quorum' })).toBeUndefined();
    expect(await cluster.get('c', 'other', { level: 'quorum' })).toBe('v');
  });

  it('are none when they were written again', async () => {
    await putFor('a', KEY, 5_000);
    await putFor('a', 'again', 5_000);
    await cluster.advance(4_000);
    await putFor('b', KEY, 40_000);
    await putFor('c', 'again', 0);
    await cluster.advance(30_000);
    expect(tombstones()).toEqual([0, 0, 0]);
    expect(await cluster.get('c', KEY)).toBe('v');
    expect(await cluster.get('c', 'again')).toBe('v');
    await cluster.advance(14_000);
    expect(tombstones()).toEqual([1, 1, 1]);
    expect(await cluster.get('c', 'again')).toBe('v');
  });

  it('are swept by the next node of the list while the first is away', async () => {
    await putFor('a', KEY, 5_000);
    const [first, second] = cluster.listOf(KEY);
    cluster.kill(first!);
    await cluster.advance(9_000);
    expect(cluster.node(second!).telemetry.events).toContain('expiredKeys 1');
    expect((await cluster.copyAt(second!, KEY))?.tombstone).toBe(true);
    await cluster.start(first!);
    await cluster.advance(30_000);
    expect(tombstones()).toEqual([1, 1, 1]);
  });
});

describe('expired values', () => {
  it('are swept however many there are', async () => {
    await start();
    const { processor } = cluster.node('a');
    const options = { level: 'quorum', timeoutMs: 60_000, ttlMs: 5_000 } as const;
    const writes = Array.from({ length: 1_000 }, (_, at) =>
      processor.addOrUpdate('default', `key-${at}`, Buffer.from('v'), options),
    );
    await cluster.settle(Promise.all(writes));
    await cluster.advance(30_000);
    expect(tombstones()).toEqual([1_000, 1_000, 1_000]);
    expect(keysIn(cluster.node('a').local.metrics().usage)).toBe(0);
  });
});

describe('a value that was renewed where the sweeper does not see it', () => {
  it('stands when both sides meet', async () => {
    await start();
    await putFor('a', KEY, 10_000);
    await cluster.advance(1_000);
    const [first, second, third] = cluster.listOf(KEY) as [string, string, string];
    cluster.partition([first], [second, third]);
    await cluster.advance(5_000);
    await putFor(second, KEY, 600_000, 'one');
    await cluster.advance(10_000);
    expect((await cluster.copyAt(first, KEY))?.tombstone).toBe(true);
    expect(await cluster.get(second, KEY)).toBe('v');
    cluster.heal();
    await cluster.advance(60_000);
    for (const nodeId of NODES) {
      expect(await cluster.get(nodeId, KEY)).toBe('v');
    }
  });
});

it('a removal of what has expired says so to the node that coordinates it', () => {
  const operation: WriteOperation = {
    kind: 'remove',
    id: { partition: 0, namespace: 'default', key: KEY },
    value: new Uint8Array(0),
    ttlMs: 0,
    level: 'one',
    expiredByMs: 5_000,
    requestId: '0'.repeat(24),
  };
  const ask = { operation, visited: [], timeoutMs: 1 };
  const request = { kind: 'forward', ask, from: 'b', configuration: 'one', sentAtMs: 1 } as const;
  const body = encodePeerRequest(request);
  expect(decodePeerRequest('forward', body).ask).toMatchObject({ operation: { expiredByMs: 5_000 } });
});
