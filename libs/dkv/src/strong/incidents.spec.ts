/** Incidents, replayed: what a node says of itself and of others agrees with what a write meets, and that is told at once. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { rejected } from '../../testing/caught.js';
import { type TestCluster, createTestCluster } from '../../testing/simulation/sim-cluster.js';
import { startNodes, strongCluster } from '../../testing/simulation/strong-cluster.js';
import { Quorums } from './quorums.js';

afterEach(() => vi.restoreAllMocks());

const READ = { level: 'linearizable' } as const;
const VALUE = 'v'.repeat(500);

/** What a write through each node meets, and how long that takes: a refusal none, a write a few milliseconds. */
async function probes(cluster: TestCluster): Promise<Record<string, string>> {
  const met: Record<string, string> = {};
  for (const nodeId of cluster.nodeIds) {
    for (const key of ['k0', 'k1', 'k2', 'k3']) {
      const beganMs = cluster.scheduler.nowMs;
      const answer = await cluster.put(nodeId, key, 'probe').then(
        () => 'written',
        ({ code }: { code: string }) => code,
      );
      const isPrompt = cluster.scheduler.nowMs - beganMs < 50;
      met[nodeId] = `${isPrompt ? '' : 'late '}${answer}`;
    }
  }
  return met;
}

/** What the nodes say: not ready, ready but not well, or that all is. */
function told(cluster: TestCluster, nodeIds = cluster.nodeIds): Record<string, string> {
  return Object.fromEntries(
    nodeIds.map((nodeId) => {
      const { ready, degradedReason } = cluster.node(nodeId).processor;
      return [nodeId, ready ? (degradedReason === undefined ? 'ready' : 'degraded') : 'unready'];
    }),
  );
}

const each = (answer: string) => ({ a: answer, b: answer, c: answer });
const linesOf = (cluster: TestCluster, nodeId: string, text: RegExp) => {
  const { lines, warnings, errors } = cluster.node(nodeId).log;
  return [...lines, ...warnings, ...errors].filter((line) => text.test(line));
};

describe('two of three disks, replaced one after the other without waiting', () => {
  async function replaced(): Promise<TestCluster> {
    const cluster = await strongCluster(3);
    for (const nodeId of ['a', 'b']) {
      cluster.kill(nodeId);
      cluster.node(nodeId).loseDisk();
      startNodes(cluster, [nodeId]);
      await cluster.advance(50);
    }
    await cluster.advance(5_000);
    return cluster;
  }

  it('refuse every write at once, name who is missing and why, and no node looks well', async () => {
    const cluster = await replaced();
    expect(await probes(cluster)).toEqual(each('DKV_QUORUM_NOT_REACHED'));
    expect(told(cluster)).toEqual({ a: 'unready', b: 'unready', c: 'degraded' });
    const { processor, view } = cluster.node('c');
    expect(processor.degradedReason).toMatch(
      /^4 partitions take no writes: missing are the votes of a \(no voter yet, .*b \(no voter yet, /,
    );
    expect(processor.quorums.groupsWithoutQuorum).toBe(4);
    expect(
      [...processor.quorums.votersMissing].map(([nodeId, { groups }]) => [nodeId, groups]).sort(),
    ).toEqual([
      ['a', 4],
      ['b', 4],
    ]);
    expect(view.underReplicated(processor.quorums.lacking)).toBe(4);
    const { message } = await rejected(cluster.put('c', 'k0', 'v'));
    expect(message).toMatch(/missing: .*a \(no voter yet, having come back without .*Nothing was written\.$/);
    expect((await rejected(cluster.get('c', 'k0', READ))).code).toBe('DKV_QUORUM_NOT_REACHED');
    expect(linesOf(cluster, 'c', /4 partitions take no writes/)).toHaveLength(1);
  });
});

describe('one disk of three, replaced', () => {
  it('shows as degraded until its node votes again, then as nothing', async () => {
    const cluster = await strongCluster(3);
    for (let number = 0; number < 40; number++) {
      await cluster.put('a', `k${number}`, VALUE);
    }
    cluster.kill('a');
    await cluster.advance(2_000);
    expect(cluster.node('b').processor.degradedReason).toBe(
      'missing are the votes of a (cannot be reached) in 4 of its 4 partitions',
    );
    cluster.node('a').loseDisk();
    startNodes(cluster, ['a']);
    const reasons: (string | undefined)[] = [];
    for (let looks = 0; looks < 20; looks++) {
      await cluster.advance(20);
      reasons.push(cluster.node('b').processor.degradedReason);
    }
    expect(reasons.join('\n')).toMatch(/votes of a \(no voter yet, .* in [1-4] of its 4 partitions/);
    await cluster.advance(15_000);
    expect(told(cluster)).toEqual(each('ready'));
    expect(await probes(cluster)).toEqual(each('written'));
    expect(linesOf(cluster, 'b', /take no writes|take writes again/)).toEqual([]);
  });
});

describe('the disks of two of three nodes, full to the last byte', () => {
  async function full(size: number, partitions: number): Promise<TestCluster> {
    const cluster = createTestCluster(size, {
      mode: 'strong',
      partitions,
      storage: { reserveBytes: 40_000, checkpointIntervalMs: 3_600_000 },
    });
    await cluster.start();
    await cluster.advance(2_000);
    for (const nodeId of ['a', 'b']) {
      const { folder } = cluster.node(nodeId);
      folder.setFaults({ capacityBytes: folder.bytes + 1_000 });
    }
    for (let number = 0; number < 120; number++) {
      await cluster.put('c', `filling ${number}`, VALUE, { timeoutMs: 500 }).catch(() => undefined);
    }
    await cluster.advance(2_000);
    return cluster;
  }

  it('are known to the leader, which refuses for a node that has not heard of it yet', async () => {
    const cluster = await full(4, 16);
    const key = cluster.keyWhere((list) => !list.includes('d'));
    vi.spyOn(Quorums.prototype as unknown as { teller(): undefined }, 'teller').mockReturnValue(undefined);
    const beganMs = cluster.scheduler.nowMs;
    const { code, message } = await rejected(cluster.put('d', key, 'v'));
    expect([code, cluster.scheduler.nowMs - beganMs < 50]).toEqual(['DKV_QUORUM_NOT_REACHED', true]);
    expect(message).toMatch(/a \(its log takes nothing\)/);
  });

  it('refuse every write at once, wherever it is asked for; reads go on; and all is well once there is room', async () => {
    const cluster = await full(3, 4);
    expect(await probes(cluster)).toEqual(each('DKV_QUORUM_NOT_REACHED'));
    expect(told(cluster)).toEqual({ a: 'unready', b: 'unready', c: 'degraded' });
    expect((await rejected(cluster.put('c', 'k0', 'v'))).message).toMatch(
      /missing: .*a \(its log takes nothing\).*Nothing was written\.$/,
    );
    expect(await cluster.get('c', 'filling 0', READ)).toBe(VALUE);
    expect(linesOf(cluster, 'c', /4 partitions take no writes/)).toHaveLength(1);
    for (const nodeId of ['a', 'b']) {
      cluster.node(nodeId).folder.heal();
    }
    await cluster.advance(5_000);
    expect(await probes(cluster)).toEqual(each('written'));
    expect(told(cluster)).toEqual(each('ready'));
    expect(linesOf(cluster, 'c', /All partitions take writes again, after \d+\.\d s/)).toHaveLength(1);
  });
});

describe('a clock of three that is an hour off', () => {
  it.each([3_600_000, -3_600_000])(
    'by %s ms: its node leads nothing and says so; every write is taken',
    async (offMs) => {
      const cluster = await strongCluster(3);
      cluster.node('a').clock.jump(offMs);
      await cluster.advance(5_000);
      expect(await probes(cluster)).toEqual(each('written'));
      expect(told(cluster)).toEqual({ a: 'degraded', b: 'ready', c: 'ready' });
      expect(cluster.node('a').processor.degradedReason).toMatch(
        /the clock of this node is 3600\.\d s (ahead of|behind) the others: it leads no partitions/,
      );
      expect(cluster.node('a').strong.groupsLed).toBe(0);
      expect(linesOf(cluster, 'a', /the clock of this node is 3600/)).toHaveLength(1);
      cluster.node('a').clock.jump(-offMs);
      await cluster.advance(5_000);
      expect(told(cluster)).toEqual(each('ready'));
      expect(linesOf(cluster, 'a', /agrees with the others again/)).toHaveLength(1);
    },
  );

  it('in eventual namespaces: its node is unready and refuses its writes at once, the others take theirs', async () => {
    const cluster = createTestCluster(3, { partitions: 4 });
    await cluster.start();
    await cluster.advance(2_000);
    cluster.node('a').clock.jump(3_600_000);
    await cluster.advance(5_000);
    expect(await probes(cluster)).toEqual({ a: 'DKV_QUORUM_NOT_REACHED', b: 'written', c: 'written' });
    expect(told(cluster)).toMatchObject({ a: 'unready' });
  });
});

describe('two of three nodes that are gone', () => {
  it('end the wait of who waits for a leader, as soon as they are known to be gone', async () => {
    const cluster = await strongCluster(3, { replicas: 2 });
    cluster.kill('b');
    await cluster.advance(3_000);
    cluster.kill('a');
    await cluster.advance(1_500);
    expect((await rejected(cluster.put('c', 'k0', 'v'))).message).toMatch(
      /missing: .*a \(cannot be reached\).*Nothing was written\.$/,
    );
    expect(told(cluster, ['c'])).toEqual({ c: 'degraded' });
  });

  it('of a partition that a fourth only calls: it refuses at once, too, as their third says', async () => {
    const cluster = await strongCluster(4, { replicas: 2, partitions: 8 });
    const key = cluster.keyWhere((list) => !list.includes('d'));
    for (const nodeId of ['a', 'b']) {
      cluster.kill(nodeId);
      cluster.node(nodeId).loseDisk();
    }
    startNodes(cluster, ['a', 'b']);
    await cluster.advance(6_000);
    const beganMs = cluster.scheduler.nowMs;
    const { code, message } = await rejected(cluster.put('d', key, 'v'));
    expect([code, cluster.scheduler.nowMs - beganMs]).toEqual(['DKV_QUORUM_NOT_REACHED', 0]);
    expect(message).toMatch(/says that too few of them take part/);
    const { groupsRefused, groupsWithoutQuorum } = cluster.node('d').processor.quorums;
    expect(groupsRefused).toBeGreaterThan(groupsWithoutQuorum);
  });
});

describe('a leader that died', () => {
  it('is no outage: who writes meanwhile waits for the next one', async () => {
    const cluster = await strongCluster(3);
    const key = cluster.keyWhere(([holder]) => holder === 'a');
    cluster.kill('a');
    await cluster.advance(900);
    await cluster.put('b', key, 'after');
    expect(await cluster.get('c', key, READ)).toBe('after');
  });
});

describe('a cluster of which one node was never seen', () => {
  it('refuses writes at once, naming it, until it has come', async () => {
    const cluster = createTestCluster(3, { mode: 'strong', partitions: 4 });
    startNodes(cluster, ['a', 'b']);
    await cluster.advance(3_000);
    const beganMs = cluster.scheduler.nowMs;
    await expect(cluster.put('a', 'k0', 'v')).rejects.toMatchObject({
      code: 'DKV_NOT_READY',
      message:
        'The cluster is not born yet: 2 of 3 nodes are seen (clusterSize), not seen so far: c. Start those nodes. Nothing was written.',
    });
    expect(cluster.scheduler.nowMs).toBe(beganMs);
    startNodes(cluster, ['c']);
    await cluster.advance(3_000);
    await cluster.put('a', 'k0', 'v');
  });
});
