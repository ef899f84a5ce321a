/** What a reopened log holds: everything that was acknowledged, in order, and nothing else. */
import { describe, expect, it } from 'vitest';
import { LogMachine } from '../../../testing/simulation/log-machine.js';
import { HEADER_BYTES } from './log-records.js';

const TINY = { segmentBytesMax: 300 };

/** `count` entries of group 1, one an append, from `from` on. */
async function fill(machine: LogMachine, from: number, count: number): Promise<void> {
  for (let index = from; index < from + count; index++) {
    expect(await machine.append(1, index, `value ${index}`)).toBe('ok');
  }
}

const entries = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, at) => `operations 1 1/${from + at} value ${from + at}`);

describe.each(['wal', 'fsync'] as const)('a log under %s', (durability) => {
  it('holds after reopening what was appended, in order and as it was', async () => {
    const machine = await new LogMachine({ durability }).open();
    machine.log.addHardState(3, { generation: 1, term: 7, vote: 'b@ü' });
    machine.log.addEntry(3, 1, 2 ** 47, 2 ** 46 + 1, 'configuration', Buffer.from('c'));
    machine.log.addEntry(4, 0, 1, 1, 'empty', new Uint8Array());
    machine.log.addReset(5, 2, 2 ** 40, 9);
    const first = machine.log.addBatch(Buffer.from('one'));
    const second = machine.log.addBatch(Buffer.from('two'));
    expect(await machine.flush()).toBe('ok');
    expect(second).toBeGreaterThan(first);
    expect(machine.log.durablePosition).toBeGreaterThanOrEqual(second);
    const { position } = machine.log;
    await machine.open();
    expect(machine.replayed).toEqual([
      'vote 3 7 b@ü',
      `configuration 3 ${2 ** 47}/${2 ** 46 + 1} c`,
      'empty 4 1/1 ',
      `reset 5 9/${2 ** 40}`,
      `batch ${first} one`,
      `batch ${second} two`,
    ]);
    expect(machine.end).toEqual({ position, tornBytes: 0, forgot: undefined });
    expect(machine.log.addBatch(Buffer.from('three'))).toBeGreaterThan(second);
  });

  it('goes over segments, and copies what it is given', async () => {
    const machine = await new LogMachine({ durability, ...TINY }).open();
    const data = Buffer.from('value 1');
    machine.log.addEntry(1, 0, 1, 1, 'operations', data);
    data.fill(0);
    expect(await machine.flush()).toBe('ok');
    await fill(machine, 2, 20);
    expect(machine.segments.length).toBeGreaterThan(4);
    await machine.do(machine.log.close());
    await machine.open();
    expect(machine.replayed).toEqual(entries(1, 21));
    await fill(machine, 22, 3);
    await machine.open();
    expect(machine.replayed).toEqual(entries(1, 24));
  });

  it('puts what is flushed during a write into one append, and tells in order', async () => {
    const machine = await new LogMachine({ durability }, 1, { inlineWriteRate: 0 }).open();
    const told: number[] = [];
    for (let index = 1; index <= 50; index++) {
      machine.add(1, index, `value ${index}`);
      machine.log.flush(() => told.push(index));
    }
    machine.add(1, 51, 'not flushed');
    expect(await machine.flush()).toBe('ok');
    expect(told).toEqual(Array.from({ length: 50 }, (_, at) => at + 1));
    expect(machine.trace.tail().filter((line) => line.includes('write n1 log-'))).toHaveLength(3);
    await machine.open();
    expect(machine.replayed).toHaveLength(51);
  });
});

describe('flush', () => {
  it('refuses what is beyond the bytes that may wait, in its turn, and nothing of it is in the log', async () => {
    const machine = await new LogMachine({ pendingBytesMax: 100 }, 1, { inlineWriteRate: 0 }).open();
    const told: string[] = [];
    const flush = (name: string) => machine.flushed().then((how) => void told.push(`${name} ${how}`));
    machine.add(1, 1, 'a'.repeat(200));
    const alone = flush('a');
    machine.add(1, 2, 'b');
    const refused = flush('b');
    // Added before that by somebody else, and dropped with it.
    const other = flush('nothing');
    await machine.do(Promise.all([alone, refused, other]));
    expect(told).toEqual(['a ok', 'b DKV_OVERLOADED', 'nothing DKV_OVERLOADED']);
    expect(await machine.append(1, 2, 'c')).toBe('ok');
    await machine.open();
    expect(machine.replayed.map((line) => line.at(-1))).toEqual(['a', 'c']);
  });

  it('goes on after a callback that throws, and says so', async () => {
    const machine = await new LogMachine().open();
    machine.add(1, 1, 'a');
    machine.log.flush(() => {
      throw new Error('of the caller');
    });
    expect(await machine.append(1, 2, 'b')).toBe('ok');
    expect(machine.logger.errors.join()).toContain('of the caller');
  });

  it('takes what a callback adds', async () => {
    const machine = await new LogMachine().open();
    machine.add(1, 1, 'a');
    const nested = new Promise<string>((resolve) => {
      machine.log.flush(() => {
        machine.add(1, 2, 'b');
        void machine.flushed().then(resolve);
      });
    });
    expect(await machine.do(nested)).toBe('ok');
  });

  it('has one write or sync under way at a time, and says that a sync is not yet durable', async () => {
    const machine = await new LogMachine({}, 1, { inlineWriteRate: 1 }).open();
    const before = machine.log.durablePosition;
    machine.add(1, 1, 'a');
    const flushed = machine.flushed();
    expect(machine.log.position).toBeGreaterThan(before);
    expect(machine.log.durablePosition).toBe(before);
    await machine.do(flushed);
    expect(machine.log.durablePosition).toBe(machine.log.position);
  });

  it('is refused when the log is closed', async () => {
    const machine = await new LogMachine().open();
    await machine.do(machine.log.close());
    machine.add(1, 1, 'a');
    expect(await machine.flushed()).toBe('DKV_NOT_READY');
  });

  it('writes an append larger than the window of replay', async () => {
    const machine = await new LogMachine().open();
    const large = 'x'.repeat(3_000_000);
    machine.add(1, 1, large);
    machine.add(1, 2, 'y');
    expect(await machine.flush()).toBe('ok');
    await machine.open();
    expect(machine.replayed).toEqual([`operations 1 1/1 ${large}`, 'operations 1 1/2 y']);
  });
});

describe('release', () => {
  const upTo = (index: number, batchesUpTo = 0) => ({ indexOf: () => index, batchesUpTo });

  it('deletes whole segments, oldest first, of which everything is covered', async () => {
    const machine = await new LogMachine(TINY).open();
    await fill(machine, 1, 20);
    const before = machine.segments;
    const { bytes } = machine.log;
    machine.log.release(upTo(10));
    await machine.scheduler.runFor(100);
    const after = machine.segments;
    expect(after.length).toBeLessThan(before.length);
    expect(before.slice(-after.length)).toEqual(after);
    expect(machine.log.bytes).toBeLessThan(bytes);
    await machine.open();
    const first = Number(/\/(\d+)/.exec(machine.replayed[0]!)![1]);
    expect(first).toBeGreaterThan(1);
    expect(first).toBeLessThanOrEqual(11);
    expect(machine.replayed).toEqual(entries(first, 20));
  });

  it('never deletes the segment that is appended to', async () => {
    const machine = await new LogMachine(TINY).open();
    await fill(machine, 1, 20);
    machine.log.release(upTo(1_000));
    await machine.scheduler.runFor(100);
    expect(machine.segments).toHaveLength(1);
    await fill(machine, 21, 20);
  });

  it('keeps a batch that is not in the store, and names no group for it', async () => {
    const machine = await new LogMachine(TINY).open();
    const number = machine.log.addBatch(Buffer.from('hint'));
    await fill(machine, 1, 20);
    const before = machine.segments;
    machine.log.release(upTo(1_000, number - 1));
    await machine.scheduler.runFor(100);
    expect(machine.segments).toEqual(before);
    expect(machine.log.pinnedGroups()).toEqual([]);
    machine.log.release(upTo(1_000, number));
    await machine.scheduler.runFor(100);
    expect(machine.segments).toHaveLength(1);
  });

  it('names the groups that keep the oldest, which adding their tail again frees', async () => {
    const machine = await new LogMachine(TINY).open();
    await machine.append(2, 7, 'uncommitted');
    await machine.append(2, 8, 'uncommitted');
    await machine.append(3, 7, 'uncommitted');
    await fill(machine, 1, 20);
    const coverage = { indexOf: (group: number) => (group === 1 ? 1_000 : 6), batchesUpTo: 0 };
    machine.log.release(coverage);
    expect(machine.log.pinnedGroups()).toEqual([2, 3]);
    machine.add(2, 7, 'uncommitted');
    machine.add(2, 8, 'uncommitted');
    machine.add(3, 7, 'uncommitted');
    await machine.flush();
    machine.log.release(coverage);
    expect(machine.log.pinnedGroups()).toEqual([]);
    await machine.scheduler.runFor(100);
    await machine.open();
    expect(machine.replayed.filter((line) => line.startsWith('operations 2'))).toHaveLength(2);
  });

  it('needs no entries any more that a snapshot took the place of, but the reset', async () => {
    const machine = await new LogMachine(TINY).open();
    await machine.append(2, 7, 'old');
    await machine.append(2, 8, 'old');
    machine.log.addReset(2, 0, 5, 3);
    await fill(machine, 1, 20);
    const upToFive = { indexOf: (group: number) => (group === 2 ? 5 : 1_000), batchesUpTo: 0 };
    machine.log.release({ ...upToFive, indexOf: (group) => (group === 2 ? 4 : 1_000) });
    expect(machine.log.pinnedGroups()).toEqual([2]);
    machine.log.addReset(2, 0, 5, 3);
    await machine.flush();
    machine.log.release(upToFive);
    expect(machine.log.pinnedGroups()).toEqual([]);
  });

  it('needs nothing of a group that was given up, and keeps its vote', async () => {
    const upTo = (index: number) => ({
      indexOf: (group: number) => (group === 2 ? index : 1_000),
      batchesUpTo: 0,
    });
    const machine = await new LogMachine(TINY).open();
    await machine.append(2, 7, 'old');
    await fill(machine, 1, 20);
    // Some of it in the segment in which it ends, too.
    await machine.append(2, 10, 'old');
    machine.log.addHardState(2, { generation: 0, term: 4, vote: 'c@1' });
    machine.log.release(upTo(6));
    expect(machine.log.pinnedGroups()).toEqual([2]);
    machine.log.addReset(2, 0, 9, 4);
    await machine.flush();
    await fill(machine, 21, 40);
    machine.log.release(upTo(9));
    expect(machine.log.pinnedGroups()).toEqual([]);
    await machine.scheduler.runFor(100);
    expect(machine.segments).toHaveLength(1);
    await machine.open();
    expect(machine.replayed.filter((line) => / 2 /.test(line))).toEqual(['vote 2 4 c@1']);
  });

  it('keeps what an entry that is not durable would void', async () => {
    const machine = await new LogMachine(TINY).open();
    await machine.append(2, 7, 'acknowledged');
    await fill(machine, 1, 20);
    const before = machine.segments;
    machine.folder.setFaults({ stalled: true });
    machine.add(2, 7, 'of the next term', 2);
    machine.log.flush(() => undefined);
    machine.log.release({ indexOf: (group) => (group === 2 ? 6 : 0), batchesUpTo: 0 });
    expect(machine.log.pinnedGroups()).toContain(2);
    expect(machine.segments).toEqual(before);
  });

  it('keeps the vote of an idle group whose segment is deleted', async () => {
    const machine = await new LogMachine(TINY).open();
    machine.log.addHardState(9, { generation: 0, term: 4, vote: 'c@1' });
    await machine.flush();
    await fill(machine, 1, 40);
    machine.log.release(upTo(1_000));
    await machine.scheduler.runFor(100);
    expect(machine.segments).toHaveLength(1);
    await machine.open();
    expect(machine.replayed[0]).toBe('vote 9 4 c@1');
    // And again, from the table that replay made.
    await fill(machine, 41, 40);
    machine.log.release(upTo(1_000));
    await machine.scheduler.runFor(100);
    await machine.open();
    expect(machine.replayed[0]).toBe('vote 9 4 c@1');
  });

  it('during a deletion waits for the next one, also over a crash', async () => {
    for (let seed = 0; seed < 30; seed++) {
      const machine = await new LogMachine(TINY, `again ${seed}`).open();
      await fill(machine, 1, 30);
      machine.log.release(upTo(15));
      await machine.scheduler.runFor(seed / 20);
      machine.log.release(upTo(28));
      await machine.scheduler.runFor(10);
      await machine.open();
      expect(machine.end.forgot).toBeUndefined();
      expect(machine.replayed.slice(-2)).toEqual(entries(29, 30));
    }
  });

  it('does nothing that a crash in the middle could turn into damage', async () => {
    for (let seed = 0; seed < 40; seed++) {
      const machine = await new LogMachine(TINY, `release ${seed}`).open();
      await fill(machine, 1, 40);
      machine.log.release(upTo(35));
      await machine.scheduler.runFor(seed / 10);
      machine.kill();
      machine.folder.losePower();
      await machine.open();
      expect(machine.end.forgot).toBeUndefined();
      expect(machine.replayed.slice(-6)).toEqual(entries(35, 40));
    }
  });
});

describe('numbers of batches', () => {
  it('rise, also while appends are under way, and stay within the log', async () => {
    const machine = await new LogMachine(TINY).open();
    const numbers: number[] = [];
    for (let round = 0; round < 30; round++) {
      numbers.push(machine.log.addBatch(Buffer.from('b')), machine.log.addBatch(Buffer.alloc(100)));
      machine.log.flush(() => undefined);
      await machine.scheduler.runFor((round % 4) / 4);
    }
    await machine.flush();
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
    expect(numbers.at(-1)).toBeLessThanOrEqual(machine.log.position);
    await machine.open();
    expect(machine.replayed.map((line) => Number(line.split(' ')[1]))).toEqual(numbers);
    expect(machine.log.addBatch(Buffer.from('b'))).toBeGreaterThan(numbers.at(-1)!);
  });
});

describe('positions', () => {
  it('go on above the floor that is given, with the log before them', async () => {
    const machine = await new LogMachine().open();
    await fill(machine, 1, 3);
    const { position } = machine.log;
    await machine.open({ positionFloor: 1_000_000 });
    expect(machine.end.position).toBe(position);
    expect(machine.log.position).toBeGreaterThan(1_000_000);
    expect(machine.log.addBatch(Buffer.from('b'))).toBeGreaterThan(1_000_000);
    await fill(machine, 4, 2);
    await machine.open();
    expect(machine.end.forgot).toBeUndefined();
    expect(machine.replayed.filter((line) => line.startsWith('op'))).toEqual(entries(1, 5));
  });

  it('count every byte of the segments', async () => {
    const machine = await new LogMachine(TINY).open();
    expect(machine.log.position).toBeGreaterThan(HEADER_BYTES);
    await fill(machine, 1, 20);
    expect(machine.log.bytes).toBe(machine.log.position);
  });
});
