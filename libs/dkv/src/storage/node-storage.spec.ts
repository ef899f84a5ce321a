/** What a node finds after a start: what older and newer generations have written, and what a crash has left. */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { CapturedLog } from '../../testing/captured-log.js';
import { Incarnation } from '../../testing/simulation/incarnation.js';
import { SimClock } from '../../testing/simulation/sim-clock.js';
import { SimDisk } from '../../testing/simulation/sim-disk.js';
import { SimFolder } from '../../testing/simulation/sim-folder.js';
import { SimRandom } from '../../testing/simulation/sim-random.js';
import { SimScheduler } from '../../testing/simulation/sim-scheduler.js';
import { simStorageHome } from '../../testing/simulation/sim-storage-home.js';
import { SimTrace } from '../../testing/simulation/trace.js';
import { type LogDurability } from './log/log-writer.js';
import { NodeStorage, type NodeStorageOptions } from './node-storage.js';

const MIB = 1024 * 1024;
const IDENTITY = { nodeId: 'a', partitions: 4, hashFunc: 'md5' };
const DATA = Uint8Array.of(1);

let scheduler: SimScheduler;
let disk: SimDisk;
let folder: SimFolder;
let boot: number;

beforeEach(() => {
  scheduler = new SimScheduler();
  const common = { scheduler, trace: new SimTrace({ linesMax: 0 }), name: 'a' };
  disk = new SimDisk({ ...common, random: new SimRandom('disk') });
  folder = new SimFolder({ ...common, random: new SimRandom('folder') });
  boot = 1;
});

interface Run {
  readonly storage: NodeStorage;
  readonly process: Incarnation;
}

async function open(options: Partial<NodeStorageOptions> = {}): Promise<Run> {
  const process = new Incarnation('a', 1);
  const home = simStorageHome(disk, folder, process, () => `boot ${boot}`);
  const opening = NodeStorage.open(home, IDENTITY, {
    durability: 'wal',
    clock: new SimClock(scheduler, process),
    logger: new CapturedLog(),
    pendingBytesMax: MIB,
    cacheBytesMax: 0,
    dirtyBytesMax: MIB,
    checkpointIntervalMs: 1_000,
    logBytesMax: MIB,
    reserveBytes: 0,
    ...options,
  });
  return { storage: await scheduler.settle(opening), process };
}

function losePower({ process }: Run): void {
  process.kill();
  disk.losePower();
  folder.losePower();
  boot++;
}

async function again({ storage, process }: Run): Promise<Run> {
  await scheduler.settle(storage.close());
  process.kill();
  return open();
}

const flushed = ({ storage }: Run) =>
  scheduler.settle(
    new Promise<void>((resolve, reject) => storage.log.flush((error) => (error ? reject(error) : resolve()))),
  );

describe('of a group in the log', () => {
  it('a newer generation makes void all before it, and nothing of an older one counts behind it', async () => {
    let run = await open();
    const { log } = run.storage;
    log.addHardState(2, { generation: 1, term: 4, vote: 'a@1' });
    [1, 2, 3].forEach((index) => log.addEntry(2, 1, 4, index, 'operations', DATA));
    log.addHardState(2, { generation: 2, term: 5, vote: '' });
    log.addEntry(2, 1, 9, 4, 'operations', DATA);
    log.addHardState(2, { generation: 1, term: 9, vote: 'b@1' });
    log.addReset(2, 1, 8, 9);
    await flushed(run);
    run = await again(run);
    expect(run.storage.groups.get(2)).toMatchObject({ generation: 2, entries: [], resetAt: 0 });
    expect(run.storage.groups.get(2)!.hardState).toEqual({ generation: 2, term: 5, vote: '' });
    run.storage.log.addEntry(2, 3, 6, 7, 'operations', DATA);
    await flushed(run);
    run = await again(run);
    expect(run.storage.groups.get(2)).toMatchObject({ generation: 3, hardState: undefined });
    expect(run.storage.groups.get(2)!.entries.map(({ index }) => index)).toEqual([7]);
  });

  it('is what the store does not show, and the last entries that it does', async () => {
    let run = await open();
    const { log, strong } = run.storage;
    const add = (group: number, generation: number, ...indexes: readonly number[]) =>
      indexes.forEach((index) =>
        log.addEntry(group, generation, 4, index, 'operations', Buffer.from([index])),
      );
    [2, 3, 4].forEach((group) => add(group, 1, 1, 2, 3, 4, 5));
    strong.attach(
      () => ({ applied: 3, generation: 1, bytes: DATA }),
      () => undefined,
    );
    [2, 3, 4].forEach((group) => strong.touch(group));
    await scheduler.settle(run.storage.checkpoint());
    // Overwritten, as by a leader that had not committed it; of a generation that the store does not show.
    add(3, 1, 2);
    add(4, 2, 1, 2, 3, 4);
    await flushed(run);
    run = await again(run);
    const entriesOf = (group: number) =>
      run.storage.groups.get(group)!.entries.map(({ index, data }) => [index, ...data]);
    expect(entriesOf(2)).toEqual([1, 2, 3, 4, 5].map((index) => [index, index]));
    expect(entriesOf(3)).toEqual([1, 2].map((index) => [index, index]));
    expect(entriesOf(4)).toEqual([1, 2, 3, 4].map((index) => [index, index]));
  });

  it('is kept whole where the log is longer than what is read of it at a time', async () => {
    let run = await open();
    const sizes = [10, 700_000, 700_000, 10];
    for (const [at, size] of sizes.entries()) {
      run.storage.log.addEntry(2, 1, 4, at + 1, 'operations', Buffer.alloc(size, at + 1));
      await flushed(run);
    }
    run = await again(run);
    const datas = run.storage.groups.get(2)!.entries.map(({ data }) => data);
    expect(datas.every((data, at) => Buffer.alloc(sizes[at]!, at + 1).equals(data))).toBe(true);
  });
});

describe('a crash of the machine under wal', () => {
  it('is found out again by the next start where the node did not come to say so durably', async () => {
    let run = await open();
    run.storage.log.addEntry(2, 1, 1, 1, 'operations', DATA);
    await flushed(run);
    losePower(run);
    run = await open();
    expect(run.storage.forgot).toContain('the machine went down');
    // It is closed in order, but was never another voter.
    run = await again(run);
    expect(run.storage.forgot).toContain('the machine went down');
    await scheduler.settle(run.storage.acceptForgetting());
    run = await again(run);
    expect(run.storage.forgot).toBeUndefined();
  });

  it('is found out where the node is started with fsync, too', async () => {
    const run = await open({ durability: 'wal' });
    losePower(run);
    expect((await open({ durability: 'fsync' })).storage.forgot).toContain('the machine went down');
  });

  it('has not happened where the node ran with fsync', async () => {
    const run = await open({ durability: 'fsync' });
    losePower(run);
    expect((await open({ durability: 'wal' })).storage.forgot).toBeUndefined();
  });
});

describe('a segment that a process killed under wal had not synced', () => {
  const COUNT = 12;

  /** Opened again in the same boot: the kernel has all of it. */
  async function openedAfterKill(durability: LogDurability): Promise<Run> {
    // No operation that is under way at a kill has an effect, and nothing unsynced survives a loss of power.
    for (const { random } of [disk, folder]) {
      vi.spyOn(random, 'chance').mockReturnValue(false);
      vi.spyOn(random, 'int').mockReturnValue(0);
    }
    const run = await open({ durability: 'wal', segmentBytesMax: 4_096 });
    folder.setFaults({ syncDelay: { minMs: 60_000, meanMs: 60_000, maxMs: 60_000 } });
    for (let index = 1; index <= COUNT; index++) {
      run.storage.log.addEntry(2, 1, 1, index, 'operations', Buffer.alloc(500));
      await flushed(run);
    }
    run.process.kill();
    folder.heal();
    return open({ durability });
  }

  function expectAllThere({ storage }: Run): void {
    expect(storage.forgot).toBeUndefined();
    expect(storage.groups.get(2)!.entries).toHaveLength(COUNT);
  }

  it('is on the disk once the next run has stopped in order', async () => {
    const run = await openedAfterKill('wal');
    await scheduler.settle(run.storage.close());
    losePower(run);
    expectAllThere(await open());
  });

  it('is on the disk once the next run has begun with fsync', async () => {
    const run = await openedAfterKill('fsync');
    losePower(run);
    expectAllThere(await open());
  });
});
