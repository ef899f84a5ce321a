/** Tombstones go when every node has them and not before, and what they stood for does not come back. */
import { beforeEach, describe, expect, it } from 'vitest';
import { createTestCluster, type TestCluster } from '../../../testing/simulation/sim-cluster.js';
import { type RecordId } from '../../model/key.js';
import { type PeerProtocol, type PeerRequestKind } from '../../model/peer-protocol.js';
import { stampRecord, stampTombstone } from '../../model/record.js';
import { formatVersion, type Version } from '../../model/version.js';
import { decodePeerRequest, encodePeerRequest } from '../../transport/messages/peer-codec.js';

const NODES = ['a', 'b', 'c'];
const TTL_MS = 60_000;
const INTERVAL_MS = 5_000;
/** A tombstone is older than its lifetime by then, and some passes have gone by. */
const LONG_MS = TTL_MS + 4 * INTERVAL_MS;
const KEY = 'k';

let cluster: TestCluster;
let id: RecordId;

async function start(limits: { antiEntropyIntervalMs?: number } = {}): Promise<void> {
  cluster = createTestCluster(3, {
    partitions: 8,
    durability: 'fsync',
    limits: { tombstoneTtlMs: TTL_MS, collectionIntervalMs: INTERVAL_MS, ...limits },
  });
  await cluster.start();
  await cluster.advance(2_000);
  id = { partition: cluster.ring.partitionOf(KEY), namespace: 'default', key: KEY };
}

const localOf = (nodeId: string) => cluster.node(nodeId).local;
const tombstones = () => NODES.map((nodeId) => localOf(nodeId).metrics().tombstones);
const floors = () => NODES.map((nodeId) => localOf(nodeId).floorOf(id.partition));
const holder = () => cluster.listOf(KEY)[0]!;

function expectEqualTrees(): void {
  for (let partition = 0; partition < cluster.ring.partitions; partition++) {
    const [first, ...others] = NODES.map((nodeId) => localOf(nodeId).getTree(partition));
    others.forEach((tree) => expect(tree).toEqual(first));
  }
}

/** A version stamped `agoMs` ago, by a node that is none of the three. */
function versionAgo(agoMs: number): Version {
  const physicalMs = cluster.node('a').clock.now() - agoMs;
  return formatVersion({ physicalMs, counter: 0, nodeId: 'x', boot: 1 });
}

/** What a node answers to a message of node `from`. */
async function ask<K extends PeerRequestKind>(
  nodeId: string,
  kind: K,
  question: PeerProtocol[K]['ask'],
): Promise<PeerProtocol[K]['answer']> {
  const { processor, view, clock } = cluster.node(nodeId);
  const from = NODES.find((other) => other !== nodeId)!;
  const envelope = { from, configuration: view.configuration, sentAtMs: clock.now() };
  return (await cluster.settle(processor.serve({ kind, ask: question, ...envelope }))).answer;
}

/** Puts an old value into one node's store alone. */
async function plant(nodeId: string, key: string): Promise<void> {
  const record = stampRecord({
    namespace: 'default',
    key,
    version: versionAgo(TTL_MS),
    tombstone: false,
    expiresAtMs: 0,
    value: Buffer.from('old'),
  });
  const partition = cluster.ring.partitionOf(key);
  await ask(nodeId, 'addOrUpdate', { partition, record });
}

/** Another key of the same partition. */
function neighbour(): string {
  for (let number = 0; ; number++) {
    if (cluster.ring.partitionOf(`n${number}`) === id.partition) {
      return `n${number}`;
    }
  }
}

describe('tombstones', () => {
  beforeEach(() => start());

  it('are collected on all nodes once they are old, and leave nothing behind', async () => {
    await cluster.put('a', KEY, 'one');
    await cluster.put('a', neighbour(), 'stays');
    await cluster.remove('a', KEY);
    await cluster.advance(TTL_MS / 2);
    expect(tombstones()).toEqual([1, 1, 1]);
    await cluster.advance(LONG_MS);
    expect(tombstones()).toEqual([0, 0, 0]);
    expect(await cluster.copiesOf(KEY)).toEqual([undefined, undefined, undefined]);
    expect(new Set(floors()).size).toBe(1);
    expect(floors()[0]).not.toBe('');
    expectEqualTrees();
    expect(await cluster.get('b', neighbour(), { level: 'quorum' })).toBe('stays');
  });

  it('make room for new values of the key', async () => {
    await cluster.put(holder(), KEY, 'one');
    await cluster.remove(holder(), KEY);
    await cluster.advance(LONG_MS);
    expect(tombstones()).toEqual([0, 0, 0]);
    await cluster.put(holder(), KEY, 'two');
    await cluster.advance(LONG_MS);
    for (const nodeId of NODES) {
      expect(await cluster.get(nodeId, KEY)).toBe('two');
      expect(await cluster.get(nodeId, KEY, { level: 'quorum' })).toBe('two');
    }
    await cluster.remove('b', KEY);
    await cluster.advance(LONG_MS);
    expect(tombstones()).toEqual([0, 0, 0]);
    expectEqualTrees();
  });

  it('stay while a node is down, and go when it is back', async () => {
    await cluster.put('a', KEY, 'one');
    await cluster.advance(1_000);
    const away = cluster.listOf(KEY)[2]!;
    cluster.kill(away);
    await cluster.advance(5_000);
    await cluster.remove(holder(), KEY);
    await cluster.advance(2 * LONG_MS);
    expect(NODES.filter((nodeId) => nodeId !== away).map((n) => localOf(n).metrics().tombstones)).toEqual([
      1, 1,
    ]);
    await cluster.start(away);
    await cluster.advance(LONG_MS);
    expect(tombstones()).toEqual([0, 0, 0]);
    expect(await cluster.get(away, KEY)).toBeUndefined();
    expectEqualTrees();
  });

  it('keep out what was written before them and arrives after them', async () => {
    const old = await cluster.put('a', KEY, 'one');
    await cluster.advance(1_000);
    await cluster.remove('a', KEY);
    await cluster.advance(LONG_MS);
    expect(tombstones()).toEqual([0, 0, 0]);
    for (const nodeId of NODES) {
      await ask(nodeId, 'addOrUpdate', { partition: id.partition, record: old });
    }
    await cluster.advance(30_000);
    expect(await cluster.copiesOf(KEY)).toEqual([undefined, undefined, undefined]);
    for (const nodeId of NODES) {
      expect(await cluster.get(nodeId, KEY)).toBeUndefined();
      expect(await cluster.get(nodeId, KEY, { level: 'quorum' })).toBeUndefined();
    }
  });

  it('are collected here when another node has collected them, if only anti-entropy tells', async () => {
    // Whom a node asks is chance: within the time there must be many rounds.
    await start({ antiEntropyIntervalMs: 1_000 });
    await cluster.put('a', KEY, 'one');
    await cluster.remove('a', KEY);
    await cluster.advance(TTL_MS / 2);
    const floor = versionAgo(1_000);
    await cluster.settle(localOf('a').raiseFloor(id.partition, floor));
    expect(tombstones()).toEqual([0, 1, 1]);
    await cluster.advance(TTL_MS / 2 - 10_000);
    expect(tombstones()).toEqual([0, 0, 0]);
    expect(floors()).toEqual([floor, floor, floor]);
    expectEqualTrees();
    // Also where nothing else differs.
    const higher = versionAgo(1_000);
    await cluster.settle(localOf('b').raiseFloor(id.partition, higher));
    await cluster.advance(TTL_MS);
    expect(floors()).toEqual([higher, higher, higher]);
  });

  it('and their floors are known to a node that comes back with an empty disk', async () => {
    await cluster.put('a', KEY, 'one');
    await cluster.put('a', neighbour(), 'stays');
    await cluster.remove('a', KEY);
    await cluster.advance(LONG_MS);
    const [floor] = floors();
    cluster.kill('c');
    cluster.node('c').loseDisk();
    await cluster.advance(2_000);
    await cluster.start('c');
    expect(floors()).toEqual([floor, floor, floor]);
    expect(await cluster.get('c', neighbour())).toBe('stays');
    expectEqualTrees();
  });

  it('and their floors are known after a restart', async () => {
    await cluster.put('a', KEY, 'one');
    await cluster.remove('a', KEY);
    await cluster.advance(LONG_MS);
    const [floor] = floors();
    cluster.kill('b');
    cluster.partition(['b'], ['a', 'c']);
    await cluster.advance(2_000);
    await cluster.start('b');
    expect(floors()).toEqual([floor, floor, floor]);
    expect(localOf('b').fenceOf(id.partition) >= floor!).toBe(true);
  });

  it('leave nothing behind of keys that never were', async () => {
    await cluster.remove(holder(), KEY);
    await cluster.advance(2 * LONG_MS);
    for (const nodeId of NODES) {
      const collectable = localOf(nodeId).hasCollectable(id.partition, versionAgo(0));
      expect(await cluster.settle(collectable)).toBe(false);
    }
  });
});

describe('a floor', () => {
  /** Nodes repair each other when one comes up, and not before. */
  beforeEach(() => start({ antiEntropyIntervalMs: 3_600_000 }));

  it('waits for an old value that some nodes lack, which is not lost', async () => {
    await cluster.put('a', KEY, 'one');
    await cluster.remove('a', KEY);
    await cluster.advance(TTL_MS);
    await plant('b', neighbour());
    await cluster.advance(LONG_MS);
    expect(tombstones()).toEqual([1, 1, 1]);
    expect(floors()).toEqual(['', '', '']);
    // The others see it come up and fetch what they lack.
    cluster.kill('b');
    await cluster.advance(5_000);
    await cluster.start('b');
    await cluster.advance(LONG_MS);
    expect(tombstones()).toEqual([0, 0, 0]);
    for (const nodeId of NODES) {
      expect(await cluster.get(nodeId, neighbour())).toBe('old');
    }
    expectEqualTrees();
  });

  it('waits for a tombstone that one node lacks', async () => {
    await cluster.put('a', KEY, 'one');
    await cluster.remove('a', KEY);
    const deleted = stampTombstone({ namespace: 'default', key: neighbour() }, versionAgo(0));
    await ask('b', 'addOrUpdate', { partition: id.partition, record: deleted });
    await cluster.advance(LONG_MS);
    expect(tombstones()).toEqual([1, 2, 1]);
    expect(floors()).toEqual(['', '', '']);
  });

  it('is not confirmed for a time that deletes are still remembered, nor fenced', async () => {
    const floor = versionAgo(TTL_MS - 5_000);
    expect(await ask('a', 'confirmFloor', { partition: id.partition, floor })).toEqual({ root: '' });
    expect(localOf('a').fenceOf(id.partition)).toBe('');
  });

  it('is raised on the word of another node only as it was confirmed', async () => {
    const floor = versionAgo(TTL_MS);
    const question = { partition: id.partition, floor };
    const { root } = await ask('a', 'confirmFloor', question);
    expect(root).toMatch(/^[0-9a-f]{32}$/);
    expect(await ask('a', 'confirmFloor', { ...question, agreed: `f${root.slice(1)}f` })).toEqual({
      root: '',
    });
    expect(await ask('b', 'confirmFloor', { ...question, agreed: root })).toEqual({ root: '' });
    expect(floors()).toEqual(['', '', '']);
    expect(await ask('a', 'confirmFloor', { ...question, agreed: root })).toEqual({ root });
    expect(floors()).toEqual([floor, '', '']);
  });
});

describe('a node', () => {
  /** Steps of a collection take some tenths of a millisecond. */
  it.each([0, 0.2, 0.5, 1, 3])(
    'that loses power %d ms after a floor is raised finishes later',
    async (laterMs) => {
      await start();
      const keys = Array.from({ length: 30 }, (_, at) => `x${at}`);
      const partitions = new Set(keys.map((key) => cluster.ring.partitionOf(key)));
      for (const key of keys) {
        await cluster.put('a', key, 'one');
        await cluster.remove('a', key);
      }
      await cluster.advance(1_000);
      expect(tombstones()).toEqual([30, 30, 30]);
      await cluster.advance(TTL_MS - 3_000);
      const isRaised = (nodeId: string) =>
        [...partitions].some((partition) => localOf(nodeId).floorOf(partition) !== '');
      while (!NODES.some(isRaised)) {
        await cluster.advance(1);
      }
      await cluster.advance(laterMs);
      const first = NODES.find(isRaised)!;
      cluster.kill(first);
      cluster.node(first).disk.losePower();
      await cluster.advance(3_000);
      await cluster.start(first);
      await cluster.advance(LONG_MS);
      expect(tombstones()).toEqual([0, 0, 0]);
      for (const partition of partitions) {
        expect(new Set(NODES.map((nodeId) => localOf(nodeId).floorOf(partition))).size).toBe(1);
      }
      expectEqualTrees();
      expect(
        NODES.map((nodeId) =>
          localOf(nodeId)
            .getTree(id.partition)
            .every((digest) => /^0+$/.test(digest)),
        ),
      ).toEqual([true, true, true]);
    },
  );
});

describe('while a floor is being agreed on', () => {
  beforeEach(() => start());

  it('what is agreed on travels with the question', () => {
    const envelope = { from: 'b', configuration: 'one', sentAtMs: 1 };
    const question = {
      partition: 3,
      floor: formatVersion({ physicalMs: 1, counter: 0, nodeId: 'b', boot: 0 }),
    };
    for (const sent of [question, { ...question, agreed: '0a'.repeat(16) }]) {
      const body = encodePeerRequest({ kind: 'confirmFloor', ask: sent, ...envelope });
      expect(decodePeerRequest('confirmFloor', body).ask).toEqual(sent);
    }
  });

  it('a node whose clock was set back stamps above it all the same', async () => {
    await start();
    const floor = versionAgo(TTL_MS);
    for (const nodeId of NODES) {
      await cluster.settle(localOf(nodeId).raiseFence(id.partition, versionAgo(-500)));
    }
    const fence = localOf('a').fenceOf(id.partition);
    expect(fence > floor).toBe(true);
    const { version } = await cluster.put('a', KEY, 'above');
    expect(version > fence).toBe(true);
  });

  it('an expired value is removed above it, though its own version is below', async () => {
    const options = { level: 'all', timeoutMs: 5_000, ttlMs: 10_000 } as const;
    const { processor } = cluster.node('a');
    await cluster.settle(processor.addOrUpdate('default', KEY, Buffer.from('v'), options));
    await cluster.advance(5_000);
    for (const nodeId of NODES) {
      await cluster.settle(localOf(nodeId).raiseFence(id.partition, versionAgo(1_000)));
    }
    const fence = localOf('a').fenceOf(id.partition);
    await cluster.advance(10_000);
    for (const copy of await cluster.copiesOf(KEY)) {
      expect(copy?.tombstone).toBe(true);
      expect(copy!.version > fence).toBe(true);
    }
  });
});
