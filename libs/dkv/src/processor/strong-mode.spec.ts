/** How the Processor hands things to the strong mode: from start to end, frames and lost connections included. */
import { beforeEach, describe, expect, it } from 'vitest';
import { rejected } from '../../testing/caught.js';
import { FakeStrongMode } from '../../testing/fake-strong-mode.js';
import { createTestCluster, type TestCluster } from '../../testing/simulation/sim-cluster.js';
import { DkvError } from '../dkv.errors.js';
import { type Processor } from './processor.js';

const READ = { level: 'linearizable', timeoutMs: 1_000 } as const;
const WRITE = { level: 'quorum', timeoutMs: 1_000, ttlMs: 0 } as const;
const FRAME = Uint8Array.of(1, 2, 3);

let cluster: TestCluster;
let strong: FakeStrongMode;
let processor: Processor;

beforeEach(async () => {
  cluster = createTestCluster(1, {
    mode: 'strong',
    strong: ({ context }) => (strong = new FakeStrongMode(context.clock)),
  });
  await cluster.start();
  ({ processor } = cluster.node('a'));
});

describe('the strong mode of a node', () => {
  it('is started and stopped with it, and gets frames until it has stopped', async () => {
    expect(strong.phase).toBe('running');
    processor.receive('b', FRAME);
    processor.disconnected('b');
    const stopping = processor.stop();
    processor.receive('c', FRAME);
    await cluster.settle(stopping);
    expect(strong.phase).toBe('stopped');
    processor.receive('d', FRAME);
    processor.disconnected('d');
    expect(strong.frames.map(([from]) => from)).toEqual(['b', 'c']);
    expect(strong.lost).toEqual(['b']);
  });

  it('keeps the node out of service for as long as it says why', () => {
    expect([processor.ready, processor.unreadyReason]).toEqual([true, undefined]);
    strong.unreadyReason = 'group 3 has no leader';
    expect([processor.ready, processor.unreadyReason]).toEqual([false, 'group 3 has no leader']);
  });

  it('is given what callers asked for, and its answer is theirs', async () => {
    const value = Buffer.from('v');
    const written = await cluster.settle(processor.addOrUpdate('default', 'k', value, WRITE));
    expect(written).toMatchObject({ outcome: 'done', existed: false, repeated: false });
    expect(await cluster.settle(processor.get('default', 'k', READ))).toEqual(written.record);
    expect(processor.peek('default', 'k')).toEqual(written.record);
    const removed = await cluster.settle(processor.remove('default', 'k', { ...WRITE, expected: '' }));
    expect(removed).toMatchObject({ outcome: 'conflict', record: written.record });
  });

  it('is waited for at the end, as far as its calls are under way', async () => {
    const written = processor.addOrUpdate('default', 'k', Buffer.from('v'), WRITE);
    await cluster.settle(processor.stop());
    expect((await cluster.settle(written)).outcome).toBe('done');
    const late = await cluster.settle(rejected(processor.get('default', 'k', READ)));
    expect(late.code).toBe('DKV_NOT_READY');
    expect(processor.peek('default', 'k')).toBeUndefined();
  });

  it('is not asked for what the caller has given up, nor for what is no key', async () => {
    const signal = AbortSignal.abort();
    expect((await rejected(processor.get('default', 'k', { ...READ, signal }))).code).toBe('DKV_ABORTED');
    expect((await rejected(processor.increment('default', '', 1, WRITE))).code).toBe('DKV_INVALID_KEY');
    expect([strong.reads, strong.writes]).toEqual([[], []]);
  });

  it('has its outcomes counted, one for each call', async () => {
    await cluster.settle(processor.increment('default', 'k', 1, WRITE));
    strong.failure = new DkvError('DKV_NOT_READY', 'no leader');
    await cluster.settle(rejected(processor.touch('default', 'k', WRITE)));
    expect(cluster.node('a').telemetry.events.filter((event) => event.startsWith('operation'))).toEqual([
      'operation default increment ok',
      'operation default touch DKV_NOT_READY',
    ]);
  });
});

it('a record of a strong namespace that comes as one of an eventual namespace is not kept', async () => {
  const { view, clock, local } = cluster.node('a');
  const envelope = { from: 'a', configuration: view.configuration, sentAtMs: clock.now() };
  const other = createTestCluster(1, { mode: 'eventual' });
  await other.start();
  const record = await other.put('a', 'k', 'v');
  const partition = cluster.ring.partitionOf('k');
  const served = processor.serve({ kind: 'addOrUpdate', ask: { partition, record }, ...envelope });
  expect((await cluster.settle(rejected(served))).code).toBe('DKV_CONFIGURATION_MISMATCH');
  expect(await cluster.settle(local.get({ partition, namespace: 'default', key: 'k' }))).toBeUndefined();
});
