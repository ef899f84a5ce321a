import { beforeEach, describe, expect, it } from 'vitest';
import { Incarnation } from './incarnation.js';
import { SimDisk, type DiskFaults, type DiskOperation } from './sim-disk.js';
import { SimRandom } from './sim-random.js';
import { SimScheduler } from './sim-scheduler.js';
import { SimStore } from './sim-store.js';
import { SimTrace } from './trace.js';

const put = (key: string, value = key): DiskOperation => ({
  type: 'put',
  key: Buffer.from(key),
  value: Buffer.from(value),
});
const del = (key: string): DiskOperation => ({ type: 'del', key: Buffer.from(key) });
const ALL = [Buffer.from([0]), Buffer.from([255])] as const;
const IDENTITY = { nodeId: 'n1', partitions: 4, hashFunc: 'md5' };
const FIXED: Partial<DiskFaults> = {
  readDelay: { minMs: 1, meanMs: 1, maxMs: 1 },
  writeDelay: { minMs: 2, meanMs: 2, maxMs: 2 },
  syncDelay: { minMs: 10, meanMs: 10, maxMs: 10 },
};

/** One machine: a scheduler, a disk, the process that has it open. */
class Machine {
  readonly scheduler = new SimScheduler();
  readonly trace = new SimTrace();
  readonly disk: SimDisk;
  process = new Incarnation('n1', 0);
  store!: SimStore;

  constructor(seed: number | string = 1, faults: Partial<DiskFaults> = FIXED) {
    const { scheduler, trace } = this;
    this.disk = new SimDisk({ scheduler, trace, random: new SimRandom(seed), name: 'n1', faults });
  }

  async start(): Promise<this> {
    this.process = this.process.next();
    this.store = new SimStore(this.disk, this.process);
    await this.do(this.store.open());
    return this;
  }

  kill(): void {
    this.process.kill();
  }

  do<T>(work: Promise<T>): Promise<T> {
    return this.scheduler.settle(work);
  }

  write(operations: DiskOperation[], sync: boolean): Promise<void> {
    return this.do(this.store.batch(operations, { sync }));
  }

  /** Everything in it, as text. */
  async content(range: readonly [Buffer, Buffer] = ALL): Promise<string> {
    const read = async (): Promise<string> => {
      const entries: string[] = [];
      for await (const [key, value] of this.store.iterate(...range)) {
        entries.push(`${Buffer.from(key).toString()}=${Buffer.from(value).toString()}`);
      }
      return entries.join(' ');
    };
    return this.do(read());
  }

  /** The code of the error that `work` ends with. */
  async code(work: Promise<unknown>): Promise<unknown> {
    return work.then(
      () => 'ok',
      (error: { code?: unknown }) => error.code,
    );
  }
}

describe('SimDisk as a store', () => {
  let machine: Machine;
  beforeEach(async () => {
    machine = await new Machine().start();
  });

  it('puts, deletes, gets and iterates in the order of bytes', async () => {
    const high = Buffer.from([200, 1]);
    await machine.write([put('b'), put('a'), put('c'), { type: 'put', key: high, value: high }], false);
    await machine.write([del('b'), put('a', 'A')], true);
    expect(await machine.content([Buffer.from('a'), Buffer.from('d')])).toBe('a=A c=c');
    expect(await machine.content([Buffer.from('b'), Buffer.from([200, 1])])).toBe('c=c');
    expect(await machine.do(machine.store.get(Buffer.from('b')))).toBeUndefined();
    expect(await machine.do(machine.store.get(high))).toEqual(new Uint8Array(high));
    expect(machine.store.sizeBytes()).toBe(8);
  });

  it('takes its time, more for a sync', async () => {
    const before = machine.scheduler.nowMs;
    await machine.write([put('a')], false);
    expect(machine.scheduler.nowMs - before).toBe(2);
    await machine.write([put('a')], true);
    expect(machine.scheduler.nowMs - before).toBe(14);
    machine.disk.setFaults({ readDelay: { minMs: 500, meanMs: 500, maxMs: 500 } });
    await machine.do(machine.store.get(Buffer.from('a')));
    expect(machine.scheduler.nowMs - before).toBe(514);
  });

  it('keeps its own copies of what is written and what is read', async () => {
    const operation = put('a', 'value');
    const writing = machine.store.batch([operation], { sync: false });
    operation.key.fill(0);
    (operation as { value: Uint8Array }).value.fill(0);
    await machine.do(writing);
    const first = await machine.do(machine.store.get(Buffer.from('a')));
    first!.fill(0);
    expect(await machine.content()).toBe('a=value');
  });

  it('iterates over what there was at the call', async () => {
    await machine.write([put('a'), put('b')], false);
    const view = machine.store.iterate(...ALL);
    await machine.write([del('a'), put('b', 'B'), put('c')], false);
    const seen: string[] = [];
    const read = async (): Promise<void> => {
      for await (const [, value] of view) {
        seen.push(Buffer.from(value).toString());
      }
    };
    await machine.do(read());
    expect(seen).toEqual(['a', 'b']);
  });

  it('does not work before it is opened nor after it is closed, and waits for what is under way', async () => {
    const writing = machine.store.batch([put('a')], { sync: true });
    await machine.do(machine.store.close());
    await writing;
    expect(await machine.code(machine.do(machine.store.get(Buffer.from('a'))))).toBe(
      'LEVEL_DATABASE_NOT_OPEN',
    );
    expect(() => machine.store.iterate(...ALL)).toThrow(/not open/);
    await machine.start();
    expect(await machine.content()).toBe('a=a');
  });

  it('is locked while a living process has it open', async () => {
    const second = new SimStore(machine.disk, machine.process.next());
    await expect(machine.do(second.open())).rejects.toMatchObject({ code: 'DKV_STORE_LOCKED' });
    expect(() => machine.disk.losePower()).toThrow(/kill n1#1 first/);
    expect(() => machine.disk.wipe()).toThrow(/kill n1#1 first/);
    machine.kill();
    await machine.start();
  });

  it('fails reads, steps of an iteration and opening with EIO', async () => {
    await machine.write([put('a')], false);
    machine.disk.setFaults({ readErrorRate: 1 });
    expect(await machine.code(machine.do(machine.store.get(Buffer.from('a'))))).toBe('EIO');
    expect(await machine.code(machine.content())).toBe('EIO');
    machine.kill();
    expect(await machine.code(machine.start())).toBe('DKV_STORAGE_FAILED');
  });

  it('is full at its capacity, and takes writes again when there is room', async () => {
    machine.disk.setFaults({ capacityBytes: 4 });
    expect(await machine.code(machine.write([put('a'), put('b'), put('c')], true))).toBe('ENOSPC');
    expect(await machine.content()).toBe('');
    machine.disk.heal();
    await machine.write([put('a')], true);
    expect(await machine.content()).toBe('a=a');
  });

  it('a wiped disk is empty and nobody’s', async () => {
    await machine.write([put('a')], true);
    machine.kill();
    const other = { ...IDENTITY, nodeId: 'n2' };
    machine.disk.claim(IDENTITY);
    machine.disk.claim(IDENTITY);
    expect(() => machine.disk.claim(other)).toThrow(/belongs|is of/);
    machine.disk.wipe();
    machine.disk.claim(other);
    await machine.start();
    expect(await machine.content()).toBe('');
  });

  it('makes durable what came before a sync, not what came after it', async () => {
    const { disk } = machine;
    const first = disk.append([put('a')]);
    const second = disk.append([put('b')]);
    disk.sync(second);
    disk.append([put('c')]);
    disk.sync(first);
    expect(disk.unsyncedBatches).toBe(1);
  });

  it('has what is written in the trace, to the byte', async () => {
    const digestOf = async (value: string): Promise<string> => {
      const one = await new Machine().start();
      await one.write([put('a', value)], true);
      return one.trace.digest;
    };
    expect(await digestOf('x')).toBe(await digestOf('x'));
    expect(await digestOf('x')).not.toBe(await digestOf('y'));
  });

  it('flips one bit of what is stored', async () => {
    await machine.write([put('a', 'xyz')], true);
    machine.kill();
    expect(machine.disk.corrupt()).toBe(true);
    await machine.start();
    const value = Buffer.from((await machine.do(machine.store.get(Buffer.from('a'))))!);
    const flipped = [...value].map((byte, at) => (byte ^ 'xyz'.charCodeAt(at)).toString(2)).join('');
    expect(flipped.replaceAll('0', '')).toBe('1');
  });
});

/** What is there after a crash in each of many seeds: `script` writes and crashes. */
async function afterCrash(script: (machine: Machine) => Promise<void>, seeds = 60): Promise<Set<string>> {
  const outcomes = new Set<string>();
  for (let seed = 0; seed < seeds; seed++) {
    const machine = await new Machine(`crash ${seed}`).start();
    await script(machine);
    machine.disk.heal();
    await machine.start();
    outcomes.add(await machine.content());
  }
  return outcomes;
}

describe('SimDisk after a crash', () => {
  it.each<[string, string[], (machine: Machine) => Promise<void>]>([
    [
      'a kill keeps every completed batch',
      ['a=a b=b'],
      async (machine) => {
        await machine.write([put('a')], false);
        await machine.write([put('b')], false);
        machine.kill();
      },
    ],
    [
      'a kill may keep a batch under way, whole',
      ['a=a', 'a=a b=b c=c'],
      async (machine) => {
        await machine.write([put('a')], false);
        void machine.store.batch([put('b'), put('c')], { sync: false });
        await machine.scheduler.runFor(1);
        machine.kill();
      },
    ],
    [
      'a kill during the sync keeps the batch: it is written',
      ['a=a'],
      async (machine) => {
        void machine.store.batch([put('a')], { sync: true });
        await machine.scheduler.runFor(5);
        machine.kill();
      },
    ],
    [
      'a loss of power keeps a prefix of what was not synced, batches whole',
      ['', 'a=a b=b', 'a=a b=b c=c', 'a=a b=b c=c d=d'],
      async (machine) => {
        await machine.write([put('a'), put('b')], false);
        await machine.write([put('c')], false);
        await machine.write([put('d')], false);
        machine.kill();
        machine.disk.losePower();
      },
    ],
    [
      'a loss of power keeps what was synced, and all before it',
      ['a=a b=b', 'a=a b=b c=c'],
      async (machine) => {
        await machine.write([put('a')], false);
        await machine.write([put('b')], true);
        await machine.write([put('c')], false);
        machine.kill();
        machine.disk.losePower();
      },
    ],
    [
      'a loss of power after a restart keeps what the restart had replayed',
      ['a=a'],
      async (machine) => {
        await machine.write([put('a')], false);
        machine.kill();
        await machine.start();
        machine.kill();
        machine.disk.losePower();
      },
    ],
    [
      'a batch turned away by a full disk never appears',
      ['a=a'],
      async (machine) => {
        await machine.write([put('a')], true);
        machine.disk.setFaults({ capacityBytes: 3 });
        expect(await machine.code(machine.write([put('b')], true))).toBe('ENOSPC');
        machine.kill();
      },
    ],
    [
      'a batch that failed before its sync may be there after a restart',
      ['a=a', 'a=a b=b'],
      async (machine) => {
        await machine.write([put('a')], true);
        machine.disk.setFaults({ writeErrorRate: 1 });
        expect(await machine.code(machine.write([put('b')], true))).toBe('EIO');
        expect(await machine.content()).toBe('a=a');
        machine.kill();
      },
    ],
    [
      'a batch whose sync failed is not seen, and there after a restart with the power on',
      ['a=a b=b'],
      async (machine) => {
        await machine.write([put('a')], true);
        machine.disk.setFaults({ syncErrorRate: 1 });
        expect(await machine.code(machine.write([put('b')], true))).toBe('EIO');
        expect(await machine.content()).toBe('a=a');
        machine.kill();
      },
    ],
    [
      'writing on after a failed sync loses later writes too, though their syncs succeed',
      ['a=a', 'a=a b=b', 'a=a b=b c=c'],
      async (machine) => {
        await machine.write([put('a')], true);
        machine.disk.setFaults({ syncErrorRate: 1 });
        expect(await machine.code(machine.write([put('b')], true))).toBe('EIO');
        machine.disk.setFaults({ syncErrorRate: 0 });
        await machine.write([put('c')], true);
        machine.kill();
        machine.disk.losePower();
      },
    ],
  ])('%s', async (_, expected, script) => {
    const outcomes = await afterCrash(script);
    // Every outcome that may be comes up, and no other.
    expect([...outcomes].sort()).toEqual(expected);
  });

  it('the dead learn nothing: what they wait for never settles', async () => {
    const machine = await new Machine().start();
    await machine.write([put('a')], false);
    let settled = 0;
    const mark = (): void => void settled++;
    const { store } = machine;
    store.batch([put('b')], { sync: true }).then(mark, mark);
    store.get(Buffer.from('a')).then(mark, mark);
    store.close().then(mark, mark);
    machine.kill();
    store.batch([put('c')], { sync: true }).then(mark, mark);
    store.get(Buffer.from('a')).then(mark, mark);
    await machine.scheduler.runFor(1000);
    expect(settled).toBe(0);
    await machine.start();
    expect(await machine.content()).not.toContain('c=c');
  });
});
