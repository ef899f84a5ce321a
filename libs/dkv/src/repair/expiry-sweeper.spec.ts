/** Expired values become tombstones, once, wherever they are; values that were renewed do not. */
import { beforeEach, describe, expect, it } from 'vitest';
import { createTestCluster, type TestCluster } from '../../testing/simulation/sim-cluster.js';
import { decide } from '../consensus/decision.js';
import { type NamespaceMode } from '../model/consistency.js';
import { type WriteOperation } from '../model/peer-protocol.js';
import { type KvRecord, stampRecord, stampTombstone } from '../model/record.js';
import { formatVersion } from '../model/version.js';
import { decodePeerRequest, encodePeerRequest } from '../transport/messages/peer-codec.js';

const MODES: readonly NamespaceMode[] = ['strong', 'eventual'];
const NODES = ['a', 'b', 'c'];
const TTL_MS = 60_000;
const KEY = 'k';

let cluster: TestCluster;

async function start(mode: NamespaceMode): Promise<void> {
  cluster = createTestCluster(3, {
    mode,
    partitions: 8,
    limits: { tombstoneTtlMs: TTL_MS, collectionIntervalMs: 5_000 },
  });
  await cluster.start();
  await cluster.advance(2_000);
}

interface Asked {
  readonly level?: 'one' | 'quorum';
}

async function putFor(nodeId: string, key: string, ttlMs: number): Promise<KvRecord> {
  const options = { level: 'quorum', timeoutMs: 5_000, ttlMs } as const;
  const written = cluster.node(nodeId).processor.addOrUpdate('default', key, Buffer.from('v'), options);
  return (await cluster.settle(written)).record!;
}

async function touch(
  nodeId: string,
  key: string,
  ttlMs: number,
  { level = 'quorum' }: Asked = {},
): Promise<void> {
  const { processor } = cluster.node(nodeId);
  await cluster.settle(processor.touch('default', key, { level, timeoutMs: 5_000, ttlMs }));
}

const tombstones = () => NODES.map((nodeId) => cluster.node(nodeId).local.metrics().tombstones);
const swept = () =>
  NODES.flatMap((nodeId) =>
    cluster.node(nodeId).telemetry.events.filter((event) => event.startsWith('expiredKeys')),
  );

describe.each(MODES)('expired values of a namespace that is %s', (mode) => {
  beforeEach(() => start(mode));

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

  it('are none when they were touched or written again', async () => {
    await putFor('a', KEY, 5_000);
    await putFor('a', 'again', 5_000);
    await cluster.advance(4_000);
    await touch('b', KEY, 40_000);
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
    await start('eventual');
    const { processor } = cluster.node('a');
    const options = { level: 'quorum', timeoutMs: 60_000, ttlMs: 5_000 } as const;
    const writes = Array.from({ length: 1_000 }, (_, at) =>
      processor.addOrUpdate('default', `key-${at}`, Buffer.from('v'), options),
    );
    await cluster.settle(Promise.all(writes));
    await cluster.advance(30_000);
    expect(tombstones()).toEqual([1_000, 1_000, 1_000]);
    expect(cluster.node('a').local.metrics().keys).toBe(0);
  });
});

describe('a value that was renewed where the sweeper does not see it', () => {
  it('stands in an eventual namespace when both sides meet', async () => {
    await start('eventual');
    await putFor('a', KEY, 10_000);
    await cluster.advance(1_000);
    const [first, second, third] = cluster.listOf(KEY) as [string, string, string];
    cluster.partition([first], [second, third]);
    await cluster.advance(5_000);
    await touch(second, KEY, 600_000, { level: 'one' });
    await cluster.advance(10_000);
    expect((await cluster.copyAt(first, KEY))?.tombstone).toBe(true);
    expect(await cluster.get(second, KEY)).toBe('v');
    cluster.heal();
    await cluster.advance(60_000);
    for (const nodeId of NODES) {
      expect(await cluster.get(nodeId, KEY)).toBe('v');
    }
  });

  const version = (counter: number) => formatVersion({ physicalMs: 1_000, counter, nodeId: 'a', boot: 1 });
  const draft = { namespace: 'default', key: KEY, tombstone: false, value: Buffer.from('v') };
  const valueUntil = (expiresAtMs: number) => stampRecord({ ...draft, version: version(1), expiresAtMs });

  it.each([
    ['expired before', valueUntil(4_999), 'write'],
    ['expired at that moment', valueUntil(5_000), 'write'],
    ['expires later', valueUntil(5_001), 'keep'],
    ['never expires', valueUntil(0), 'keep'],
    ['is deleted', stampTombstone(draft, version(1)), 'keep'],
    ['is not there', undefined, 'keep'],
  ])('stands in a strong namespace: what %s', (_, current, kind) => {
    const operation: WriteOperation = {
      kind: 'remove',
      id: { partition: 0, namespace: 'default', key: KEY },
      value: new Uint8Array(0),
      ttlMs: 0,
      level: 'quorum',
      expiredByMs: 5_000,
      requestId: '0'.repeat(24),
    };
    const decision = decide(operation, current, { version: version(2), nowMs: 9_000 });
    expect(decision.kind).toBe(kind);
    expect(decision.kind !== 'write' || decision.record.tombstone).toBe(true);
    const ask = { operation, visited: [], timeoutMs: 1, resolve: false };
    const request = { kind: 'forward', ask, from: 'b', configuration: 'one', sentAtMs: 1 } as const;
    const body = encodePeerRequest(request);
    expect(decodePeerRequest('forward', body).ask).toMatchObject({ operation: { expiredByMs: 5_000 } });
  });
});
