import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FakeNodeLog } from '../../testing/fake-node-log.js';
import { FaultyStoreEngine } from '../../testing/faulty-store-engine.js';
import { microtasks } from '../../testing/microtasks.js';
import { testStoreEngine } from '../../testing/store-engine-conformance.js';
import { DkvError } from '../dkv.errors.js';
import { drawOf } from '../hashring/pseudo-random.js';
import { openClassicLevelStoreEngine } from './engines/classic-level-store-engine.js';
import { MemoryStoreEngine } from './engines/memory-store-engine.js';
import { openRocksdbStoreEngine } from './engines/rocksdb-store-engine.js';
import { type StoreEntry, type StoreOperation } from './engines/store-engine.js';
import { LoggedEngine, type LoggedEngineOptions } from './logged-engine.js';
import { COVERAGE_KEY } from './strong/strong-keys.js';

const BOUNDS = { overlayBytesMax: 1_000_000_000, checkpointBytes: 1_000_000_000, onCheckpointDue: () => {} };
const ALL = { from: Uint8Array.of(0), to: Uint8Array.of(255, 255) };

const put = (key: string, value = key): StoreOperation => ({
  type: 'put',
  key: Buffer.from(key),
  value: Buffer.from(value),
});
const del = (key: string): StoreOperation => ({ type: 'del', key: Buffer.from(key) });
const number = (at: number) => String(at).padStart(4, '0');

async function entriesOf(engine: LoggedEngine, range = ALL): Promise<string[]> {
  const found: string[] = [];
  for await (const { key, value } of engine.iterate(range)) {
    found.push(`${Buffer.from(key).toString()}=${Buffer.from(value).toString()}`);
  }
  return found;
}

class Bench {
  engine = new FaultyStoreEngine();
  log = new FakeNodeLog();
  logged!: LoggedEngine;

  static async open(options: Partial<LoggedEngineOptions> = {}): Promise<Bench> {
    const bench = new Bench();
    await bench.reopen(options);
    return bench;
  }

  /** As a process does that was killed: engine and log are what they were. */
  async reopen(options: Partial<LoggedEngineOptions> = {}): Promise<void> {
    const { engine, log } = this;
    this.logged = await LoggedEngine.open({ ...BOUNDS, engine, log, where: '/data/n1', ...options });
    log.replay({ batch: (position, bytes) => this.logged.replayBatch(position, bytes) });
  }

  write(...operations: StoreOperation[]): Promise<void> {
    return this.logged.batch(operations);
  }
}

/** Logs by folder, so that a store opened again finds its own. */
const logs = new Map<string, FakeNodeLog>();
const openLogged = async (folder: string, open: typeof openRocksdbStoreEngine) => {
  const log = logs.get(folder)?.crashed() ?? new FakeNodeLog();
  const engine = await open(folder);
  logs.set(folder, log);
  const logged = await LoggedEngine.open({ ...BOUNDS, engine, log, where: dirname(folder) });
  log.replay({ batch: (position, bytes) => logged.replayBatch(position, bytes) });
  return logged;
};
/** Checkpoints all the time, beside whatever a test does. */
const openBusy = async (folder: string, open: typeof openRocksdbStoreEngine) => {
  const logged = await openLogged(folder, open);
  const batch = logged.batch.bind(logged);
  logged.batch = async (operations) => {
    const done = batch(operations);
    void logged.checkpoint().catch(() => undefined);
    await done;
    void logged.checkpoint().catch(() => undefined);
  };
  return logged;
};

const KEPT = { rocksdb: openRocksdbStoreEngine, 'classic-level': openClassicLevelStoreEngine };
for (const [name, open] of Object.entries(KEPT)) {
  describe(`${name} behind the log`, () =>
    testStoreEngine(it, { name, durable: true, open: (folder) => openLogged(folder, open) }));
  describe(`${name} behind the log, busy`, () =>
    testStoreEngine(it, { name, durable: true, open: (folder) => openBusy(folder, open) }));
}
describe('memory behind the log', () =>
  testStoreEngine(it, {
    name: 'memory',
    durable: false,
    open: (folder) => openLogged(folder, async () => new MemoryStoreEngine()),
  }));

describe('batches in the log', () => {
  it('count when they are durable, and are seen then', async () => {
    const { logged, log } = await Bench.open();
    log.isPrompt = false;
    let isDone = false;
    const writing = logged.batch([put('a')]).then(() => (isDone = true));
    await microtasks();
    expect([isDone, await logged.get(Buffer.from('a'))]).toEqual([false, undefined]);
    log.makeDurable();
    await writing;
    expect(await entriesOf(logged)).toEqual(['a=a']);
  });

  it('are in no checkpoint before they are durable', async () => {
    const { engine, logged, log } = await Bench.open();
    await logged.batch([put('a')]);
    log.isPrompt = false;
    const writing = logged.batch([put('b')]);
    await logged.checkpoint();
    expect(engine.batches.flatMap(({ operations }) => operations.map(({ key }) => key.toString()))).toEqual([
      'a',
      COVERAGE_KEY.toString(),
    ]);
    expect(logged.coveredUpTo).toBe(log.durablePosition);
    log.makeDurable();
    await writing;
    await logged.checkpoint();
    expect(Buffer.from((await engine.get(Buffer.from('b')))!).toString()).toBe('b');
    expect(logged.coveredUpTo).toBe(log.durablePosition);
  });

  it('fail with the error of the log, and leave nothing', async () => {
    const bench = await Bench.open();
    const full = new DkvError('DKV_READ_ONLY', 'The disk is full.');
    bench.log.failure = full;
    await expect(bench.write(put('a'))).rejects.toBe(full);
    bench.log.failure = undefined;
    await bench.write(put('b'));
    expect(await entriesOf(bench.logged)).toEqual(['b=b']);
    await bench.reopen();
    expect(await entriesOf(bench.logged)).toEqual(['b=b']);
  });

  it('are refused past the bound, and a checkpoint makes room', async () => {
    let asked = 0;
    const bench = await Bench.open({
      overlayBytesMax: 2_000,
      checkpointBytes: 1_000,
      onCheckpointDue: () => asked++,
    });
    // One of any size goes when there is room at all.
    await bench.write(put('a', 'x'.repeat(5_000)));
    expect(asked).toBe(1);
    await expect(bench.write(put('b'))).rejects.toMatchObject({
      code: 'DKV_OVERLOADED',
      message: expect.stringMatching(
        /bytes of batches wait to be written to \/data\/n1; the limit is 2000/,
      ) as string,
    });
    expect(asked).toBe(1);
    await bench.logged.checkpoint();
    await bench.write(put('b'));
    expect((await entriesOf(bench.logged)).map((entry) => entry[0])).toEqual(['a', 'b']);
  });

  it('count as waiting while the log has not answered', async () => {
    const { logged, log } = await Bench.open({ overlayBytesMax: 1_000 });
    log.isPrompt = false;
    const writing = logged.batch([put('a', 'x'.repeat(2_000))]);
    await expect(logged.batch([put('b')])).rejects.toMatchObject({ code: 'DKV_OVERLOADED' });
    log.makeDurable();
    await writing;
  });
});

describe('a checkpoint of batches', () => {
  it('writes each key once, in slices, the position last and synced', async () => {
    const { engine, logged, log } = await Bench.open();
    for (let round = 0; round < 3; round++) {
      await logged.batch(Array.from({ length: 600 }, (_, at) => put(number(at), `${round}`)));
    }
    await logged.checkpoint();
    const keys = engine.batches.flatMap(({ operations }) => operations.map(({ key }) => key.toString()));
    expect(keys).toHaveLength(601);
    expect(new Set(keys).size).toBe(601);
    expect(keys.at(-1)).toBe(COVERAGE_KEY.toString());
    expect(engine.batches.map(({ sync }) => sync)).toEqual([false, false, true]);
    expect(Math.max(...engine.batches.map(({ operations }) => operations.length))).toBeLessThanOrEqual(257);
    expect(logged.coveredUpTo).toBe(log.position);
    expect(logged.overlayBytes).toBe(0);
    await logged.checkpoint();
    expect(engine.batches).toHaveLength(3);
  });

  it('syncs every batch where the engine syncs no earlier ones along', async () => {
    const bench = new Bench();
    bench.engine = new FaultyStoreEngine(false);
    await bench.reopen();
    await bench.write(...Array.from({ length: 600 }, (_, at) => put(number(at))));
    await bench.logged.checkpoint();
    expect(bench.engine.batches.map(({ sync }) => sync)).toEqual([true, true, true]);
  });

  it('can be tried again after a failure, and all is seen meanwhile', async () => {
    const { engine, logged } = await Bench.open();
    await logged.batch(Array.from({ length: 600 }, (_, at) => put(number(at), 'old')));
    engine.error = new Error('No space left on device');
    engine.failFrom = 1;
    await expect(logged.checkpoint()).rejects.toMatchObject({ code: 'DKV_STORAGE_FAILED' });
    await logged.batch([put(number(1), 'new'), del(number(2))]);
    expect(await entriesOf(logged)).toHaveLength(599);
    expect(logged.coveredUpTo).toBe(0);
    engine.error = undefined;
    await logged.checkpoint();
    expect(await entriesOf(logged)).toHaveLength(599);
    expect((await engine.get(Buffer.from(number(1))))!.toString()).toBe('110,101,119');
    expect(await engine.get(Buffer.from(number(2)))).toBeUndefined();
  });

  it('loses nothing when the process ends between two slices', async () => {
    const bench = await Bench.open();
    await bench.write(...Array.from({ length: 600 }, (_, at) => put(number(at), 'old')));
    await bench.logged.checkpoint();
    await bench.write(
      ...Array.from({ length: 600 }, (_, at) => (at % 2 ? del(number(at)) : put(number(at), 'new'))),
    );
    bench.engine.error = new Error('killed');
    bench.engine.failFrom = bench.engine.batches.length + 1;
    await expect(bench.logged.checkpoint()).rejects.toThrow();
    bench.engine.error = undefined;
    bench.log = bench.log.crashed();
    await bench.reopen();
    expect(await entriesOf(bench.logged)).toEqual(
      Array.from({ length: 300 }, (_, at) => `${number(2 * at)}=new`),
    );
  });

  it('does not replay what it covers', async () => {
    const bench = await Bench.open();
    await bench.write(put('a', '1'));
    await bench.logged.checkpoint();
    await bench.reopen();
    expect(bench.logged.overlayBytes).toBe(0);
    await bench.write(put('a', '2'));
    await bench.reopen();
    expect(await entriesOf(bench.logged)).toEqual(['a=2']);
  });
});

describe('an iteration', () => {
  it('meets what a checkpoint moves into the engine once', async () => {
    const { logged } = await Bench.open();
    await logged.batch(Array.from({ length: 500 }, (_, at) => put(number(2 * at))));
    const found: string[] = [];
    for await (const { key } of logged.iterate(ALL)) {
      found.push(Buffer.from(key).toString());
      if (found.length === 100) {
        await logged.checkpoint();
      }
    }
    expect(found).toEqual(Array.from({ length: 500 }, (_, at) => number(2 * at)));
  });

  it('brings back nothing that was deleted before it began', async () => {
    const { logged } = await Bench.open();
    await logged.batch([put('a'), put('b'), put('c')]);
    await logged.checkpoint();
    await logged.batch([del('b')]);
    const iteration = logged.iterate(ALL);
    const found = [Buffer.from(((await iteration.next()).value as StoreEntry).key).toString()];
    await logged.checkpoint();
    for await (const { key } of iteration) {
      found.push(Buffer.from(key).toString());
    }
    expect(found).toEqual(['a', 'c']);
  });
});

describe.each([1, 2, 3, 4, 5, 6, 7, 8])('against a plain map, seed %i', (seed) => {
  it('shows the same after every step, checkpoints, failures and crashes among them', async () => {
    let draws = 0;
    const draw = (below: number) => Math.floor(drawOf(seed, draws++) * below);
    const bench = await Bench.open();
    const model = new Map<string, string>();
    let running: Promise<unknown> = Promise.resolve();
    for (let step = 0; step < 400; step++) {
      const kind = draw(20);
      if (kind < 12) {
        const operations = Array.from({ length: 1 + draw(40) }, () => {
          const key = number(draw(500));
          return draw(3) === 0 ? del(key) : put(key, `${step}`);
        });
        await bench.write(...operations);
        for (const operation of operations) {
          const key = operation.key.toString();
          if (operation.type === 'put') {
            model.set(key, `${step}`);
          } else {
            model.delete(key);
          }
        }
      } else if (kind < 15) {
        running = bench.logged.checkpoint().catch(() => undefined);
      } else if (kind < 16) {
        await running;
        bench.engine.error = draw(2) === 0 ? new Error('I/O error') : undefined;
        bench.engine.failFrom = bench.engine.batches.length + draw(3);
      } else if (kind < 17) {
        // Killed, in the middle of a checkpoint where one runs.
        const { engine } = bench;
        engine.error = new Error('killed');
        engine.failFrom = 0;
        await running;
        engine.error = undefined;
        bench.log = bench.log.crashed();
        await bench.reopen();
      }
      const key = number(draw(500));
      const value = await bench.logged.get(Buffer.from(key));
      expect(value && Buffer.from(value).toString()).toBe(model.get(key));
      if (kind === 19) {
        const expected = [...model].map(([name, text]) => `${name}=${text}`).sort();
        const reading = entriesOf(bench.logged);
        await bench.logged.checkpoint().catch(() => undefined);
        expect(await reading).toEqual(expected);
      }
    }
  });
});
