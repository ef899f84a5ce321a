/** The defects of the library that this one follows, each as a test that it would fail. */
import { describe, expect, it, vi } from 'vitest';
import { rejected } from '../testing/caught.js';
import { createTestCluster, type TestCluster } from '../testing/simulation/sim-cluster.js';
import { testNode, testNodes } from '../testing/test-nodes.js';
import { testRing } from '../testing/test-ring.js';
import {
  decodePeerReply,
  decodePeerRequest,
  encodePeerReply,
  encodePeerRequest,
} from './transport/messages/peer-codec.js';
import { type KvRecord, stampRecord } from './model/record.js';
import { parseVersion, physicalMsOf } from './model/version.js';

// Minutes of virtual time take a moment of real time, more on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

async function startedCluster(size: number, replicas = 2): Promise<TestCluster> {
  const cluster = createTestCluster(size, {
    mode: 'eventual',
    replicas,
    limits: { antiEntropyIntervalMs: 2_000 },
  });
  await cluster.start();
  cluster.forgetMessages();
  return cluster;
}

/** Enough for heartbeats to find out, hints to be replayed and anti-entropy to have met everybody. */
const A_WHILE_MS = 20_000;

const versionsOf = (copies: readonly (KvRecord | undefined)[]) => copies.map((copy) => copy?.version);
const valuesOf = (copies: readonly (KvRecord | undefined)[]) =>
  copies.map((copy) => copy && Buffer.from(copy.value).toString());

describe('a value is stamped anew on every hop, so that an old copy that is moved beats a newer one', () => {
  it('but here is stamped once: all copies are the same, byte for byte, and name their coordinator', async () => {
    const cluster = await startedCluster(4);
    const key = cluster.keyWhere((list) => !list.includes('d'));
    const committed = await cluster.put('d', key, 'v');
    await cluster.advance(A_WHILE_MS);
    expect(await cluster.copiesOf(key)).toEqual([committed, committed, committed]);
    expect(parseVersion(committed.version).nodeId).toBe(cluster.listOf(key)[0]);
  });

  it('but here an old copy that comes back keeps its old version, and gives way', async () => {
    const cluster = await startedCluster(3);
    const key = cluster.keyWhere(([holder]) => holder === 'a');
    const old = await cluster.put('a', key, 'old', { level: 'all' });
    cluster.kill('c');
    await cluster.advance(A_WHILE_MS);
    const young = await cluster.put('a', key, 'young');
    cluster.partition(['a', 'b'], ['c']);
    await cluster.start('c');
    await cluster.advance(A_WHILE_MS);
    expect(await cluster.copyAt('c', key)).toEqual(old);
    cluster.heal();
    await cluster.advance(A_WHILE_MS);
    expect(await cluster.copiesOf(key)).toEqual([young, young, young]);
  });
});

describe('stale replicas bring deleted keys back, since deletes leave nothing behind', () => {
  it('but here a delete is a record that a returning replica learns of', async () => {
    const cluster = await startedCluster(3);
    const key = cluster.keyWhere(([holder]) => holder === 'a');
    await cluster.put('a', key, 'v', { level: 'all' });
    cluster.kill('c');
    await cluster.advance(A_WHILE_MS);
    expect(await cluster.remove('a', key)).toBe(true);
    await cluster.start('c');
    await cluster.advance(A_WHILE_MS);
    for (const nodeId of cluster.nodeIds) {
      expect(await cluster.get(nodeId, key)).toBeUndefined();
      expect(await cluster.get(nodeId, key, { level: 'quorum' })).toBeUndefined();
    }
    expect((await cluster.copiesOf(key)).map((copy) => copy?.tombstone)).toEqual([true, true, true]);
  });

  it('but here a replica that catches up does not show the deleted value meanwhile', async () => {
    const cluster = await startedCluster(3);
    const key = cluster.keyWhere(([holder]) => holder === 'a');
    await cluster.put('a', key, 'v', { level: 'all' });
    cluster.kill('c');
    await cluster.advance(A_WHILE_MS);
    await cluster.remove('a', key);
    await cluster.start('c');
    expect(await cluster.get('c', key)).toBeUndefined();
  });
});

describe('a write that failed stays, since it is not undone', () => {
  it('but here what is refused leaves no trace', async () => {
    const cluster = await startedCluster(3);
    const key = cluster.keyWhere(([holder]) => holder === 'a');
    cluster.partition(['a'], ['b', 'c']);
    await cluster.advance(A_WHILE_MS);
    expect((await rejected(cluster.put('a', key, 'v'))).code).toBe('DKV_QUORUM_NOT_REACHED');
    cluster.heal();
    await cluster.advance(A_WHILE_MS);
    expect(await cluster.copiesOf(key)).toEqual([undefined, undefined, undefined]);
  });

  it('but here one of unknown outcome is told apart, and all nodes come to one answer', async () => {
    const cluster = await startedCluster(3);
    const key = cluster.keyWhere(([holder]) => holder === 'a');
    await cluster.put('a', key, 'before', { level: 'all' });
    cluster.partition(['a'], ['b', 'c']);
    expect((await rejected(cluster.put('a', key, 'v', { timeoutMs: 500 }))).code).toBe('DKV_INDETERMINATE');
    cluster.heal();
    await cluster.advance(A_WHILE_MS);
    const copies = await cluster.copiesOf(key);
    expect(new Set(versionsOf(copies)).size).toBe(1);
    expect(['before', 'v']).toContain(valuesOf(copies)[0]);
  });
});

describe('replicas forward again: 12 requests for one write at 2 replicas, 78 at 3', () => {
  it.each([
    [0, 4],
    [1, 4],
    [2, 3],
    [2, 5],
    [3, 5],
  ])(
    'but here %i replicas cost as many requests from the holder, one more from elsewhere',
    async (replicas, size) => {
      const cluster = await startedCluster(size, replicas);
      const shipped = replicas > 0 ? { addOrUpdate: replicas } : {};
      const key = cluster.keyWhere(([holder]) => holder === 'a');
      await cluster.put('a', key, 'v', { level: 'all' });
      expect(cluster.traffic).toEqual(shipped);
      for (const nodeId of cluster.nodeIds.slice(1)) {
        cluster.forgetMessages();
        await cluster.put(nodeId, key, 'w', { level: 'all' });
        expect(cluster.traffic).toEqual({ forward: 1, ...shipped });
        cluster.forgetMessages();
        await cluster.remove(nodeId, key, { level: 'all' });
        expect(cluster.traffic).toEqual({ forward: 1, ...shipped });
      }
    },
  );

  it.each([
    ['one that it has been to', 'b', ['a', 'b'], 'DKV_FORWARDING_LOOP'],
    // Its sender may go by an older configuration, and hears of the newer one.
    ['one that holds no copy', 'd', ['a'], 'DKV_NOT_READY'],
  ])('but here %s refuses what is forwarded to it, and asks nobody', async (_, nodeId, visited, code) => {
    const cluster = await startedCluster(4);
    const key = cluster.keyWhere((list) => list.join() === 'a,b,c');
    const id = { partition: cluster.ring.partitionOf(key), namespace: 'default', key };
    const operation = {
      kind: 'addOrUpdate',
      id,
      value: Buffer.from('v'),
      ttlMs: 0,
      level: 'quorum',
      requestId: '018bcfe5687b0123456789ab',
    } as const;
    const ask = { operation, visited, timeoutMs: 1_000 };
    const { view, clock, processor } = cluster.node(nodeId);
    const envelope = { from: 'a', configuration: view.configuration, sentAtMs: clock.now() };
    const refused = rejected(processor.serve({ kind: 'forward', ask, ...envelope }));
    expect((await cluster.settle(refused)).code).toBe(code);
    expect(cluster.traffic).toEqual({});
  });
});

describe('every membership event pushes every key to others, and drops the source after one acknowledgement', () => {
  const KEYS = Array.from({ length: 100 }, (_, number) => `key ${number}`);

  /** A cluster that holds all of KEYS, and what each node holds. */
  async function filled(): Promise<TestCluster> {
    const cluster = await startedCluster(4);
    for (const key of KEYS) {
      await cluster.put('a', key, key, { level: 'all' });
    }
    cluster.forgetMessages();
    return cluster;
  }

  it.each(['stop', 'kill'] as const)('but here a restart after a %s moves no data', async (how) => {
    const cluster = await filled();
    await cluster[how]('b');
    await cluster.advance(A_WHILE_MS);
    await cluster.start('b');
    await cluster.advance(A_WHILE_MS);
    expect(Object.keys(cluster.traffic)).toEqual(['getRoots']);
    for (const key of KEYS) {
      expect(valuesOf(await cluster.copiesOf(key))).toEqual([key, key, key]);
    }
  });

  it('but here discovery that loses sight of nodes, or sees new ones, moves no data', async () => {
    const cluster = await filled();
    for (const nodeId of cluster.nodeIds) {
      cluster.node(nodeId).view.relocate([testNode('stranger')]);
      cluster.node(nodeId).view.relocate([]);
    }
    await cluster.advance(A_WHILE_MS);
    expect(Object.keys(cluster.traffic)).toEqual(['getRoots']);
    expect(cluster.node('a').view.members.map(({ node, state }) => `${node.nodeId} ${state}`)).toEqual([
      'a up',
      'b up',
      'c up',
      'd up',
    ]);
  });

  it('but here nothing is dropped that another node has: each copy stays where the ring puts it', async () => {
    const cluster = await filled();
    cluster.partition(['a', 'b'], ['c', 'd']);
    await cluster.advance(A_WHILE_MS);
    cluster.heal();
    await cluster.advance(A_WHILE_MS);
    for (const key of KEYS) {
      expect(valuesOf(await cluster.copiesOf(key))).toEqual([key, key, key]);
    }
  });
});

describe('replicas that were lost are never filled again', () => {
  it('but here a node that comes back with an empty disk gets all of its copies', async () => {
    const cluster = await startedCluster(4);
    const keys = Array.from({ length: 100 }, (_, number) => `key ${number}`);
    for (const key of keys) {
      await cluster.put('a', key, key, { level: 'all' });
    }
    cluster.kill('b');
    cluster.node('b').loseDisk();
    await cluster.start('b');
    const own = keys.filter((key) => cluster.listOf(key).includes('b'));
    expect(own.length).toBeGreaterThan(30);
    for (const key of own) {
      const [first, ...others] = await cluster.copiesOf(key);
      expect(first).toBeDefined();
      expect(others).toEqual([first, first]);
    }
  });

  it('but here what a node missed is sent to it when it answers again', async () => {
    const cluster = await startedCluster(3);
    cluster.partition(['a', 'b'], ['c']);
    await cluster.advance(A_WHILE_MS);
    const committed = await cluster.put('a', 'k', 'v');
    expect(await cluster.copyAt('c', 'k')).toBeUndefined();
    cluster.heal();
    await cluster.advance(10_000);
    expect(await cluster.copyAt('c', 'k')).toEqual(committed);
  });
});

describe('reads ask the owner only, so that a dead owner means unreadable keys', () => {
  it.each([
    ['at once', 0],
    ['when all know it', A_WHILE_MS],
  ])('but here the others of the list answer, for reads and for writes, %s', async (_, elapsedMs) => {
    const cluster = await startedCluster(4);
    const key = cluster.keyWhere((list) => list.join() === 'a,b,c');
    await cluster.put('a', key, 'v', { level: 'all' });
    cluster.kill('a');
    await cluster.advance(elapsedMs);
    for (const nodeId of ['b', 'c', 'd']) {
      expect(await cluster.get(nodeId, key)).toBe('v');
      expect(await cluster.get(nodeId, key, { level: 'quorum' })).toBe('v');
    }
    for (const nodeId of ['b', 'c', 'd']) {
      await cluster.put(nodeId, key, `by ${nodeId}`);
      expect(await cluster.get(nodeId, key)).toBe(`by ${nodeId}`);
      expect(await cluster.get('d', key, { level: 'quorum' })).toBe(`by ${nodeId}`);
    }
  });
});

describe('one point on the ring per unit of weight puts twice the share on a node of three', () => {
  it.each<[string, number[], number]>([
    ['three nodes', [1, 1, 1], 2],
    ['three nodes without replicas', [1, 1, 1], 0],
    ['five nodes', [1, 1, 1, 1, 1], 2],
    ['ten nodes', [1, 1, 1, 1, 1, 1, 1, 1, 1, 1], 2],
    ['nodes of weight 1, 2 and 4', [1, 2, 4, 1, 2, 4], 1],
  ])('but here the most loaded of %s has at most 1.05 of its fair share', (_, weights, replicas) => {
    const nodes = weights.map((weight, index) => testNode(`node-${index}`, { weight }));
    const ring = testRing(nodes, { partitions: 1_024, replicas });
    const held = new Map<string, number>();
    const led = new Map<string, number>();
    for (let partition = 0; partition < ring.partitions; partition++) {
      const list = ring.preferenceList(partition);
      led.set(list[0]!, (led.get(list[0]!) ?? 0) + 1);
      list.forEach((nodeId) => held.set(nodeId, (held.get(nodeId) ?? 0) + 1));
    }
    const weightOfAll = weights.reduce((sum, weight) => sum + weight, 0);
    for (const { nodeId, weight } of nodes) {
      const share = (ring.partitions * weight) / weightOfAll;
      expect(led.get(nodeId), nodeId).toBeLessThanOrEqual(Math.max(1.05 * share, Math.ceil(share)));
      const copies = share * ring.copies;
      expect(held.get(nodeId), nodeId).toBeLessThanOrEqual(Math.max(1.05 * copies, Math.ceil(copies)));
    }
  });
});

describe('the ring is changed in place while it is read', () => {
  const listsOf = (ring: ReturnType<typeof testRing>) =>
    Array.from({ length: ring.partitions }, (_, partition) => [...ring.preferenceList(partition)]);

  it('but here a change makes a new ring, and the old one stays as it was', () => {
    const ring = testRing(testNodes('a', 'b', 'c'));
    const [lists, fingerprint] = [listsOf(ring), ring.fingerprint];
    const changed = ring.change(testNodes('a', 'b', 'c', 'd'));
    expect(changed.fingerprint).not.toBe(fingerprint);
    expect(listsOf(changed)).not.toEqual(lists);
    expect(listsOf(ring)).toEqual(lists);
    expect(ring.fingerprint).toBe(fingerprint);
    expect(ring.nodes.map(({ nodeId }) => nodeId)).toEqual(['a', 'b', 'c']);
  });

  it('but here nobody who is handed a list can change it', () => {
    const ring = testRing(testNodes('a', 'b', 'c'));
    const list = ring.preferenceList(0) as string[];
    expect(() => list.reverse()).toThrow(TypeError);
    expect(() => list.push('d')).toThrow(TypeError);
  });
});

describe('times travel as whole seconds, so that writes within one are not in order', () => {
  it('but here writes a millisecond apart are in order, at whichever node they are coordinated', async () => {
    const cluster = await startedCluster(3);
    const key = cluster.keyWhere(([holder]) => holder === 'a');
    const first = await cluster.put('a', key, 'first', { level: 'all' });
    cluster.kill('a');
    await cluster.advance(1);
    const second = await cluster.put('b', key, 'second');
    expect(second.version > first.version).toBe(true);
    await cluster.start('a');
    await cluster.advance(A_WHILE_MS);
    expect(valuesOf(await cluster.copiesOf(key))).toEqual(['second', 'second', 'second']);
  });

  it('but here a time arrives as it was sent, to the millisecond', async () => {
    const cluster = await startedCluster(3);
    await cluster.advance(1_234.5);
    const record = await cluster.put('a', 'k', 'v');
    const { clock, view } = cluster.node('a');
    expect(clock.now() % 1_000).not.toBe(0);
    const sentAtMs = clock.now();
    const envelope = { from: 'a', configuration: view.configuration, sentAtMs };
    const ask = { partition: 1, record: stampRecord({ ...record, expiresAtMs: sentAtMs + 7 }) };
    const request = { kind: 'addOrUpdate', ask, ...envelope } as const;
    const arrived = decodePeerRequest('addOrUpdate', encodePeerRequest(request));
    expect(arrived).toMatchObject({
      sentAtMs,
      ask: { record: { version: record.version, expiresAtMs: sentAtMs + 7 } },
    });
    const reply = { kind: 'get', answer: { record }, ...envelope } as const;
    const answered = decodePeerReply('get', encodePeerReply(reply));
    expect(physicalMsOf(answered.answer.record!.version)).toBe(physicalMsOf(record.version));
    expect(answered.sentAtMs).toBe(sentAtMs);
  });
});
