import { keysIn } from '../src/model/usage.js';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Test } from '@nestjs/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BytesCodec } from '../src/codec/bytes-codec.js';
import { Dkv } from '../src/dkv.js';
import { DkvModule } from '../src/dkv.module.js';
import { encodeRecord } from '../src/model/record-layout.js';
import { type LocalKvRepo } from '../src/ports/local-kv-repo.js';
import { CapturedLog } from './captured-log.js';
import { rejected } from './caught.js';
import { nodeRepo } from './local-kv/node-repo.js';
import { type PrefillOptions, prefillStore } from './prefilled-store.js';
import { testNode, testNodes } from './test-nodes.js';
import { testRing } from './test-ring.js';

const COUNT = 3_000;
const LAYOUT = { partitions: 32, replicas: 2 };
const NODES = testNodes('n1', 'n2', 'n3');
const keyAt = (index: number) => `user${index}`;
const valueAt = (index: number) => Buffer.from(`value of ${index}`);

let root: string;
const opened: LocalKvRepo[] = [];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'dkv-prefilled-'));
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((repo) => repo.close()));
  await rm(root, { recursive: true });
});

const folderOf = (nodeId: string) => join(root, nodeId);

function prefill(nodeId: string, options: Partial<PrefillOptions> = {}): Promise<number> {
  const dataDir = folderOf(nodeId);
  return prefillStore({ dataDir, nodeId, nodes: NODES, ...LAYOUT, count: COUNT, keyAt, valueAt, ...options });
}

/** As the module opens the folder. */
async function open(nodeId: string, copies = 3): Promise<LocalKvRepo> {
  const logger = new CapturedLog();
  const repo = nodeRepo({
    storage: 'auto',
    dataDir: folderOf(nodeId),
    durability: 'wal',
    logger,
  });
  await repo.open({ nodeId, partitions: LAYOUT.partitions, copies, hashFunc: 'md5' });
  opened.push(repo);
  return repo;
}

describe('prefilled folders', () => {
  it('have every key, equal on all nodes', async () => {
    let told = 0;
    const onProgress = (count: number) => (told += count);
    expect(await prefill('n1', { onProgress })).toBe(COUNT);
    expect(await prefill('n2')).toBe(COUNT);
    expect(told).toBe(COUNT);
    const [one, two] = await Promise.all([open('n1'), open('n2')]);
    expect([keysIn(one.metrics().usage), one.metrics().tombstones]).toEqual([COUNT, 0]);
    for (let partition = 0; partition < LAYOUT.partitions; partition++) {
      expect(one.getTree(partition)).toEqual(two.getTree(partition));
    }
    const ring = testRing(NODES, LAYOUT);
    for (const index of [0, 1_234, COUNT - 1]) {
      const id = { partition: ring.partitionOf(keyAt(index)), namespace: 'default', key: keyAt(index) };
      const record = await one.get(id);
      expect(Buffer.from(record!.value)).toEqual(valueAt(index));
      const other = await two.get(id);
      expect(encodeRecord(record!)).toEqual(encodeRecord(other!));
    }
  });

  it('have versions that rise, beyond what a counter counts too', async () => {
    // Of many nodes each holds little, and so takes little time.
    const nodes = testNodes(...Array.from({ length: LAYOUT.partitions }, (_, index) => `n${index}`));
    const held = await prefill('n1', { nodes, replicas: 0, count: 140_000 });
    const repo = await open('n1', 1);
    const found: { index: number; version: string }[] = [];
    for await (const { key, version } of repo.getAllNoValue()) {
      found.push({ index: Number(key.slice('user'.length)), version });
    }
    expect(found).toHaveLength(held);
    const inOrder = found.sort((a, b) => a.index - b.index).map(({ version }) => version);
    expect(inOrder).toEqual([...new Set(inOrder)].sort());
    expect(new Set(inOrder.map((version) => version.slice(0, 12))).size).toBe(3);
  });

  it('have only keys that their node holds', async () => {
    const nodes = testNodes('n1', 'n2', 'n3');
    const held = await Promise.all(
      nodes.map(({ nodeId }) => prefill(nodeId, { nodes, replicas: 0, count: 300 })),
    );
    expect(held.reduce((sum, each) => sum + each)).toBe(300);
    expect(Math.min(...held)).toBeGreaterThan(0);
  });

  it('are filled to the end by a second run, and not by one with other members', async () => {
    await prefill('n1', { count: 100 });
    expect(await prefill('n1')).toBe(COUNT);
    const error = await rejected(prefill('n1', { nodes: testNodes('n1', 'n2') }));
    expect(error).toMatchObject({ code: 'DKV_STORE_MISMATCH' });
    // What was there was looked up on the disk; a new folder's keys are not.
    await prefill('n2');
    const [twice, once] = await Promise.all([open('n1'), open('n2')]);
    expect(keysIn(twice.metrics().usage)).toBe(COUNT);
    for (let partition = 0; partition < LAYOUT.partitions; partition++) {
      expect(twice.getTree(partition)).toEqual(once.getTree(partition));
    }
  });

  it('are what a node reads from and writes to', async () => {
    const nodeId = 'n1';
    const dataDir = folderOf(nodeId);
    await prefill(nodeId, { nodes: [testNode(nodeId)] });
    const options = {
      nodeId,
      dataDir,
      ...LAYOUT,
      mode: 'eventual' as const,
      codec: new BytesCodec(),
      logger: new CapturedLog(),
    };
    const module = await Test.createTestingModule({ imports: [DkvModule.forRoot(options)] }).compile();
    await module.init();
    try {
      const dkv = module.get<Dkv<Uint8Array>>(Dkv);
      expect(dkv.metrics().keys).toBe(COUNT);
      expect(Buffer.from((await dkv.get('user7'))!.value)).toEqual(valueAt(7));
      expect(Buffer.from((await dkv.get('user7', { consistency: 'quorum' }))!.value)).toEqual(valueAt(7));
      await dkv.addOrUpdate('user7', Buffer.from('newer'));
      expect(Buffer.from((await dkv.get('user7'))!.value).toString()).toBe('newer');
    } finally {
      await module.close();
    }
  });
});
