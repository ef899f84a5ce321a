/** The engine rocksdb-native with the real package, which `npm run test:integrations` installs beside the workspace. */
import { randomBytes } from 'node:crypto';
import { cpSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  openRocksdbNativeStoreEngine,
  rocksdbNativeObstacle,
} from '../../libs/dkv/src/storage/engines/rocksdb-native-store-engine.js';
import { type StoreEngine, type StoreOperation } from '../../libs/dkv/src/storage/engines/store-engine.js';
import { type LocalKvRepo } from '../../libs/dkv/src/ports/local-kv-repo.js';
import { CapturedLog } from '../../libs/dkv/testing/captured-log.js';
import { rejected } from '../../libs/dkv/testing/caught.js';
import { FileBytesLimit } from '../../libs/dkv/testing/file-bytes-limit.js';
import { testLocalKvRepo } from '../../libs/dkv/testing/local-kv-conformance.js';
import { ChildRepo } from '../../libs/dkv/testing/local-kv/child-repo.js';
import { assertSurvivesKills } from '../../libs/dkv/testing/local-kv/crash-test.js';
import { nodeRepo, type NodeRepoOptions } from '../../libs/dkv/testing/local-kv/node-repo.js';
import { testStoreEngine } from '../../libs/dkv/testing/store-engine-conformance.js';
import { newerNode } from '../e2e/newer-node.js';
import { DemoCluster } from '../e2e/demo-cluster.js';

const IDENTITY = { nodeId: 'n1', partitions: 8, hashFunc: 'md5' };
const NATIVE = 'rocksdb-native';
const ALL = { from: Buffer.of(0), to: Buffer.of(255) };
const MEBIBYTE = 1024 * 1024;

beforeAll(() => {
  const obstacle = rocksdbNativeObstacle();
  if (obstacle !== undefined) {
    throw new Error(`Not tested: ${obstacle}. \`npm run test:integrations\` installs it.`);
  }
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dkv-native-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('the engine', () =>
  testStoreEngine(it, { name: NATIVE, durable: true, open: (path) => openRocksdbNativeStoreEngine(path) }));

it('has a synced batch and all before it in tables: its log is not synced', async () => {
  const put = (key: string): StoreOperation => ({ type: 'put', key: Buffer.from(key), value: Buffer.of(1) });
  const store = join(folder, 'store');
  const engine = await openRocksdbNativeStoreEngine(store);
  await engine.batch([put('earlier')], { sync: false });
  await engine.batch([put('synced')], { sync: true });
  await engine.batch([put('later')], { sync: false });
  const left = join(folder, 'without its log');
  cpSync(store, left, { recursive: true, filter: (path) => !path.endsWith('.log') });
  await engine.close();
  const survivor = await openRocksdbNativeStoreEngine(left);
  const keys: string[] = [];
  for await (const { key } of survivor.iterate(ALL)) {
    keys.push(Buffer.from(key).toString());
  }
  await survivor.close();
  expect(keys).toEqual(['earlier', 'synced']);
});

it('closes when the batch under way is synced', async () => {
  const engine = await openRocksdbNativeStoreEngine(join(folder, 'store'));
  const writing = engine.batch([{ type: 'put', key: Buffer.of(1), value: Buffer.of(1) }], { sync: true });
  await engine.close();
  await expect(writing).resolves.toBeUndefined();
});

describe.each(['wal', 'fsync'] as const)('the repository on it, %s', (durability) =>
  testLocalKvRepo(it, {
    durable: true,
    storage: async () => {
      const dataDir = mkdtempSync(join(tmpdir(), 'dkv-native-repo-'));
      return {
        repo: () => nodeRepo({ storage: NATIVE, durability, dataDir, logger: new CapturedLog() }),
        remove: async () => rmSync(dataDir, { recursive: true }),
      };
    },
  }),
);

describe.each(['wal', 'fsync'] as const)('after kill -9 in the middle of writes, with %s', (durability) => {
  it('all that was acknowledged is there', () => assertSurvivesKills({ storage: NATIVE, durability }));
});

describe('its data folder', () => {
  async function opened(options: Partial<NodeRepoOptions>): Promise<LocalKvRepo> {
    const repo = nodeRepo({
      storage: NATIVE,
      durability: 'wal',
      dataDir: folder,
      logger: new CapturedLog(),
      ...options,
    });
    await repo.open(IDENTITY);
    return repo;
  }

  it('keeps the engine that made it, on every Node, where storage is auto', async () => {
    await (await opened({})).close();
    const repo = await opened({ storage: 'auto' });
    expect(repo.metrics().engine).toBe(NATIVE);
    await repo.close();
    expect(readdirSync(folder).sort()).toEqual(['log', NATIVE, 'store-identity']);
  });

  it.each<[NodeRepoOptions['storage'], NodeRepoOptions['storage']]>([
    [NATIVE, 'classic-level'],
    ['classic-level', NATIVE],
  ])('of %s is not opened as %s', async (written, asked) => {
    await (await opened({ storage: written })).close();
    const error = await rejected(opened({ storage: asked }));
    expect(error.code).toBe('DKV_STORE_MISMATCH');
    expect(error.message).toContain(`was written by ${written}; the option storage is '${asked}'`);
    expect(readdirSync(folder)).not.toContain(asked);
  });

  it('is refused while another process has it open, and goes to the next once that is killed', async () => {
    const child = new ChildRepo({ storage: NATIVE, dataDir: folder, durability: 'wal', identity: IDENTITY });
    await child.said(1);
    expect(child.lines).toEqual([`open ${NATIVE}`]);
    const error = await rejected(opened({}));
    expect(error.code).toBe('DKV_STORE_LOCKED');
    expect(error.message).toContain(folder);
    await child.kill();
    await (await opened({})).close();
  });
});

describe('after a batch that failed half-way', () => {
  const SYNC = { sync: true };
  const batchOf = (name: string, count: number, valueBytes = 100): StoreOperation[] =>
    Array.from({ length: count }, (_, at) => ({
      type: 'put',
      key: Buffer.from(`${name}-${String(at).padStart(3, '0')}`),
      value: randomBytes(valueBytes),
    }));
  let engine: StoreEngine;
  let limit: FileBytesLimit;
  beforeEach(async () => {
    limit = new FileBytesLimit();
    engine = await openRocksdbNativeStoreEngine(join(folder, 'store'));
  });
  afterEach(async () => {
    limit.lift();
    await engine.close();
  });

  /** How many entries of each batch a process would find that opened the store after this one was killed. */
  async function countsAfterKill(): Promise<Record<string, number>> {
    cpSync(join(folder, 'store'), join(folder, 'copy'), { recursive: true });
    const survivor = await openRocksdbNativeStoreEngine(join(folder, 'copy'));
    const counts: Record<string, number> = {};
    for await (const { key } of survivor.iterate(ALL)) {
      const name = Buffer.from(key).toString().split('-')[0]!;
      counts[name] = (counts[name] ?? 0) + 1;
    }
    await survivor.close();
    return counts;
  }

  it('in the log, what is acknowledged is there after a kill', async () => {
    await engine.batch(batchOf('before', 256), SYNC);
    await engine.batch(batchOf('unsynced', 256), { sync: false });
    const logs = readdirSync(join(folder, 'store')).filter((name) => name.endsWith('.log'));
    const logBytes = Math.max(...logs.map((name) => statSync(join(folder, 'store', name)).size));
    limit.set(logBytes + 12_800);
    await expect(engine.batch(batchOf('half', 256), { sync: false })).rejects.toThrow(
      /\.log: File too large/,
    );
    limit.lift();
    await engine.batch(batchOf('after', 256), SYNC);
    expect(await countsAfterKill()).toMatchObject({ before: 256, unsynced: 256, after: 256 });
  });

  it('in a table, batches are taken again, and what is acknowledged is there after a kill', async () => {
    // More than the write buffer takes: the next batch begins a new log, and a table is made of this one.
    await engine.batch(batchOf('large', 17, MEBIBYTE), { sync: false });
    limit.set(8 * MEBIBYTE);
    let acknowledged = 0;
    const smallOnes = async () => {
      for (;;) {
        await engine.batch(batchOf('small', 1 + acknowledged, 1), { sync: false });
        acknowledged++;
      }
    };
    await expect(smallOnes()).rejects.toThrow(/\.sst: File too large/);
    limit.lift();
    await engine.batch(batchOf('after', 256), SYNC);
    const counts = await countsAfterKill();
    expect(counts).toMatchObject({ large: 17, after: 256 });
    expect(counts.small).toBeGreaterThanOrEqual(acknowledged);
  });
});

describe('an application on a Node release that the rocksdb package does not run on', () => {
  it('is given rocksdb-native by storage: auto, says so, and has its data after a kill', async () => {
    const node = await newerNode();
    if (node === undefined) {
      throw new Error('Not tested: Node 24 could not be had from the npm registry.');
    }
    const cluster = await DemoCluster.start(3, {
      node,
      env: { DKV_STORAGE: 'auto', NODE_PATH: process.env.NODE_PATH! },
    });
    try {
      const [first] = cluster.nodes;
      expect(first!.log).toMatch(/is made with rocksdb-native.*runs on Node 2\d/);
      expect(first!.log).not.toContain('RocksDB does not run here');
      expect((await first!.http.send('GET', '/metrics')).text).toMatch(
        /dkv_build_info{engine="rocksdb-native"/,
      );
      await first!.http.put('a key', [1, null]);
      await cluster.nodes[0]!.kill9();
      await cluster.startAll();
      expect((await first!.http.get('a key')).body.value).toEqual([1, null]);
      expect(await first!.stop()).toEqual({ code: 0, signal: null });
    } catch (error) {
      process.stderr.write(cluster.log);
      throw error;
    } finally {
      await cluster.dispose();
    }
  });
});
