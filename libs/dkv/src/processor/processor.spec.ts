/** The core of a node among others: what a caller is promised of its own writes, of refusals and of the end. */
import { describe, expect, it, vi } from 'vitest';
import { rejected } from '../../testing/caught.js';
import {
  createTestCluster,
  type TestCluster,
  type TestClusterOptions,
} from '../../testing/simulation/sim-cluster.js';
import { type ReadLevel, type WriteLevel } from '../model/consistency.js';

// Minutes of virtual time take a moment of real time, more on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

/** Four nodes; `key` is held by a, b and c, in this order. */
async function startedCluster(
  options: TestClusterOptions = {},
): Promise<{ cluster: TestCluster; key: string }> {
  const cluster = createTestCluster(4, { mode: 'eventual', ...options });
  await cluster.start();
  cluster.forgetMessages();
  return { cluster, key: cluster.keyWhere((list) => list.join() === 'a,b,c') };
}

const read = (level: ReadLevel = 'one') => ({ level, timeoutMs: 5_000 });
const write = (level: WriteLevel = 'quorum') => ({ level, timeoutMs: 5_000, ttlMs: 0 });

describe('a node reads what it wrote', () => {
  const levels = (['one', 'quorum', 'all'] as const).flatMap((written) =>
    (['one', 'quorum'] as const).map((asked) => [written, asked] as const),
  );

  it.each(levels)('written at level %s and read at level %s, wherever it is', async (written, asked) => {
    const { cluster, key } = await startedCluster();
    for (const nodeId of cluster.nodeIds) {
      for (const value of ['first', 'second']) {
        await cluster.put(nodeId, key, `${value} by ${nodeId}`, { level: written });
        expect(await cluster.get(nodeId, key, { level: asked })).toBe(`${value} by ${nodeId}`);
      }
      await cluster.remove(nodeId, key, { level: written });
      expect(await cluster.get(nodeId, key, { level: asked })).toBeUndefined();
    }
  });

  it.each(['one', 'quorum'] as const)(
    'at level %s, when it has written more than it remembers',
    async (asked) => {
      const { cluster } = await startedCluster({ limits: { ownWritesMax: 3 } });
      const keys = Array.from({ length: 40 }, (_, number) => `k${number}`);
      for (const key of keys) {
        await cluster.put('d', key, key);
      }
      for (const key of keys) {
        expect(await cluster.get('d', key, { level: asked })).toBe(key);
      }
    },
  );

  it.each(['one', 'quorum'] as const)(
    'at level %s, when it has written more than it remembers, and the coordinator alone has it',
    async (asked) => {
      const { cluster } = await startedCluster({ limits: { ownWritesMax: 1 } });
      ['b', 'c'].forEach((other) => cluster.network.cut('a', other));
      const keys = Array.from({ length: 300 }, (_, number) => `k${number}`).filter(
        (key) => cluster.listOf(key).join() === 'a,b,c',
      );
      for (const key of keys) {
        await cluster.put('d', key, key, { level: 'one' });
      }
      for (const key of keys) {
        expect(await cluster.get('d', key, { level: asked })).toBe(key);
      }
      expect(keys.length).toBeGreaterThan(5);
      // While it is away a quorum is enough, as for whoever did not write.
      cluster.kill('a');
      expect([undefined, keys[0]]).toContain(await cluster.get('d', keys[0]!, { level: asked }));
    },
  );

  it('with one request again, a while after it has written more than it remembers', async () => {
    const { cluster } = await startedCluster({ limits: { ownWritesMax: 3 } });
    const keys = Array.from({ length: 60 }, (_, number) => `k${number}`).filter(
      (key) => !cluster.listOf(key).includes('d'),
    );
    for (const key of keys) {
      await cluster.put('d', key, key);
    }
    // By way of another coordinator too: then only a quorum tells.
    cluster.kill('a');
    for (const key of keys) {
      await cluster.put('d', key, key);
    }
    await cluster.start('a');
    const costOfReads = async () => {
      cluster.forgetMessages();
      for (const key of keys) {
        expect(await cluster.get('d', key)).toBe(key);
      }
      return cluster.messages.filter(({ from, kind }) => from === 'd' && kind === 'get').length;
    };
    expect(await costOfReads()).toBeGreaterThan(keys.length);
    await cluster.advance(60_000);
    expect(await costOfReads()).toBe(keys.length);
  });

  it('when the next coordinator takes over', async () => {
    const { cluster, key } = await startedCluster();
    await cluster.put('d', key, 'by way of a');
    cluster.kill('a');
    await cluster.put('d', key, 'by way of b');
    expect(await cluster.get('d', key)).toBe('by way of b');
    await cluster.start('a');
    expect(await cluster.get('d', key)).toBe('by way of b');
  });

  it('while it is still catching up', async () => {
    const { cluster, key } = await startedCluster({ limits: { transferBytesPerSecondMax: 2_000 } });
    cluster.kill('a');
    await cluster.advance(10_000);
    for (let number = 0; number < 100; number++) {
      await cluster.put('b', `k${number}`, 'v');
    }
    const { processor } = cluster.node('a');
    const starting = cluster.node('a').start();
    await cluster.advance(1_000);
    expect(cluster.node('a').processor).not.toBe(processor);
    expect(cluster.node('a').processor.caughtUp).toBe(false);
    // Node b, the next in line, answers reads and misses the write.
    cluster.node('b').breakDisk();
    await cluster.put('a', key, 'own');
    expect(await cluster.get('a', key)).toBe('own');
    expect(cluster.node('a').processor.caughtUp).toBe(false);
    await cluster.settle(starting);
  });
});

describe('a call', () => {
  it.each([
    ['a key that is empty', '', 'DKV_INVALID_KEY'],
    ['a key that is too long', 'k'.repeat(1025), 'DKV_INVALID_KEY'],
  ])('with %s is refused before anything is sent', async (_, key, code) => {
    const { cluster } = await startedCluster();
    expect((await rejected(cluster.get('d', key))).code).toBe(code);
    expect((await rejected(cluster.put('d', key, 'v'))).code).toBe(code);
    expect((await rejected(cluster.remove('d', key))).code).toBe(code);
    expect(cluster.traffic).toEqual({});
  });

  it('with a key that is no text is misuse', async () => {
    const { cluster } = await startedCluster();
    await expect(cluster.get('d', 5 as unknown as string)).rejects.toThrow(TypeError);
  });

  it('that its caller has aborted already is not begun', async () => {
    const { cluster, key } = await startedCluster();
    const { processor } = cluster.node('d');
    const signal = AbortSignal.abort();
    const calls = [
      rejected(processor.get('default', key, { ...read(), signal })),
      rejected(processor.addOrUpdate('default', key, Buffer.from('v'), { ...write(), signal })),
      rejected(processor.remove('default', key, { ...write(), signal })),
    ];
    for (const { code } of await cluster.settle(Promise.all(calls))) {
      expect(code).toBe('DKV_ABORTED');
    }
    expect(cluster.traffic).toEqual({});
  });

  it('that its caller aborts on the way is given up: a read as aborted, a write as of unknown outcome', async () => {
    const { cluster, key } = await startedCluster();
    cluster.network.clog('d', 'a');
    const { processor } = cluster.node('d');
    const caller = new AbortController();
    const { signal } = caller;
    const reading = rejected(processor.get('default', key, { ...read(), signal }));
    const writing = rejected(processor.addOrUpdate('default', key, Buffer.from('v'), { ...write(), signal }));
    await cluster.advance(100);
    caller.abort();
    expect((await cluster.settle(reading)).code).toBe('DKV_ABORTED');
    expect((await cluster.settle(writing)).code).toBe('DKV_INDETERMINATE');
  });

  it('that takes too long ends in time: a read as timed out, a write as of unknown outcome', async () => {
    const { cluster, key } = await startedCluster();
    for (const nodeId of ['a', 'b', 'c']) {
      cluster.network.clog('d', nodeId);
    }
    const started = cluster.scheduler.nowMs;
    const reading = rejected(
      cluster.node('d').processor.get('default', key, { level: 'quorum', timeoutMs: 300 }),
    );
    expect((await cluster.settle(reading)).code).toBe('DKV_TIMEOUT');
    const value = Buffer.from('v');
    const writing = cluster
      .node('d')
      .processor.addOrUpdate('default', key, value, { ...write(), timeoutMs: 300 });
    expect((await cluster.settle(rejected(writing))).code).toBe('DKV_INDETERMINATE');
    expect(cluster.scheduler.nowMs - started).toBeLessThan(700);
  });

  it('is counted once with its outcome, whatever it comes to', async () => {
    const { cluster, key } = await startedCluster();
    await cluster.put('d', key, 'v');
    await cluster.get('d', key);
    await cluster.remove('d', key);
    cluster.partition(['d'], ['a', 'b', 'c']);
    await cluster.advance(10_000);
    await rejected(cluster.get('d', key, { level: 'quorum' }));
    await rejected(cluster.put('d', key, 'v'));
    await rejected(cluster.remove('d', key));
    const { events } = cluster.node('d').telemetry;
    expect(events.filter((event) => event.startsWith('operation '))).toEqual([
      'operation default addOrUpdate ok',
      'operation default get ok',
      'operation default remove ok',
      'operation default get DKV_QUORUM_NOT_REACHED',
      'operation default addOrUpdate DKV_QUORUM_NOT_REACHED',
      'operation default remove DKV_QUORUM_NOT_REACHED',
    ]);
    expect(events.filter((event) => event.startsWith('quorumFailure '))).toEqual([
      'quorumFailure get',
      'quorumFailure addOrUpdate',
      'quorumFailure remove',
    ]);
  });
});

describe('too few nodes', () => {
  it.each<[WriteLevel, number, boolean]>([
    ['one', 2, true],
    ['one', 3, false],
    ['quorum', 1, true],
    ['quorum', 2, false],
    ['all', 0, true],
    ['all', 1, false],
  ])('for a write at level %s, of three %i down: written is %s', async (level, down, written) => {
    const { cluster, key } = await startedCluster();
    ['a', 'b', 'c'].slice(0, down).forEach((nodeId) => cluster.kill(nodeId));
    await cluster.advance(10_000);
    cluster.forgetMessages();
    if (written) {
      await cluster.put('d', key, 'v', { level });
      expect(await cluster.get('d', key)).toBe('v');
    } else {
      const error = await rejected(cluster.put('d', key, 'v', { level }));
      expect(error.code).toBe('DKV_QUORUM_NOT_REACHED');
      expect(error.message).toContain('a, b, c');
      expect(cluster.traffic).toEqual({});
    }
  });

  it.each<[ReadLevel, number, boolean]>([
    ['one', 2, true],
    ['one', 3, false],
    ['quorum', 1, true],
    ['quorum', 2, false],
  ])('for a read at level %s, of three %i down: read is %s', async (level, down, answered) => {
    const { cluster, key } = await startedCluster();
    await cluster.put('a', key, 'v', { level: 'all' });
    ['a', 'b', 'c'].slice(0, down).forEach((nodeId) => cluster.kill(nodeId));
    await cluster.advance(10_000);
    if (answered) {
      expect(await cluster.get('d', key, { level })).toBe('v');
    } else {
      expect((await rejected(cluster.get('d', key, { level }))).code).toBe('DKV_QUORUM_NOT_REACHED');
    }
  });

  it('for what only a dead node holds, before anybody noticed, is told as such', async () => {
    const cluster = createTestCluster(3, { mode: 'eventual', replicas: 0 });
    await cluster.start();
    const key = cluster.keyWhere(([holder]) => holder === 'a');
    cluster.kill('a');
    expect((await rejected(cluster.put('b', key, 'v'))).code).toBe('DKV_QUORUM_NOT_REACHED');
    expect((await rejected(cluster.get('b', key))).code).toBe('DKV_QUORUM_NOT_REACHED');
  });
});

describe('a write with a lifetime', () => {
  it('ends everywhere at the same moment, to the millisecond', async () => {
    const { cluster, key } = await startedCluster();
    const options = { ...write('all'), ttlMs: 1_000 };
    const { record } = await cluster.settle(
      cluster.node('d').processor.addOrUpdate('default', key, Buffer.from('v'), options),
    );
    const leftMs = record!.expiresAtMs - cluster.node('a').clock.now();
    expect(leftMs).toBeGreaterThan(900);
    await cluster.advance(leftMs - 2);
    expect(await cluster.get('b', key)).toBe('v');
    await cluster.advance(2);
    for (const nodeId of cluster.nodeIds) {
      expect(await cluster.get(nodeId, key)).toBeUndefined();
    }
    expect(await cluster.remove('a', key)).toBe(false);
  });
});

describe('the start', () => {
  it('comes before everything: until then callers and peers are told to wait', async () => {
    const cluster = createTestCluster(3, { mode: 'eventual' });
    await cluster.start('a', 'b');
    const { processor } = cluster.node('a');
    expect(processor.ready).toBe(true);
    await cluster.stop('a');
    const error = await rejected(cluster.get('a', 'k'));
    expect(error.code).toBe('DKV_NOT_READY');
    expect(error.message).toContain('Node a');
  });

  it('does not depend on others: a node that is alone is ready, and says so', async () => {
    const cluster = createTestCluster(3, { mode: 'eventual' });
    await cluster.start('a');
    expect(cluster.node('a').processor.ready).toBe(true);
  });

  it('is over when the node has all that it missed', async () => {
    const { cluster, key } = await startedCluster();
    cluster.kill('c');
    await cluster.advance(10_000);
    const committed = await cluster.put('a', key, 'v');
    // Hints would do it too, a second later.
    const starting = cluster.node('c').start();
    await cluster.settle(starting);
    expect(cluster.node('c').processor.ready).toBe(true);
    expect(await cluster.copyAt('c', key)).toEqual(committed);
  });
});

describe('the end', () => {
  it('waits for what is under way, and takes nothing new', async () => {
    const { cluster, key } = await startedCluster();
    const { processor } = cluster.node('a');
    const written = processor.addOrUpdate('default', key, Buffer.from('v'), write('all'));
    const stopped = cluster.node('a').stop();
    const late = rejected(processor.addOrUpdate('default', key, Buffer.from('late'), write()));
    expect((await cluster.settle(late)).code).toBe('DKV_NOT_READY');
    await cluster.settle(stopped);
    expect((await cluster.settle(written)).record!.version).toBe((await cluster.copyAt('b', key))?.version);
  });

  it('waits for what was acknowledged and has not reached every node: delivered, or marked as missing', async () => {
    const { cluster, key } = await startedCluster();
    const { processor, local } = cluster.node('a');
    cluster.network.clog('b', 'a');
    await cluster.put('a', key, 'v');
    expect(local.hintBytes).toBe(0);
    await cluster.settle(processor.stop());
    expect(local.hintBytes).toBeGreaterThan(0);
  });

  it('leaves no work behind: no timer, no heartbeat', async () => {
    const { cluster } = await startedCluster();
    for (const nodeId of cluster.nodeIds) {
      await cluster.stop(nodeId);
    }
    cluster.forgetMessages();
    await cluster.advance(60_000);
    expect(cluster.messages).toEqual([]);
  });
});

describe('a node whose disk fails', () => {
  it('takes no writes any more, is not ready, and lets others take them', async () => {
    const { cluster, key } = await startedCluster();
    await cluster.put('a', key, 'before', { level: 'all' });
    cluster.node('a').breakDisk();
    await rejected(cluster.put('a', key, 'lost'));
    expect(cluster.node('a').processor.ready).toBe(false);
    await cluster.put('a', key, 'by way of b');
    expect(await cluster.get('d', key, { level: 'quorum' })).toBe('by way of b');
  });
});
