import { describe, expect, it } from 'vitest';
import { CapturedLog } from '../../testing/captured-log.js';
import { FakeNodeLog } from '../../testing/fake-node-log.js';
import { FaultyStoreEngine } from '../../testing/faulty-store-engine.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { microtasks } from '../../testing/microtasks.js';
import { FailStopEngine } from './engines/fail-stop-engine.js';
import { Checkpointer } from './checkpointer.js';
import { LoggedEngine } from './logged-engine.js';
import { StrongRecords } from './strong/strong-records.js';

const INTERVAL_MS = 30_000;

class Bench {
  readonly disk = new FaultyStoreEngine();
  readonly engine = new FailStopEngine(this.disk);
  readonly log = new FakeNodeLog();
  readonly logger = new CapturedLog();
  readonly clock = new ManualClock();
  checkpointer!: Checkpointer;
  logged!: LoggedEngine;
  records!: StrongRecords;
  private index = 0;

  static async open(): Promise<Bench> {
    const bench = new Bench();
    const { engine, log, logger, clock } = bench;
    const where = '/data/n1';
    const due = { checkpointBytes: 10_000, onCheckpointDue: () => bench.checkpointer.ask() };
    bench.logged = await LoggedEngine.open({ ...due, engine, log, where, overlayBytesMax: 100_000 });
    bench.records = await StrongRecords.open({
      ...due,
      engine,
      log,
      logger,
      where,
      cacheBytesMax: 100_000,
      dirtyBytesMax: 100_000,
    });
    bench.records.attach(
      () => ({ applied: bench.index, generation: 1, bytes: Buffer.alloc(0) }),
      () => undefined,
    );
    const { logged, records } = bench;
    const bounds = { intervalMs: INTERVAL_MS, logBytesMax: 1_000_000 };
    bench.checkpointer = new Checkpointer({ ...bounds, logged, records, log, engine, clock, logger, where });
    bench.checkpointer.start();
    return bench;
  }

  put(bytes = 10): void {
    this.index++;
    this.log.addEntry(1, 1, 1, this.index, 'operations', Buffer.alloc(bytes));
    this.log.flush(() => undefined);
    const value = Buffer.alloc(bytes);
    const record = { generation: 1, index: this.index, expiresAtMs: 0, modifiedMs: 0, value };
    this.records.put(1, 'ns', 'k', record);
  }

  async passMs(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 500) {
      this.clock.advance(500);
      await microtasks();
    }
  }

  hold(): () => void {
    let release!: () => void;
    this.disk.stall = new Promise((resolve) => (release = resolve));
    return () => {
      this.disk.stall = undefined;
      release();
    };
  }
}

describe('checkpoints', () => {
  it('come once as soon as the disk becomes full, whoever found that', async () => {
    const bench = await Bench.open();
    for (let times = 1; times <= 2; times++) {
      bench.put();
      bench.log.isDiskFull = true;
      await bench.passMs(1_500);
      expect(bench.disk.batches).toHaveLength(times);
      bench.put();
      await bench.passMs(5_000);
      expect(bench.disk.batches).toHaveLength(times);
      bench.log.isDiskFull = false;
      await bench.passMs(1_500);
    }
  });

  it('come by time, if anything changed, and let the log go', async () => {
    const bench = await Bench.open();
    await bench.passMs(2 * INTERVAL_MS);
    expect(bench.disk.batches).toHaveLength(0);
    bench.put();
    await bench.logged.batch([{ type: 'put', key: Buffer.from('a'), value: Buffer.from('b') }]);
    await bench.passMs(2_000);
    expect(bench.log.releases).toHaveLength(1);
    expect(bench.log.releases[0]!.indexOf(1)).toBe(1);
    expect(bench.log.releases[0]!.indexOf(2)).toBe(0);
    expect(bench.log.releases[0]!.batchesUpTo).toBe(bench.log.position);
    bench.put();
    await bench.passMs(INTERVAL_MS - 2_000);
    expect(bench.log.releases).toHaveLength(1);
    await bench.passMs(3_000);
    expect(bench.log.releases).toHaveLength(2);
    await bench.passMs(2 * INTERVAL_MS);
    expect(bench.log.releases).toHaveLength(2);
    await bench.checkpointer.stop();
    expect(bench.clock.pendingTimers).toBe(0);
  });

  it('come by bytes in memory, at once', async () => {
    const bench = await Bench.open();
    bench.put(20_000);
    await microtasks();
    expect(bench.log.releases).toHaveLength(1);
    await bench.logged.batch([{ type: 'put', key: Buffer.from('a'), value: Buffer.alloc(20_000) }]);
    await microtasks();
    expect(bench.log.releases).toHaveLength(2);
  });

  it('come by bytes of the log', async () => {
    const bench = await Bench.open();
    await bench.checkpointer.run();
    for (let count = 0; count < 1_000; count++) {
      bench.put(1_000);
    }
    expect(bench.log.releases).toHaveLength(1);
    await bench.passMs(1_000);
    expect(bench.log.releases).toHaveLength(2);
  });

  it('release the log only after a synced batch', async () => {
    const bench = await Bench.open();
    bench.put();
    const release = bench.hold();
    const running = bench.checkpointer.run();
    await microtasks();
    expect(bench.log.releases).toHaveLength(0);
    release();
    await running;
    expect(bench.disk.batches.at(-1)!.sync).toBe(true);
    expect(bench.log.releases).toHaveLength(1);
  });

  it('never run two at a time, and one that is asked for meanwhile has what changed since', async () => {
    const bench = await Bench.open();
    bench.put();
    const release = bench.hold();
    const first = bench.checkpointer.run();
    await microtasks();
    bench.put();
    const [second, third] = [bench.checkpointer.run(), bench.checkpointer.run()];
    await microtasks();
    release();
    await Promise.all([first, second, third]);
    expect(bench.disk.batches).toHaveLength(2);
    expect(bench.log.releases.map(({ batchesUpTo }) => batchesUpTo)).toHaveLength(2);
    expect(bench.records.states.get(1)!.applied).toBe(2);
  });

  it('are tried again on a full disk, later and later, and the log stays until one succeeds', async () => {
    const bench = await Bench.open();
    bench.put();
    bench.disk.error = new Error('IO error: No space left on device: While appending to file');
    await expect(bench.checkpointer.run()).rejects.toMatchObject({ code: 'DKV_STORAGE_FAILED' });
    expect(bench.checkpointer.failure?.code).toBe('DKV_STORAGE_FAILED');
    await bench.passMs(10_000);
    expect(bench.logger.errors).toHaveLength(1);
    expect(bench.log.releases).toHaveLength(0);
    expect(bench.records.peek(1, 'ns', 'k')).not.toBeNull();
    bench.disk.error = undefined;
    await bench.passMs(INTERVAL_MS);
    expect(bench.checkpointer.failure).toBeUndefined();
    expect(bench.log.releases).toHaveLength(1);
  });

  it('end with a failed sync', async () => {
    const bench = await Bench.open();
    bench.put();
    bench.disk.error = new Error('IO error: While fsync: Input/output error');
    await expect(bench.checkpointer.run()).rejects.toThrow();
    bench.disk.error = undefined;
    await bench.passMs(2 * INTERVAL_MS);
    await expect(bench.checkpointer.run()).rejects.toMatchObject({ code: 'DKV_STORAGE_FAILED' });
    expect(bench.disk.batches).toHaveLength(0);
    expect(bench.log.releases).toHaveLength(0);
    expect(bench.logger.errors[0]).toMatch(/No other is made until this node is started again/);
  });

  it('end with a failed sync of whatever else was written, though nothing waits to be', async () => {
    const bench = await Bench.open();
    bench.disk.error = new Error('IO error: While fsync: Input/output error');
    await expect(bench.records.clear(1)).rejects.toThrow();
    bench.disk.error = undefined;
    await expect(bench.checkpointer.run()).rejects.toMatchObject({ code: 'DKV_STORAGE_FAILED' });
    expect(bench.log.releases).toHaveLength(0);
  });
});

it('tells how old the last checkpoint is while there is something that it has not, and 0 else', async () => {
  const bench = await Bench.open();
  await bench.passMs(5_000);
  expect(bench.checkpointer.ageMs).toBe(0);
  bench.put();
  await bench.passMs(7_000);
  expect(bench.checkpointer.ageMs).toBe(12_000);
  await bench.checkpointer.run();
  expect(bench.checkpointer.ageMs).toBe(0);
});
