/** When a folder counts as one whose machine crashed, and that no crash of a process alone looks like that. */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { Incarnation } from '../../../testing/simulation/incarnation.js';
import { SimFiles } from '../../../testing/simulation/sim-files.js';
import { CALM_FILES, SimFolder } from '../../../testing/simulation/sim-folder.js';
import { SimRandom } from '../../../testing/simulation/sim-random.js';
import { SimScheduler } from '../../../testing/simulation/sim-scheduler.js';
import { SimTrace } from '../../../testing/simulation/trace.js';
import { type LogDurability } from '../log/log-writer.js';
import { MachineRun } from './machine-run.js';

let scheduler: SimScheduler;
let folder: SimFolder;
let process: Incarnation;

beforeEach(() => {
  scheduler = new SimScheduler();
  const trace = new SimTrace({ linesMax: 0 });
  folder = new SimFolder({ scheduler, trace, name: 'a', random: new SimRandom('folder') });
  process = new Incarnation('a', 1);
});

/** By a new process; the one before is killed. */
function open(bootId: string, durability: LogDurability): Promise<MachineRun> {
  process.kill();
  process = process.next();
  return scheduler.settle(MachineRun.open(new SimFiles(folder, process), bootId, durability));
}

async function begun(bootId: string, durability: LogDurability): Promise<MachineRun> {
  const run = await open(bootId, durability);
  await scheduler.settle(run.begin());
  return run;
}

describe('the durability of the run that crashed counts', () => {
  it.each([
    { ran: 'wal', next: 'wal', boot: 'boot 2', crashed: true },
    { ran: 'wal', next: 'fsync', boot: 'boot 2', crashed: true },
    { ran: 'fsync', next: 'wal', boot: 'boot 2', crashed: false },
    { ran: 'fsync', next: 'fsync', boot: 'boot 2', crashed: false },
    { ran: 'wal', next: 'wal', boot: 'boot 1', crashed: false },
    { ran: 'wal', next: 'fsync', boot: 'boot 1', crashed: false },
  ] as const)('$ran, then $next in $boot', async ({ ran, next, boot, crashed }) => {
    expect((await begun('boot 1', ran)).hasCrashedUnderWal).toBe(false);
    expect((await open(boot, next)).hasCrashedUnderWal).toBe(crashed);
  });

  it('and nobody forgot behind the mark of a clean stop, until the next run has begun', async () => {
    const run = await begun('boot 1', 'wal');
    await scheduler.settle(run.end());
    expect((await begun('boot 2', 'wal')).hasCrashedUnderWal).toBe(false);
    expect((await open('boot 3', 'fsync')).hasCrashedUnderWal).toBe(true);
  });

  it('and where boots cannot be told apart, every run under wal without a clean stop is taken for a crash', async () => {
    await begun('', 'wal');
    expect((await open('', 'wal')).hasCrashedUnderWal).toBe(true);
  });
});

describe('no crash of the machine is', () => {
  it('a kill at any moment of a beginning', async () => {
    await begun('boot 1', 'fsync');
    const before = folder.copy();
    // What is under way at a kill has no effect.
    vi.spyOn(folder.random, 'chance').mockReturnValue(false);
    vi.spyOn(folder.random, 'int').mockReturnValue(0);
    for (let events = 0, hasEnded = false; !hasEnded; events++) {
      process.kill();
      folder.putBack(before);
      const run = await open('boot 1', 'wal');
      void run.begin().then(() => (hasEnded = true));
      let left = events;
      await scheduler.run({ until: () => left-- === 0 });
      const next = await open('boot 1', 'wal');
      expect(next.hasCrashedUnderWal, `killed after ${events} events`).toBe(false);
    }
  });

  it('a start on a full disk, which writes nothing where the file says the same already', async () => {
    await begun('boot 1', 'fsync');
    folder.setFaults({ ...CALM_FILES, capacityBytes: folder.bytes });
    const run = await open('boot 1', 'wal');
    await expect(scheduler.settle(run.begin())).rejects.toMatchObject({ code: 'ENOSPC' });
    expect((await begun('boot 1', 'fsync')).hasCrashedUnderWal).toBe(false);
  });
});
