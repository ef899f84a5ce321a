/** Namespaces that are declared after the birth of the cluster: it agrees on each, once, and who has another is told. */
import { beforeEach, describe, expect, it } from 'vitest';
import { rejected } from '../../testing/caught.js';
import {
  createTestCluster,
  type DeclaredNamespace,
  type TestCluster,
} from '../../testing/simulation/sim-cluster.js';
import { type Processor } from '../processor/processor.js';

const NAME = 'carts';

let declared: DeclaredNamespace[];
let cluster: TestCluster;

beforeEach(async () => {
  declared = [];
  cluster = createTestCluster(3, { mode: 'strong', partitions: 4, namespaces: declared });
  await cluster.start();
  await cluster.advance(2_000);
});

const processorOf = (nodeId: string): Processor => cluster.node(nodeId).processor;
const agreed = () =>
  cluster.configuration!.namespaces.map(({ name, mode, placement }) => ({ name, mode, placement }));

/** The node starts again, and declares this beside the default namespace. */
async function again(nodeId: string, ...namespaces: DeclaredNamespace[]): Promise<void> {
  if (cluster.node(nodeId).alive) {
    cluster.kill(nodeId);
  }
  declared.splice(0, Infinity, ...namespaces);
  await cluster.start(nodeId);
}

function put(nodeId: string, timeoutMs = 3_000): Promise<unknown> {
  const value = new Uint8Array(Buffer.from('v'));
  const level = 'quorum';
  return cluster.settle(processorOf(nodeId).addOrUpdate(NAME, 'k', value, { level, timeoutMs, ttlMs: 0 }));
}

async function get(nodeId: string): Promise<string | undefined> {
  const read = { level: 'quorum', timeoutMs: 3_000 } as const;
  const record = await cluster.settle(processorOf(nodeId).get(NAME, 'k', read));
  return record && Buffer.from(record.value).toString();
}

describe('a namespace that is added', () => {
  it('is in the configuration, and of use to whoever declares it; the others serve on', async () => {
    await again('b', { name: NAME });
    await put('b');
    expect(agreed()).toContainEqual({ name: NAME, mode: 'strong', placement: 0 });
    expect(await get('b')).toBe('v');
    for (const nodeId of cluster.nodeIds) {
      expect(processorOf(nodeId).ready, nodeId).toBe(true);
    }
    expect((await rejected(get('a'))).code).toBe('DKV_UNKNOWN_NAMESPACE');
    await again('a', { name: NAME });
    expect(await get('a')).toBe('v');
  });

  it('has calls wait until it is agreed on, which are not lost', async () => {
    await again('c', { name: NAME });
    const { epoch } = cluster.configuration!;
    const written = put('c');
    await written;
    expect(cluster.configuration!.epoch).toBeGreaterThan(epoch);
    expect(cluster.node('c').log.errors).toEqual([]);
  });

  it('keeps its class, whatever number of copies is asked for later', async () => {
    await again('b', { name: NAME, copies: 2 });
    await cluster.advance(3_000);
    await put('b');
    await again('c', { name: NAME, copies: 1 });
    expect(await get('c')).toBe('v');
    expect(agreed()).toContainEqual({ name: NAME, mode: 'strong', placement: 2 });
    expect(
      cluster.node('c').log.warnings.filter((line) => line.includes('"carts" has 1 replicas')),
    ).toHaveLength(1);
  });

  it('is as the first declared it, where two declare it at once and unlike each other', async () => {
    cluster.kill('b');
    cluster.kill('c');
    cluster.partition(['a'], ['b', 'c']);
    cluster.partition(['b'], ['c']);
    await again('b', { name: NAME });
    await again('c', { name: NAME, mode: 'eventual' });
    expect(agreed().map(({ name }) => name)).not.toContain(NAME);
    cluster.heal();
    await cluster.advance(6_000);
    const [{ mode } = { mode: '' }] = agreed().filter(({ name }) => name === NAME);
    const [right, wrong] = mode === 'strong' ? (['b', 'c'] as const) : (['c', 'b'] as const);
    expect(processorOf(right).ready).toBe(true);
    expect(processorOf(wrong).ready).toBe(false);
    const told = new RegExp(
      `^Namespace "carts" has mode "\\w+" on node ${wrong}, and "${mode}" in cluster .*take another name`,
    );
    expect(processorOf(wrong).unreadyReason).toMatch(told);
    const ofNamespaces = cluster.node(wrong).log.errors.filter((line) => line.startsWith('Namespace '));
    expect(ofNamespaces).toEqual([expect.stringMatching(told)]);
    expect(await rejected(put(wrong))).toMatchObject({ code: 'DKV_CONFIGURATION_MISMATCH' });
  });

  it('declared otherwise than the cluster has it is of no use there from the start', async () => {
    await again('b', { name: NAME });
    await put('b');
    await again('b', { name: NAME, mode: 'eventual' });
    expect(await rejected(put('b'))).toMatchObject({ code: 'DKV_CONFIGURATION_MISMATCH' });
    await again('b', { name: NAME });
    expect(await get('b')).toBe('v');
  });
});

describe('while the configuration has no majority', () => {
  it('a node that declares a new namespace is unready and says why, refuses its calls at once, and goes on later', async () => {
    cluster.kill('a');
    cluster.kill('c');
    await again('b', { name: NAME });
    await cluster.advance(4_000);
    const before = cluster.scheduler.nowMs;
    const refused = await rejected(put('b'));
    expect(refused.code).toBe('DKV_NOT_READY');
    expect(refused.message).toMatch(/has not agreed on namespace "carts" yet: .*a \(.*c \(/);
    expect(cluster.scheduler.nowMs - before).toBeLessThan(1_000);
    expect(processorOf('b').ready).toBe(false);
    declared.length = 0;
    await cluster.start('a');
    await cluster.advance(4_000);
    expect(processorOf('b').ready).toBe(true);
    await put('b');
    expect(await get('b')).toBe('v');
  });

  it('namespaces that are agreed on are served as ever', async () => {
    for (const nodeId of cluster.nodeIds) {
      await again(nodeId, { name: NAME, mode: 'eventual' });
    }
    await cluster.advance(2_000);
    cluster.kill('a');
    cluster.kill('c');
    await again('b', { name: NAME, mode: 'eventual' });
    await cluster.advance(3_000);
    const value = new Uint8Array(Buffer.from('w'));
    const options = { level: 'one', timeoutMs: 3_000, ttlMs: 0 } as const;
    await cluster.settle(processorOf('b').addOrUpdate(NAME, 'k', value, options));
    const record = await cluster.settle(processorOf('b').get(NAME, 'k', { level: 'one', timeoutMs: 3_000 }));
    expect(Buffer.from(record!.value).toString()).toBe('w');
  });
});
