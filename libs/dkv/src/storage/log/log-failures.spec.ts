/** What happens when a write or a sync fails: rules 2 and 6 of the strong mode. */
import { describe, expect, it } from 'vitest';
import { LogMachine } from '../../../testing/simulation/log-machine.js';
import { FailedSyncError, passes } from './log-errors.js';

const failing = (code: string) => Object.assign(new Error(code), { code });

it.each([
  ['ENOSPC', true],
  ['EDQUOT', true],
  ['EMFILE', true],
  ['ENFILE', true],
  ['EAGAIN', true],
  ['EIO', false],
  ['EROFS', false],
])('%s passes: %s, and never when a sync ended so', (code, expected) => {
  expect(passes(failing(code))).toBe(expected);
  expect(passes(new FailedSyncError(failing(code)))).toBe(false);
});

describe('a full disk', () => {
  it('refuses until there is room, then takes appends again; what failed is not in the log', async () => {
    const machine = await new LogMachine().open();
    expect(await machine.append(1, 1, 'a')).toBe('ok');
    machine.folder.setFaults({ capacityBytes: machine.folder.bytes + 30 });
    const { position } = machine.log;
    expect(await machine.append(1, 2, 'failed')).toBe('DKV_STORAGE_FAILED');
    expect(machine.log.failure?.message).toContain('ENOSPC');
    expect(await machine.append(1, 2, 'refused')).toBe('DKV_READ_ONLY');
    machine.folder.setFaults({ capacityBytes: Infinity });
    await machine.scheduler.runFor(1_500);
    expect(machine.log.failure).toBeUndefined();
    expect(machine.log.position).toBeGreaterThan(position);
    expect(await machine.append(1, 2, 'b')).toBe('ok');
    await machine.open();
    expect(machine.replayed).toEqual(['operations 1 1/1 a', 'operations 1 1/2 b']);
  });

  /** With a reserve, and no room beside it. */
  async function fullMachine(): Promise<LogMachine> {
    const machine = await new LogMachine({ reserveBytes: 20_000 }).open();
    // Nobody waits for it at the start.
    await machine.scheduler.runFor(500);
    machine.folder.setFaults({ capacityBytes: machine.folder.bytes });
    expect(await machine.append(1, 1, 'a')).toBe('DKV_STORAGE_FAILED');
    await machine.scheduler.runFor(500);
    return machine;
  }

  it('gets the reserve, in whose room appends go on; it is made anew once there is room', async () => {
    const machine = await fullMachine();
    expect([machine.log.failure, machine.log.isDiskFull]).toEqual([undefined, true]);
    expect(await machine.append(1, 1, 'in the room of the reserve')).toBe('ok');
    // What a checkpoint can now use: it stays, however long the disk is full.
    await machine.scheduler.runFor(5_000);
    expect(machine.folder.faults.capacityBytes - machine.folder.bytes).toBeGreaterThan(15_000);
    expect(machine.log.isDiskFull).toBe(true);
    machine.folder.setFaults({ capacityBytes: machine.folder.bytes + 25_000 });
    await machine.scheduler.runFor(1_500);
    expect([machine.log.failure, machine.log.isDiskFull]).toEqual([undefined, false]);
    expect(machine.folder.names.get('log-reserve')!.content).toHaveLength(20_000);
    await machine.open();
    expect(machine.replayed).toEqual(['operations 1 1/1 in the room of the reserve']);
  });

  it('takes nothing once the room of the reserve is used up, until there is more', async () => {
    const machine = await fullMachine();
    expect(await machine.append(1, 1, 'x'.repeat(9_000))).toBe('ok');
    expect(await machine.append(1, 2, 'x'.repeat(9_000))).toBe('DKV_STORAGE_FAILED');
    await machine.scheduler.runFor(5_000);
    expect(await machine.append(1, 2, 'y')).toBe('DKV_READ_ONLY');
    machine.folder.heal();
    await machine.scheduler.runFor(1_500);
    expect([machine.log.failure, machine.log.isDiskFull]).toEqual([undefined, false]);
    expect(await machine.append(1, 2, 'y')).toBe('ok');
  });

  it('is told by others, too: the reserve goes, though no append has failed', async () => {
    const machine = await new LogMachine({ reserveBytes: 10_000 }).open();
    await machine.scheduler.runFor(500);
    machine.folder.setFaults({ capacityBytes: machine.folder.bytes });
    machine.log.noteFull();
    await machine.scheduler.runFor(100);
    expect([machine.log.failure, machine.log.isDiskFull]).toEqual([undefined, true]);
    expect(machine.folder.names.has('log-reserve')).toBe(false);
    expect(await machine.append(1, 1, 'a')).toBe('ok');
  });

  it('at a start lets the node come up to read', async () => {
    const machine = await new LogMachine().open();
    await machine.append(1, 1, 'a');
    await machine.do(machine.log.close());
    machine.folder.setFaults({ capacityBytes: machine.folder.bytes });
    await machine.open({ reserveBytes: 10_000 });
    await machine.scheduler.runFor(500);
    expect(machine.replayed).toEqual(['operations 1 1/1 a']);
    expect([machine.log.failure, machine.log.isDiskFull]).toEqual([undefined, true]);
    expect(machine.logger.warnings.join()).toContain('no room for a reserve of 10000 bytes');
    machine.folder.setFaults({ capacityBytes: machine.folder.bytes + 5_000 });
    expect(await machine.append(1, 2, 'in the little room that there is')).toBe('ok');
    machine.folder.heal();
    await machine.scheduler.runFor(1_500);
    expect([machine.log.failure, machine.log.isDiskFull]).toEqual([undefined, false]);
  });

  it('does not keep the log from getting over another error that passes', async () => {
    const machine = await new LogMachine({ reserveBytes: 20_000, segmentBytesMax: 200 }).open();
    await machine.scheduler.runFor(500);
    machine.folder.setFaults({ capacityBytes: machine.folder.bytes });
    machine.log.noteFull();
    await machine.scheduler.runFor(500);
    expect(await machine.append(1, 1, 'a'.repeat(150))).toBe('ok');
    machine.folder.setFaults({ openErrorRate: 1 });
    expect(await machine.append(1, 2, 'failed')).toBe('DKV_STORAGE_FAILED');
    await machine.scheduler.runFor(3_000);
    expect(machine.log.failure?.message).toContain('EMFILE');
    machine.folder.setFaults({ openErrorRate: 0 });
    await machine.scheduler.runFor(1_500);
    expect([machine.log.failure, machine.log.isDiskFull]).toEqual([undefined, true]);
    expect(await machine.append(1, 2, 'b')).toBe('ok');
  });

  it('gets the reserve also where it is found while another error is being got over', async () => {
    const machine = await new LogMachine({ reserveBytes: 20_000, segmentBytesMax: 200 }).open();
    await machine.scheduler.runFor(500);
    expect(await machine.append(1, 1, 'a'.repeat(150))).toBe('ok');
    machine.folder.setFaults({ openErrorRate: 1 });
    expect(await machine.append(1, 2, 'failed')).toBe('DKV_STORAGE_FAILED');
    machine.folder.setFaults({ openErrorRate: 0, capacityBytes: machine.folder.bytes });
    await machine.scheduler.runFor(3_000);
    expect([machine.log.failure, machine.log.isDiskFull]).toEqual([undefined, true]);
    expect(await machine.append(1, 2, 'b')).toBe('ok');
  });

  /** With room for a reserve again, which is written and whose sync takes its time. */
  async function makingMachine(): Promise<LogMachine> {
    const machine = await new LogMachine({ reserveBytes: 20_000, durability: 'wal' }).open();
    await machine.scheduler.runFor(500);
    machine.folder.setFaults({ capacityBytes: machine.folder.bytes });
    machine.log.noteFull();
    await machine.scheduler.runFor(500);
    const syncDelay = { minMs: 10_000, meanMs: 10_000, maxMs: 10_000 };
    machine.folder.setFaults({ syncDelay, capacityBytes: machine.folder.bytes + 25_000 });
    await machine.scheduler.runFor(2_000);
    expect(machine.folder.names.get('log-reserve')!.content).toHaveLength(20_000);
    expect(machine.log.isDiskFull).toBe(true);
    return machine;
  }

  it('holds no append back while the reserve is made anew', async () => {
    const machine = await makingMachine();
    expect(await machine.append(1, 1, 'a')).toBe('ok');
    expect(machine.log.isDiskFull).toBe(true);
    await machine.scheduler.runFor(15_000);
    expect([machine.log.failure, machine.log.isDiskFull]).toEqual([undefined, false]);
  });

  it('gets the new reserve, too, where an append fails while that is made', async () => {
    const machine = await makingMachine();
    machine.folder.setFaults({ capacityBytes: machine.folder.bytes });
    expect(await machine.append(1, 1, 'a')).toBe('DKV_STORAGE_FAILED');
    await machine.scheduler.runFor(15_000);
    expect([machine.log.failure, machine.log.isDiskFull]).toEqual([undefined, true]);
    expect(machine.folder.names.has('log-reserve')).toBe(false);
    expect(await machine.append(1, 1, 'a')).toBe('ok');
  });

  it('gets back what half a reserve took', async () => {
    const machine = await new LogMachine({ reserveBytes: 20_000 }, 1, { inlineWriteRate: 0 }).open();
    await machine.scheduler.runFor(500);
    const { writeDelay } = machine.folder.faults;
    machine.folder.setFaults({ capacityBytes: machine.folder.bytes });
    machine.log.noteFull();
    await machine.scheduler.runFor(500);
    const slow = { minMs: 10_000, meanMs: 10_000, maxMs: 10_000 };
    machine.folder.setFaults({ writeDelay: slow, capacityBytes: machine.folder.bytes + 25_000 });
    await machine.scheduler.runFor(2_000);
    machine.folder.setFaults({ writeDelay, capacityBytes: machine.folder.bytes });
    expect(await machine.append(1, 1, 'a')).toBe('DKV_STORAGE_FAILED');
    machine.folder.setFaults({ capacityBytes: machine.folder.bytes + 5_000 });
    await machine.scheduler.runFor(15_000);
    expect([machine.log.failure, machine.log.isDiskFull]).toEqual([undefined, true]);
    expect(await machine.append(1, 1, 'a')).toBe('ok');
  });

  it('lets the log be closed while the reserve is made anew', async () => {
    const machine = await makingMachine();
    await machine.do(machine.log.close());
    expect(machine.folder.names.has('log-reserve')).toBe(false);
  });
});

describe('no descriptors for a new segment', () => {
  it('refuses while that lasts, then begins it', async () => {
    const machine = await new LogMachine({ segmentBytesMax: 200 }).open();
    expect(await machine.append(1, 1, 'a'.repeat(150))).toBe('ok');
    machine.folder.setFaults({ openErrorRate: 1 });
    expect(await machine.append(1, 2, 'failed')).toBe('DKV_STORAGE_FAILED');
    await machine.scheduler.runFor(3_000);
    expect(machine.log.failure?.message).toContain('EMFILE');
    machine.folder.heal();
    await machine.scheduler.runFor(1_500);
    expect(machine.log.failure).toBeUndefined();
    expect(machine.segments).toHaveLength(2);
    expect(await machine.append(1, 2, 'b')).toBe('ok');
    await machine.open();
    expect(machine.replayed.at(-1)).toBe('operations 1 1/2 b');
    expect(machine.replayed).toHaveLength(2);
  });
});

describe('a failed write', () => {
  it('refuses, in order, what waits behind it', async () => {
    const machine = await new LogMachine({}, 1, { inlineWriteRate: 0 }).open();
    const told: string[] = [];
    machine.folder.setFaults({ writeErrorRate: 1 });
    for (let index = 1; index <= 3; index++) {
      machine.add(1, index, 'x');
      machine.log.flush((error) => told.push(`${index} ${error?.code}`));
    }
    await machine.scheduler.runFor(100);
    expect(told).toEqual(['1 DKV_STORAGE_FAILED', '2 DKV_READ_ONLY', '3 DKV_READ_ONLY']);
  });

  it('takes along what was added and not flushed, also when the log works again by then', async () => {
    const machine = await new LogMachine({}, 1, { inlineWriteRate: 0 }).open();
    machine.folder.setFaults({ writeErrorRate: 1, writeErrorCode: 'EAGAIN' });
    machine.add(1, 1, 'x');
    const first = machine.flushed();
    machine.add(1, 2, 'follows');
    expect(await machine.do(first)).toBe('DKV_STORAGE_FAILED');
    machine.folder.heal();
    await machine.scheduler.runFor(1_500);
    expect(machine.log.failure).toBeUndefined();
    machine.add(1, 3, 'follows');
    expect(await machine.flush()).toBe('DKV_READ_ONLY');
    expect(await machine.append(1, 1, 'again')).toBe('ok');
    await machine.open();
    expect(machine.replayed).toEqual(['operations 1 1/1 again']);
  });

  it('is final when the error does not pass, until the node is started again', async () => {
    const machine = await new LogMachine().open();
    await machine.append(1, 1, 'a');
    machine.folder.setFaults({ writeErrorRate: 1 });
    expect(await machine.append(1, 2, 'failed')).toBe('DKV_STORAGE_FAILED');
    machine.folder.heal();
    await machine.scheduler.runFor(10_000);
    expect(machine.log.failure).toBeDefined();
    await machine.do(machine.log.close());
    await machine.open();
    expect(await machine.append(1, 2, 'b', 2)).toBe('ok');
    await machine.open();
    expect(machine.replayed.filter((line) => line.includes('/2 '))).toEqual(['operations 1 2/2 b']);
  });

  it('that cannot be cut off is behind the end: an index used again is there once', async () => {
    // Also where all of the failed append is in the file.
    for (let seed = 0; seed < 60; seed++) {
      const machine = await new LogMachine({}, `uncut ${seed}`).open();
      await machine.append(1, 1, 'a');
      machine.folder.setFaults({ writeErrorRate: 1, writeErrorCode: 'ENOSPC', truncateErrorRate: 1 });
      machine.add(1, 2, 'failed');
      await machine.flush();
      machine.folder.heal();
      await machine.scheduler.runFor(1_500);
      expect(machine.segments).toHaveLength(2);
      expect(await machine.append(1, 2, 'b', 2)).toBe('ok');
      await machine.open();
      expect(machine.replayed).toEqual(['operations 1 1/1 a', 'operations 1 2/2 b']);
    }
  });
});

describe('a failed sync', () => {
  it('is final, also when later ones would succeed', async () => {
    const machine = await new LogMachine().open();
    await machine.append(1, 1, 'a');
    const { durablePosition } = machine.log;
    machine.folder.setFaults({ syncErrorRate: 1 });
    expect(await machine.append(1, 2, 'b')).toBe('DKV_STORAGE_FAILED');
    machine.folder.heal();
    await machine.scheduler.runFor(10_000);
    expect(await machine.append(1, 3, 'c')).toBe('DKV_READ_ONLY');
    expect(machine.log.durablePosition).toBe(durablePosition);
  });

  it('does not lose what a restart read from the cache and counted, when the power goes', async () => {
    for (let seed = 0; seed < 30; seed++) {
      const machine = await new LogMachine({}, `unsynced ${seed}`).open();
      await machine.append(1, 1, 'a');
      machine.folder.setFaults({ syncErrorRate: 1 });
      await machine.append(1, 2, 'b');
      machine.folder.heal();
      await machine.open();
      const { replayed } = machine;
      expect(await machine.append(1, 3, 'c')).toBe('ok');
      machine.kill();
      machine.folder.losePower();
      await machine.open();
      expect(machine.replayed).toEqual([...replayed, 'operations 1 1/3 c']);
    }
  });

  it('of an old segment in the background stops a log under wal', async () => {
    const machine = await new LogMachine({ durability: 'wal', segmentBytesMax: 200 }).open();
    await machine.append(1, 1, 'a'.repeat(150));
    machine.folder.setFaults({ syncErrorRate: 1 });
    await machine.append(1, 2, 'b'.repeat(150));
    await machine.scheduler.runFor(100);
    expect(await machine.append(1, 3, 'c')).toBe('DKV_READ_ONLY');
  });

  it('of an old segment is final, too, while another error is being got over', async () => {
    const machine = await new LogMachine({ durability: 'wal', segmentBytesMax: 200 }, 1, {
      inlineWriteRate: 0,
    }).open();
    const slow = (ms: number) => ({ minMs: ms, meanMs: ms, maxMs: ms });
    await machine.append(1, 1, 'a'.repeat(150));
    machine.folder.setFaults({ syncErrorRate: 1, syncDelay: slow(5_000) });
    expect(await machine.append(1, 2, 'b')).toBe('ok');
    machine.folder.setFaults({ writeErrorRate: 1, writeErrorCode: 'ENOSPC' });
    expect(await machine.append(1, 3, 'c')).toBe('DKV_STORAGE_FAILED');
    machine.folder.setFaults({ writeErrorRate: 0, writeDelay: slow(8_000) });
    await machine.scheduler.runFor(30_000);
    expect(machine.log.failure?.message).toContain('fsync');
    expect(await machine.append(1, 3, 'c')).toBe('DKV_READ_ONLY');
  });

  it('at the end makes the stop unclean', async () => {
    const machine = await new LogMachine({ durability: 'wal' }).open();
    await machine.append(1, 1, 'a');
    machine.folder.setFaults({ syncErrorRate: 1 });
    await expect(machine.do(machine.log.close())).rejects.toMatchObject({ code: 'DKV_STORAGE_FAILED' });
  });
});

describe('a disk that stalls', () => {
  it('holds appends back, and they end in order when it goes on', async () => {
    const machine = await new LogMachine().open();
    machine.folder.setFaults({ stalled: true });
    const told: number[] = [];
    for (let index = 1; index <= 5; index++) {
      machine.add(1, index, 'x');
      machine.log.flush(() => told.push(index));
    }
    await machine.scheduler.runFor(5_000);
    expect(told).toEqual([]);
    machine.folder.heal();
    await machine.scheduler.runFor(100);
    expect(told).toEqual([1, 2, 3, 4, 5]);
  });
});
