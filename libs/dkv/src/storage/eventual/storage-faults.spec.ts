import { describe, expect, it } from 'vitest';
import { CapturedLog } from '../../../testing/captured-log.js';
import { microtasks } from '../../../testing/microtasks.js';
import { type KvRecord, stampRecord } from '../../model/record.js';
import { keysIn } from '../../model/usage.js';
import { formatVersion } from '../../model/version.js';
import { journalKey, recordKey, treeKey } from './disk-keys.js';
import { EngineLocalKvRepo, type EngineLocalKvRepoOptions } from './engine-local-kv-repo.js';
import { MemoryStoreEngine } from '../engines/memory-store-engine.js';
import {
  type BatchOptions,
  type StoreEntry,
  type StoreOperation,
  type StoreRange,
} from '../engines/store-engine.js';

const IDENTITY = { nodeId: 'n1', partitions: 4, hashFunc: 'md5' };

const idOf = (key: string) => ({ partition: 1, namespace: 'default', key });
const recordOf = (key: string, at = 1, value: Uint8Array = Buffer.from(`${key}@${at}`)): KvRecord =>
  stampRecord({
    ...idOf(key),
    version: formatVersion({ physicalMs: at, counter: 0, nodeId: 'n1', boot: 1 }),
    tombstone: false,
    expiresAtMs: 0,
    value,
  });

/** A disk that counts, stalls and fails as the test says, and keeps its data when it is closed. */
class FaultyEngine extends MemoryStoreEngine {
  readonly batches: { operations: readonly StoreOperation[]; sync: boolean }[] = [];
  batchError: Error | undefined;
  readError: Error | undefined;
  stall: Promise<void> | undefined;
  isClosed = false;

  override async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    this.mayFailToRead();
    return super.get(key);
  }

  override async batch(operations: readonly StoreOperation[], options?: BatchOptions): Promise<void> {
    this.batches.push({ operations, sync: options?.sync === true });
    await this.stall;
    if (this.isClosed) {
      throw new Error('A batch after the end.');
    }
    if (this.batchError) {
      throw this.batchError;
    }
    await super.batch(operations);
  }

  override async *iterate(range: StoreRange): AsyncGenerator<StoreEntry> {
    this.mayFailToRead();
    yield* super.iterate(range);
  }

  override async close(): Promise<void> {
    this.isClosed = true;
  }

  private mayFailToRead(): void {
    if (this.readError) {
      throw this.readError;
    }
  }
}

class Bench {
  readonly engine = new FaultyEngine();
  readonly log = new CapturedLog();
  repo!: EngineLocalKvRepo;
  released = 0;

  static async open(options: Partial<EngineLocalKvRepoOptions> = {}): Promise<Bench> {
    const bench = new Bench();
    await bench.reopen(options);
    return bench;
  }

  async reopen(options: Partial<EngineLocalKvRepoOptions> = {}): Promise<void> {
    const home = {
      where: '/data/n1',
      open: async () => {
        this.engine.isClosed = false;
        return this.engine;
      },
      release: () => void this.released++,
    };
    const defaults = {
      durability: 'wal',
      pendingBytesMax: 1_000_000,
      cacheBytesMax: 0,
      logger: this.log,
    } as const;
    this.repo = new EngineLocalKvRepo(home, { ...defaults, ...options });
    await this.repo.open(IDENTITY);
  }

  put(record: KvRecord): Promise<KvRecord | undefined> {
    return this.repo.update(idOf(record.key), () => record);
  }

  async keys(): Promise<string[]> {
    const keys: string[] = [];
    for await (const { key } of this.repo.getAllNoValue()) {
      keys.push(key);
    }
    return keys;
  }

  /** Holds batches up until the function it gives is called. */
  holdUp(): () => void {
    let release!: () => void;
    this.engine.stall = new Promise((resolve) => (release = resolve));
    return release;
  }
}

describe('group commit of the repository', () => {
  it('puts many updates into few batches, each with its digests and counters', async () => {
    const bench = await Bench.open();
    const release = bench.holdUp();
    const first = bench.put(recordOf('first'));
    await microtasks();
    const others = Array.from({ length: 500 }, (_, at) => bench.put(recordOf(`key-${at}`)));
    await microtasks();
    release();
    await Promise.all([first, ...others]);
    expect(bench.engine.batches).toHaveLength(2);
    const [, { operations }] = bench.engine.batches as [unknown, { operations: readonly StoreOperation[] }];
    // 500 records, one entry for digests and counters.
    expect(operations).toHaveLength(500 + 1);
    const { usage, tombstones } = bench.repo.metrics();
    expect([keysIn(usage), tombstones]).toEqual([501, 0]);
  });

  it.each(['wal', 'fsync'] as const)('asks for a sync of each batch or of none: %s', async (durability) => {
    const bench = await Bench.open({ durability });
    await bench.put(recordOf('k'));
    await bench.repo.putMeta('boot', '1');
    await bench.repo.addHint({ nodeId: 'n2', ...idOf('k') });
    expect(bench.engine.batches.map(({ sync }) => sync)).toEqual(Array(3).fill(durability === 'fsync'));
  });

  it('writes nothing when nothing changes', async () => {
    const bench = await Bench.open();
    await bench.put(recordOf('k'));
    await bench.put(recordOf('k'));
    await bench.repo.update(idOf('k'), () => undefined);
    await bench.repo.removeHint({ nodeId: 'n2', ...idOf('k') });
    expect(bench.engine.batches).toHaveLength(1);
  });

  it.each([0, 100_000])('shows nobody what is not durable yet (cache of %i bytes)', async (cacheBytesMax) => {
    const bench = await Bench.open({ cacheBytesMax });
    await bench.put(recordOf('k', 1));
    const [digests, release] = [bench.repo.getTree(1), bench.holdUp()];
    const writing = bench.put(recordOf('k', 2));
    await microtasks();
    expect(bench.engine.batches).toHaveLength(2);
    expect((await bench.repo.get(idOf('k')))?.version).toBe(recordOf('k', 1).version);
    expect(bench.repo.getTree(1)).toEqual(digests);
    release();
    await writing;
    expect((await bench.repo.get(idOf('k')))?.version).toBe(recordOf('k', 2).version);
    expect(bench.repo.getTree(1)).not.toEqual(digests);
  });

  it('keeps what a change returned, whatever becomes of its bytes before they are durable', async () => {
    const bench = await Bench.open({ cacheBytesMax: 100_000 });
    const release = bench.holdUp();
    const value = Buffer.from('as it was');
    const writing = bench.put(recordOf('k', 1, value));
    await microtasks();
    value.fill(0);
    release();
    await writing;
    expect(Buffer.from((await bench.repo.get(idOf('k')))!.value).toString()).toBe('as it was');
  });

  it('writes what waits before it closes', async () => {
    const bench = await Bench.open();
    const release = bench.holdUp();
    const writes = [bench.put(recordOf('a'))];
    await microtasks();
    writes.push(bench.put(recordOf('b')), bench.put(recordOf('c')));
    await microtasks();
    let isClosed = false;
    const closing = bench.repo.close().then(() => (isClosed = true));
    await microtasks();
    expect(isClosed).toBe(false);
    release();
    await Promise.all([...writes, closing]);
    expect(bench.engine.isClosed).toBe(true);
    await bench.reopen();
    expect((await bench.keys()).sort()).toEqual(['a', 'b', 'c']);
  });

  it('refuses more than may wait, storing nothing of it, and goes on when there is room', async () => {
    const bench = await Bench.open({ pendingBytesMax: 10_000 });
    const release = bench.holdUp();
    const writes = Array.from({ length: 30 }, (_, at) =>
      bench.put(recordOf(`key-${at}`, 1, new Uint8Array(1_000))),
    );
    const settled = Promise.allSettled(writes);
    await microtasks();
    await expect(bench.put(recordOf('late', 1, new Uint8Array(2_000)))).rejects.toMatchObject({
      code: 'DKV_OVERLOADED',
    });
    release();
    const outcomes = await settled;
    const stored = outcomes.filter(({ status }) => status === 'fulfilled').length;
    expect(stored).toBeGreaterThanOrEqual(7);
    expect(stored).toBeLessThanOrEqual(9);
    expect(outcomes.filter(({ status }) => status === 'rejected')[0]).toMatchObject({
      reason: { code: 'DKV_OVERLOADED' },
    });
    expect(await bench.keys()).toHaveLength(stored);
    expect(keysIn(bench.repo.metrics().usage)).toBe(stored);
    expect(bench.repo.failure).toBeUndefined();
    await bench.put(recordOf('later'));
  });

  it('releases the locks of writes that were refused', async () => {
    const bench = await Bench.open({ pendingBytesMax: 1 });
    const release = bench.holdUp();
    const first = bench.put(recordOf('a'));
    await microtasks();
    await expect(bench.put(recordOf('k', 1))).rejects.toMatchObject({ code: 'DKV_OVERLOADED' });
    release();
    await first;
    await bench.put(recordOf('k', 1));
  });
});

describe('a disk that fails to write', () => {
  it('makes the repository read-only until it is opened again', async () => {
    const bench = await Bench.open();
    await bench.put(recordOf('k', 1));
    bench.engine.batchError = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
    const digests = bench.repo.getTree(1);
    await expect(bench.put(recordOf('k', 2))).rejects.toMatchObject({
      code: 'DKV_STORAGE_FAILED',
      message: expect.stringMatching(/\/data\/n1.*ENOSPC.*start it again/) as string,
      cause: bench.engine.batchError,
    });

    bench.engine.batchError = undefined;
    const hint = { nodeId: 'n2', ...idOf('k') };
    const writes = {
      update: () => bench.put(recordOf('k', 3)),
      addHint: () => bench.repo.addHint(hint),
      removeHint: () => bench.repo.removeHint(hint),
      putMeta: () => bench.repo.putMeta('boot', '1'),
    };
    for (const [name, write] of Object.entries(writes)) {
      await expect(write(), name).rejects.toMatchObject({ code: 'DKV_READ_ONLY' });
    }
    expect(bench.repo.failure).toMatchObject({ code: 'DKV_STORAGE_FAILED' });
    expect(bench.engine.batches).toHaveLength(2);
    expect(bench.log.errors).toEqual([expect.stringContaining('ENOSPC')]);

    expect((await bench.repo.get(idOf('k')))?.version).toBe(recordOf('k', 1).version);
    expect(await bench.keys()).toEqual(['k']);
    expect(bench.repo.getTree(1)).toEqual(digests);
    expect(keysIn(bench.repo.metrics().usage)).toBe(1);

    await bench.repo.close();
    expect(bench.repo.failure).toMatchObject({ code: 'DKV_STORAGE_FAILED' });
    await bench.repo.open(IDENTITY);
    expect(bench.repo.failure).toBeUndefined();
    await bench.put(recordOf('k', 3));
  });

  it('fails all that was in the batch and refuses all that waited', async () => {
    const bench = await Bench.open();
    const release = bench.holdUp();
    const first = Promise.allSettled([bench.put(recordOf('a')), bench.put(recordOf('b'))]);
    await microtasks();
    const waiting = Promise.allSettled([bench.put(recordOf('c')), bench.put(recordOf('a', 2))]);
    await microtasks();
    bench.engine.batchError = new Error('EIO');
    release();
    expect(await first).toMatchObject([
      { reason: { code: 'DKV_STORAGE_FAILED' } },
      { reason: { code: 'DKV_STORAGE_FAILED' } },
    ]);
    expect(await waiting).toMatchObject([
      { reason: { code: 'DKV_READ_ONLY' } },
      { reason: { code: 'DKV_READ_ONLY' } },
    ]);
    expect(bench.engine.batches).toHaveLength(1);
    expect(await bench.keys()).toEqual([]);
  });
});

describe('a disk that fails to read', () => {
  it('says so, and is asked again next time', async () => {
    const bench = await Bench.open();
    await bench.put(recordOf('k', 1));
    bench.engine.readError = new Error('EIO: i/o error, read');
    const failed = {
      code: 'DKV_STORAGE_FAILED',
      message: expect.stringMatching(/\/data\/n1.*EIO/) as string,
    };
    await expect(bench.repo.get(idOf('k'))).rejects.toMatchObject(failed);
    await expect(bench.put(recordOf('k', 2))).rejects.toMatchObject(failed);
    await expect(bench.keys()).rejects.toMatchObject(failed);
    await expect(bench.repo.getHints('n2', 1)).rejects.toMatchObject(failed);
    bench.engine.readError = undefined;
    await bench.put(recordOf('k', 2));
    expect(bench.repo.failure).toBeUndefined();
  });

  it('cannot be opened, and lets go of the folder', async () => {
    const bench = await Bench.open();
    await bench.repo.close();
    const released = bench.released;
    bench.engine.readError = new Error('EIO');
    await expect(bench.reopen()).rejects.toMatchObject({ code: 'DKV_STORAGE_FAILED' });
    expect(bench.released).toBe(released + 1);
  });

  it('does not take for its own what the reader of a scan throws', async () => {
    const bench = await Bench.open();
    await bench.put(recordOf('k', 1));
    const scan = async () => {
      for await (const { key } of bench.repo.getAllNoValue()) {
        throw new RangeError(key);
      }
    };
    await expect(scan()).rejects.toThrow(RangeError);
  });
});

describe('damage on the disk', () => {
  const corrupt = { code: 'DKV_CORRUPT_RECORD', message: expect.stringMatching(/"k".*\/data\/n1/) as string };

  async function damaged(change: (stored: Uint8Array) => Uint8Array): Promise<Bench> {
    const bench = await Bench.open();
    await bench.put(recordOf('before', 1));
    await bench.put(recordOf('k', 1));
    const key = recordKey(idOf('k'));
    const stored = await bench.engine.get(key);
    await bench.engine.batch([{ type: 'put', key, value: change(stored!) }]);
    return bench;
  }

  it.each<[string, (stored: Uint8Array) => Uint8Array]>([
    ['a flipped bit of the value', (stored) => stored.with(stored.length - 1, stored.at(-1)! ^ 1)],
    ['a flipped bit of the key', (stored) => stored.with(29, stored[29]! ^ 1)],
    ['a cut', (stored) => stored.subarray(0, 40)],
    ['nothing', () => new Uint8Array(0)],
    ['garbage', () => Buffer.from('garbage')],
  ])('is told, with key and folder, and never read as a value: %s', async (_, change) => {
    const bench = await damaged(change);
    await expect(bench.repo.get(idOf('k'))).rejects.toMatchObject(corrupt);
    await expect(bench.repo.getNoValue(idOf('k'))).rejects.toMatchObject(corrupt);
    await expect(bench.repo.checkTombstone(idOf('k'))).rejects.toMatchObject(corrupt);
    await expect(bench.put(recordOf('k', 2))).rejects.toMatchObject(corrupt);
    await expect(bench.keys()).rejects.toMatchObject(corrupt);
    expect((await bench.repo.get(idOf('before')))?.key).toBe('before');
  });

  it("is told of a sound record in another one's place", async () => {
    const bench = await Bench.open();
    await bench.put(recordOf('other', 1));
    const other = await bench.engine.get(recordKey(idOf('other')));
    await bench.engine.batch([{ type: 'put', key: recordKey(idOf('k')), value: other! }]);
    await expect(bench.repo.get(idOf('k'))).rejects.toMatchObject(corrupt);
    await expect(bench.keys()).rejects.toMatchObject(corrupt);
  });

  it('of a tree or of the journal keeps the store from opening', async () => {
    for (const key of [treeKey(1), journalKey(2)]) {
      const bench = await Bench.open();
      await bench.engine.batch([{ type: 'put', key, value: Uint8Array.of(1, 2, 3) }]);
      await bench.repo.close();
      await expect(bench.reopen()).rejects.toMatchObject({
        code: 'DKV_CORRUPT_RECORD',
        message: expect.stringContaining('/data/n1') as string,
      });
    }
  });
});

describe('opening', () => {
  it.each([0, -1, 1.5, 65_536, Number.NaN])('refuses %d partitions', async (partitions) => {
    const bench = await Bench.open();
    await bench.repo.close();
    await expect(bench.repo.open({ ...IDENTITY, partitions })).rejects.toThrow(TypeError);
  });

  it('is waited for by closing', async () => {
    const bench = new Bench();
    const opening = bench.reopen();
    await bench.repo.close();
    await opening;
    await expect(bench.repo.get(idOf('k'))).rejects.toMatchObject({ code: 'DKV_NOT_READY' });
    expect(bench.released).toBe(1);
  });
});
