import { describe, expect, it } from 'vitest';
import { CapturedLog } from '../../../testing/captured-log.js';
import { FakeNodeLog } from '../../../testing/fake-node-log.js';
import { FaultyStoreEngine } from '../../../testing/faulty-store-engine.js';
import { microtasks } from '../../../testing/microtasks.js';
import { DkvError } from '../../dkv.errors.js';
import { keysIn } from '../../model/usage.js';
import { type StrongRecord } from '../../ports/strong-store.js';
import { expiryRange, markInExpiryKey, namespaceBytes, RecordEncoder, stateKey } from './strong-keys.js';
import { StrongRecords, type StrongRecordsOptions } from './strong-records.js';

const recordOf = (index: number, expiresAtMs = 0, value = `${index}`): StrongRecord => ({
  generation: 1,
  index,
  expiresAtMs,
  modifiedMs: 1_700_000_000_000,
  value: Buffer.from(value),
});
const recordKey = (group: number, key: string) =>
  new RecordEncoder().recordKey(group, namespaceBytes('ns'), key);
class Bench {
  engine = new FaultyStoreEngine();
  log = new FakeNodeLog();
  readonly logger = new CapturedLog();
  readonly corrupt: number[] = [];
  readonly applied = new Map<number, number>();
  asked = 0;
  store!: StrongRecords;

  static async open(options: Partial<StrongRecordsOptions> = {}): Promise<Bench> {
    const bench = new Bench();
    await bench.reopen(options);
    return bench;
  }

  async reopen(options: Partial<StrongRecordsOptions> = {}): Promise<void> {
    this.store = await StrongRecords.open({
      engine: this.engine,
      log: this.log,
      logger: this.logger,
      where: '/data/n1',
      cacheBytesMax: 1e9,
      dirtyBytesMax: 1e6,
      checkpointBytes: 1e9,
      onCheckpointDue: () => this.asked++,
      ...options,
    });
    this.store.attach(
      (group) => ({
        applied: this.applied.get(group) ?? 0,
        generation: 2,
        bytes: Buffer.from(`state ${this.applied.get(group) ?? 0}`),
      }),
      (group) => this.corrupt.push(group),
    );
  }

  put(key: string, record: StrongRecord, group = 1): void {
    this.applied.set(group, record.index);
    this.store.put(group, 'ns', key, record);
  }

  async value(key: string, group = 1): Promise<string | undefined> {
    const record = await this.store.read(group, 'ns', key);
    return record && Buffer.from(record.value).toString();
  }

  /** Puts a key into the engine and forgets it. */
  async storeCold(key: string, record: StrongRecord): Promise<void> {
    this.put(key, record);
    await this.store.checkpoint();
    await this.reopen();
  }

  keysWritten(): string[] {
    return this.engine.batches.flatMap(({ operations }) =>
      operations.map(({ key, type }) => `${type} ${Buffer.from(key).toString('hex')}`),
    );
  }
}

describe('a checkpoint of strong records', () => {
  it('writes each dirty key of each dirty group once, in one batch a group with its state', async () => {
    const bench = await Bench.open();
    for (let index = 1; index <= 1_000; index++) {
      bench.put(`key-${index % 7}`, recordOf(index), 1 + ((index % 7) % 2));
    }
    await bench.store.checkpoint();
    expect(bench.engine.batches).toHaveLength(2);
    expect(bench.keysWritten()).toHaveLength(7 + 2);
    expect(new Set(bench.keysWritten()).size).toBe(7 + 2);
    bench.put('key-0', recordOf(1_001), 1);
    await bench.store.checkpoint();
    expect(bench.keysWritten().slice(9)).toEqual([
      `put ${recordKey(1, 'key-0').toString('hex')}`,
      `put ${stateKey(1).toString('hex')}`,
    ]);
    await bench.store.checkpoint();
    expect(bench.engine.batches).toHaveLength(3);
  });

  it('shows the state as it was when its records were taken, and goes on in other turns', async () => {
    const bench = new Bench();
    let turns = 0;
    Object.assign(bench.engine, {
      nextTurn: async () => {
        turns++;
        bench.put('key-1', recordOf(1_000 + turns));
      },
    });
    await bench.reopen();
    for (let index = 1; index <= 1_000; index++) {
      bench.put(`key-${index}`, recordOf(index));
    }
    await bench.store.checkpoint();
    expect(turns).toBeGreaterThanOrEqual(3);
    bench.engine = await bench.engine.survivor();
    await bench.reopen();
    expect(bench.store.states.get(1)?.applied).toBe(1_000);
    expect(await bench.value('key-1')).toBe('1');
  });

  it('writes a state that changed alone', async () => {
    const bench = await Bench.open();
    bench.applied.set(5, 3);
    bench.store.touch(5);
    await bench.store.checkpoint();
    expect(bench.keysWritten()).toEqual([`put ${stateKey(5).toString('hex')}`]);
    await bench.reopen();
    expect(bench.store.states.get(5)).toEqual({
      applied: 3,
      generation: 2,
      bytes: Uint8Array.from(Buffer.from('state 3')),
    });
  });

  it('shows nothing that is not durable in the log', async () => {
    const bench = await Bench.open();
    bench.log.isPrompt = false;
    bench.log.addEntry(1, 1, 1, 1, 'operations', Buffer.from('x'));
    bench.put('k', recordOf(1));
    let isDone = false;
    const writing = bench.store.checkpoint().then(() => (isDone = true));
    await microtasks();
    expect([isDone, bench.engine.batches.length]).toEqual([false, 0]);
    bench.log.makeDurable();
    await writing;
    expect(bench.engine.batches).toHaveLength(1);
  });

  it('goes on with a log that is full, for what that has', async () => {
    const bench = await Bench.open();
    bench.put('k', recordOf(1));
    bench.log.failure = new DkvError('DKV_READ_ONLY', 'The disk is full.');
    await bench.store.checkpoint();
    expect(bench.engine.batches).toHaveLength(1);
  });

  it.each([
    [true, [false, true]],
    [false, [true, true]],
  ])('is durable at its end: engine that syncs earlier batches %s', async (syncsEarlier, syncs) => {
    const bench = new Bench();
    bench.engine = new FaultyStoreEngine(syncsEarlier);
    await bench.reopen();
    bench.put('k', recordOf(1), 1);
    bench.put('l', recordOf(1), 2);
    await bench.store.checkpoint();
    expect(bench.engine.batches.map(({ sync }) => sync)).toEqual(syncs);
  });

  it('is durable at its end, also where the last group is dropped meanwhile', async () => {
    const bench = await Bench.open();
    bench.put('k', recordOf(1), 1);
    bench.put('l', recordOf(1), 2);
    let goOn!: () => void;
    bench.engine.stall = new Promise((resolve) => (goOn = resolve));
    const syncsAtEnd = bench.store.checkpoint().then(() => bench.engine.batches.map(({ sync }) => sync));
    await microtasks();
    const clearing = bench.store.clear(2);
    bench.engine.stall = undefined;
    goOn();
    expect(await syncsAtEnd).toEqual([false, true]);
    await clearing;
  });

  it('is durable at its end, also what one that failed had written', async () => {
    const bench = await Bench.open();
    bench.put('k', recordOf(1), 1);
    bench.put('l', recordOf(1), 2);
    bench.engine.failFrom = 1;
    bench.engine.error = new Error('No space left on device');
    await expect(bench.store.checkpoint()).rejects.toThrow();
    // Of the group that failed nothing is to be written any more.
    await expect(bench.store.clear(2)).rejects.toThrow();
    bench.engine.error = undefined;
    await bench.store.checkpoint();
    expect(bench.engine.batches.map(({ sync }) => sync)).toEqual([false, true]);
  });

  it('that fails leaves all dirty, and shown', async () => {
    const bench = await Bench.open({ cacheBytesMax: 0 });
    bench.put('k', recordOf(1));
    bench.engine.error = new Error('No space left on device');
    await expect(bench.store.checkpoint()).rejects.toMatchObject({ code: 'DKV_STORAGE_FAILED' });
    expect(await bench.value('k')).toBe('1');
    bench.engine.error = undefined;
    await bench.store.checkpoint();
    expect(await bench.value('k')).toBe('1');
    expect(keysIn(bench.store.metrics().usage)).toBe(1);
  });

  it('is asked for once, and the store is full past its bound', async () => {
    const bench = await Bench.open({ checkpointBytes: 10_000, dirtyBytesMax: 50_000 });
    for (let index = 1; index < 10; index++) {
      bench.put(`k${index}`, recordOf(index, 0, 'x'.repeat(5_000)));
    }
    expect([bench.asked, bench.store.full]).toEqual([1, false]);
    bench.put('k10', recordOf(10, 0, 'x'.repeat(5_000)));
    expect([bench.asked, bench.store.full]).toEqual([1, true]);
    await bench.store.checkpoint();
    expect(bench.store.full).toBe(false);
    bench.put('k1', recordOf(11, 0, 'x'.repeat(20_000)));
    expect(bench.asked).toBe(2);
  });

  it('counts keys and bytes by namespace, by samples where it does not know what was there', async () => {
    const bench = await Bench.open({ cacheBytesMax: 0 });
    const putAll = (value: string) => {
      for (let index = 1_000; index < 2_000; index++) {
        bench.put(`key-${index}`, recordOf(index, 0, value));
      }
    };
    putAll('x'.repeat(100));
    await bench.store.checkpoint();
    expect(bench.engine.reads).toBeLessThanOrEqual(16);
    expect(bench.store.metrics().usage).toEqual(new Map([['ns', { keys: 1_000, bytes: 108_000 }]]));
    putAll('x'.repeat(30));
    await bench.store.checkpoint();
    expect(bench.store.metrics().usage).toEqual(new Map([['ns', { keys: 1_000, bytes: 38_000 }]]));
  });

  it('counts what is not in it yet, and forgets nothing at a restart', async () => {
    const bench = await Bench.open();
    const usage = () => Object.fromEntries(bench.store.metrics().usage);
    bench.put('k1', recordOf(1, 0, 'abc'));
    bench.put('k1', recordOf(2, 0, 'abcd'), 1);
    bench.put('größe', recordOf(3), 2);
    bench.store.put(1, 'other', 'k', recordOf(4, 0, 'x'.repeat(5_000)));
    const ns = { keys: 2, bytes: 6 + 8 };
    // Sizes past 2 KiB are told to a thousandth.
    const other = { keys: 1, bytes: 1 + 5_000 };
    expect(usage()).toEqual({ ns, other });
    await bench.store.checkpoint();
    expect(usage()).toEqual({ ns, other });
    bench.put('k1', recordOf(5, 0, 'a'));
    bench.store.remove(1, 'other', 'k');
    expect(usage()).toEqual({ ns: { keys: 2, bytes: 3 + 8 }, other: { keys: 0, bytes: 0 } });
    await bench.store.checkpoint();
    await bench.reopen();
    expect(usage()).toEqual({ ns: { keys: 2, bytes: 3 + 8 } });
    // Not in memory now: it counts as new until it is known that it is not.
    bench.put('k1', recordOf(6, 0, 'ab'));
    expect(usage()).toEqual({ ns: { keys: 3, bytes: 3 + 8 + 4 } });
    await bench.store.checkpoint();
    expect(usage()).toEqual({ ns: { keys: 2, bytes: 4 + 8 } });
  });

  it('tells whole bytes of a group where it has sampled', async () => {
    const bench = await Bench.open({ cacheBytesMax: 0 });
    const putAll = (length: (index: number) => number) => {
      for (let index = 1_000; index < 1_035; index++) {
        bench.put(`key-${index}`, recordOf(index, 0, 'x'.repeat(length(index))));
      }
    };
    putAll(() => 100);
    await bench.store.checkpoint();
    putAll((index) => index - 900);
    await bench.store.checkpoint();
    const { bytes } = bench.store.metrics().usage.get('ns')!;
    expect(Number.isInteger(bytes)).toBe(false);
    expect(bench.store.bytesOf(1)).toBe(Math.round(bytes));
  });
});

describe('the index of expiries', () => {
  it('follows blind writes of records that are not in memory, of many too', async () => {
    const bench = await Bench.open();
    const keys = Array.from({ length: 100 }, (_, at) => `k${at}`);
    const expiries = async () => {
      const found: number[] = [];
      for await (const { key } of bench.engine.iterate(expiryRange(1))) {
        found.push(markInExpiryKey(key).expiresAtMs);
      }
      return found;
    };
    for (const [at, key] of keys.entries()) {
      bench.put(key, recordOf(at + 1, 5_000));
    }
    await bench.store.checkpoint();
    await bench.reopen();
    for (const [at, key] of keys.entries()) {
      bench.put(key, recordOf(at + 101, 9_000));
    }
    await bench.store.checkpoint();
    expect(await expiries()).toEqual(Array(100).fill(9_000));
    await bench.reopen();
    for (const key of keys) {
      bench.store.remove(1, 'ns', key);
    }
    await bench.store.checkpoint();
    expect(await expiries()).toEqual([]);
    expect(keysIn(bench.store.metrics().usage)).toBe(0);
  });
});

describe('a batch that failed', () => {
  it('may be in the engine all the same: what that has is asked for again', async () => {
    const bench = await Bench.open();
    bench.put('k', recordOf(1, 5_000));
    await bench.store.checkpoint();
    bench.put('k', recordOf(2, 9_000));
    const { engine } = bench;
    const batch = engine.batch.bind(engine);
    engine.batch = async (operations, options) => {
      await batch(operations, options);
      throw new Error('The sync failed.');
    };
    await expect(bench.store.checkpoint()).rejects.toThrow();
    engine.batch = batch;
    bench.put('k', recordOf(3, 7_000));
    await bench.store.checkpoint();
    expect(await bench.store.expired(1, 10_000, 10)).toHaveLength(1);
    const found: number[] = [];
    for await (const { key } of engine.iterate(expiryRange(1))) {
      found.push(markInExpiryKey(key).expiresAtMs);
    }
    expect(found).toEqual([7_000]);
  });
});

describe('a cold read', () => {
  it('does not undo what was written since it began', async () => {
    const bench = await Bench.open();
    await bench.storeCold('k', recordOf(1));
    let release!: () => void;
    bench.engine.readStall = new Promise((resolve) => (release = resolve));
    const reading = bench.value('k');
    await microtasks();
    expect(bench.store.peek(1, 'ns', 'k')).toBeUndefined();
    bench.put('k', recordOf(2));
    release();
    expect(await reading).toBe('2');
    expect(Buffer.from(bench.store.peek(1, 'ns', 'k')!.value).toString()).toBe('2');
  });

  it('does not bring back what was removed and checkpointed since it began', async () => {
    const bench = await Bench.open();
    await bench.storeCold('k', recordOf(1));
    let release!: () => void;
    bench.engine.readStall = new Promise((resolve) => (release = resolve));
    const reading = bench.value('k');
    await microtasks();
    bench.store.remove(1, 'ns', 'k');
    const { readStall } = bench.engine;
    bench.engine.readStall = undefined;
    await bench.store.checkpoint();
    release();
    await readStall;
    expect(await reading).toBeUndefined();
    expect(bench.store.peek(1, 'ns', 'k')).toBeNull();
  });

  it('is one for all who ask meanwhile, and remembers that there is none', async () => {
    const bench = await Bench.open();
    await Promise.all([bench.value('k'), bench.value('k')]);
    expect(bench.engine.reads).toBe(1);
    expect(bench.store.peek(1, 'ns', 'k')).toBeNull();
    expect(bench.store.metrics()).toMatchObject({ cacheHits: 1, cacheMisses: 2 });
  });

  it('keeps what is asked for, of more than fits', async () => {
    const bench = await Bench.open({ cacheBytesMax: 20_000 });
    for (let index = 0; index < 500; index++) {
      await bench.storeCold(`k${index}`, recordOf(index));
    }
    await bench.reopen({ cacheBytesMax: 20_000 });
    for (let index = 0; index < 500; index++) {
      await bench.value(`k${index}`);
      bench.store.peek(1, 'ns', 'k0');
    }
    expect(bench.store.peek(1, 'ns', 'k0')).toBeDefined();
    expect(bench.store.peek(1, 'ns', 'k1')).toBeUndefined();
    expect(bench.store.metrics().cacheBytes).toBeLessThanOrEqual(20_000);
  });
});

describe('a damaged record', () => {
  it('is named, counted and told of, and gone when it is put again', async () => {
    const bench = await Bench.open();
    await bench.storeCold('k', recordOf(1));
    const stored = (await bench.engine.get(recordKey(1, 'k')))!;
    stored[25]! ^= 1;
    await bench.engine.batch([{ type: 'put', key: recordKey(1, 'k'), value: stored }]);
    const named = {
      code: 'DKV_CORRUPT_RECORD',
      message: expect.stringMatching(/"k" .*ns.*group 1.*\/data\/n1/) as string,
    };
    await expect(bench.value('k')).rejects.toMatchObject(named);
    await expect(bench.value('k')).rejects.toMatchObject(named);
    await expect(bench.store.scan(1, undefined, 1_000)).rejects.toMatchObject(named);
    expect(bench.store.metrics().corruptRecords).toBe(1);
    expect(bench.logger.errors).toHaveLength(1);
    expect(bench.corrupt).toEqual([1, 1, 1]);
    bench.put('k', recordOf(1));
    expect(await bench.value('k')).toBe('1');
    await bench.store.checkpoint();
    await bench.reopen();
    expect(await bench.value('k')).toBe('1');
  });

  it('may also be met by the engine', async () => {
    const bench = await Bench.open();
    bench.engine.get = async () => {
      throw new Error('Corruption: block checksum mismatch');
    };
    await expect(bench.value('k')).rejects.toMatchObject({ code: 'DKV_CORRUPT_RECORD' });
    expect(bench.corrupt).toEqual([1]);
  });

  it('is one under another key, too', async () => {
    const bench = await Bench.open();
    await bench.storeCold('k', recordOf(1));
    const value = (await bench.engine.get(recordKey(1, 'k')))!;
    await bench.engine.batch([{ type: 'put', key: recordKey(1, 'l'), value }]);
    await expect(bench.value('l')).rejects.toMatchObject({ code: 'DKV_CORRUPT_RECORD' });
  });

  it('of a group’s state stops the start, and names the group', async () => {
    const bench = await Bench.open();
    await bench.storeCold('k', recordOf(1));
    await bench.engine.batch([{ type: 'put', key: stateKey(1), value: Buffer.alloc(30) }]);
    await expect(bench.reopen()).rejects.toMatchObject({
      code: 'DKV_CORRUPT_RECORD',
      message: expect.stringContaining('group 1') as string,
    });
  });
});

describe('the deletion of a group', () => {
  async function filled(): Promise<Bench> {
    const bench = await Bench.open();
    for (let index = 1; index <= 600; index++) {
      bench.put(`key-${index}`, recordOf(index, 5_000));
    }
    bench.put('other', recordOf(1), 2);
    await bench.store.checkpoint();
    bench.put('dirty', recordOf(601));
    bench.engine.batches.length = 0;
    return bench;
  }

  it('leaves the state of the call and nothing else, in memory and in the engine', async () => {
    const bench = await filled();
    bench.applied.set(1, 700);
    const clearing = bench.store.clear(1);
    expect(bench.store.peek(1, 'ns', 'key-1')).toBeNull();
    expect(() => bench.put('k', recordOf(701))).toThrow(TypeError);
    bench.applied.set(1, 999);
    await clearing;
    await bench.reopen();
    expect(bench.store.states.get(1)).toEqual({
      applied: 700,
      generation: 2,
      bytes: Uint8Array.from(Buffer.from('state 700')),
    });
    expect(await bench.store.scan(1, undefined, 1_000)).toEqual({ records: [], done: true });
    expect(await bench.store.expired(1, 1e6, 10)).toEqual([]);
    expect(await bench.value('other', 2)).toBe('1');
    expect(keysIn(bench.store.metrics().usage)).toBe(1);
    expect(bench.engine.batches[0]).toMatchObject({ sync: true, operations: [{ key: stateKey(1) }] });
    expect(bench.engine.batches.at(-1)!.sync).toBe(true);
  });

  it('that is cut short by a crash has its state already, and is done again', async () => {
    const bench = await filled();
    bench.applied.set(1, 700);
    bench.engine.failFrom = 2;
    bench.engine.error = new Error('killed');
    await expect(bench.store.clear(1)).rejects.toMatchObject({ code: 'DKV_STORAGE_FAILED' });
    expect(await bench.value('key-1')).toBeUndefined();
    bench.engine = await bench.engine.survivor();
    await bench.reopen();
    expect(bench.store.states.get(1)?.applied).toBe(700);
    await bench.store.clear(1);
    expect((await bench.store.scan(1, undefined, 1_000)).records).toEqual([]);
  });

  it('makes a read under way find nothing', async () => {
    const bench = await Bench.open();
    await bench.storeCold('k', recordOf(1));
    let release!: () => void;
    bench.engine.readStall = new Promise((resolve) => (release = resolve));
    const reading = bench.value('k');
    await microtasks();
    const clearing = bench.store.clear(1);
    release();
    expect(await reading).toBeUndefined();
    await clearing;
    expect(await bench.value('k')).toBeUndefined();
  });
});

describe('a record', () => {
  it('shares no bytes with what was put', async () => {
    const bench = await Bench.open();
    const record = recordOf(1);
    bench.put('k', record);
    record.value.fill(0);
    expect(await bench.value('k')).toBe('1');
  });

  it('belongs to one group', async () => {
    const bench = await Bench.open();
    bench.put('k', recordOf(1));
    expect(bench.store.peek(2, 'ns', 'k')).toBeUndefined();
    expect(await bench.value('k', 2)).toBeUndefined();
    expect(() => bench.put('k', recordOf(1), 2)).toThrow(TypeError);
  });
});
