/** The simulated files keep what they promise over kills and losses of power, and no more. */
import { beforeEach, describe, expect, it } from 'vitest';
import { type LogFile, synced, written } from '../../src/storage/log/log-files.js';
import { Incarnation } from './incarnation.js';
import { SimFiles } from './sim-files.js';
import { type FileFaults, SimFolder } from './sim-folder.js';
import { SimRandom } from './sim-random.js';
import { SimScheduler } from './sim-scheduler.js';
import { SimTrace } from './trace.js';

const SEEDS = 60;

class Machine {
  readonly scheduler = new SimScheduler();
  readonly trace = new SimTrace();
  readonly folder: SimFolder;
  process = new Incarnation('n1', 1);
  files: SimFiles;

  constructor(seed: number | string = 1, faults: Partial<FileFaults> = {}) {
    const { scheduler, trace } = this;
    this.folder = new SimFolder({ scheduler, trace, random: new SimRandom(seed), name: 'n1', faults });
    this.files = new SimFiles(this.folder, this.process);
  }

  do<T>(work: Promise<T>): Promise<T> {
    return this.scheduler.settle(work);
  }

  async file(name: string, content = ''): Promise<LogFile> {
    const file = await this.do(this.files.create(name));
    if (content !== '') {
      await this.write(file, content, 0);
    }
    return file;
  }

  write(file: LogFile, content: string, offset: number): Promise<void> {
    return this.do(written(file, Buffer.from(content), offset));
  }

  /** What can be read; undefined when there is no such file. */
  content(name: string): string | undefined {
    return this.folder.names.get(name)?.content.toString();
  }

  crash(): void {
    this.process.kill();
    this.folder.losePower();
  }
}

/** What is left of file `a`, over many seeds. */
async function outcomes(
  prepare: (machine: Machine) => Promise<void>,
  faults: Partial<FileFaults> = {},
): Promise<Set<string | undefined>> {
  const found = new Set<string | undefined>();
  for (let seed = 0; seed < SEEDS; seed++) {
    const machine = new Machine(seed, faults);
    await prepare(machine);
    found.add(machine.content('a'));
  }
  return found;
}

const code = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'ok',
    (error: { code?: unknown }) => error.code,
  );

describe('a file', () => {
  let machine: Machine;
  beforeEach(() => {
    machine = new Machine();
  });

  it('is read as it was written, over the end and within', async () => {
    const file = await machine.file('a', 'hello');
    await machine.write(file, 'y', 1);
    await machine.write(file, '!', 7);
    expect(machine.content('a')).toBe('hyllo\0\0!');
    const into = Buffer.alloc(20);
    expect(await machine.do(file.read(into, 6))).toBe(2);
    await machine.do(file.truncate(3));
    expect(machine.content('a')).toBe('hyl');
    expect(await machine.do(file.size())).toBe(3);
    await machine.file('a');
    expect(machine.content('a')).toBe('');
  });

  it('may be used by the process after the one that was killed, not beside it', () => {
    const other = new Incarnation('n1', 2);
    expect(() => new SimFiles(machine.folder, other)).toThrow(/in use/);
    machine.process.kill();
    new SimFiles(machine.folder, other);
  });

  it('that is not there is ENOENT', async () => {
    expect(await machine.do(code(machine.files.open('b')))).toBe('ENOENT');
    expect(await machine.do(code(machine.files.remove('b')))).toBe('ENOENT');
    expect(await machine.do(code(machine.files.rename('b', 'c')))).toBe('ENOENT');
  });
});

describe('the kill of a process', () => {
  it('keeps what was written', async () => {
    const found = await outcomes(async (machine) => {
      await machine.file('a', 'hello');
      machine.process.kill();
    });
    expect([...found]).toEqual(['hello']);
  });

  it('may take a write that is under way, in part or not at all', async () => {
    const found = await outcomes(
      async (machine) => {
        const file = await machine.do(machine.files.create('a'));
        file.write(Buffer.from('abc'), 0, () => undefined);
        machine.process.kill();
        await machine.scheduler.runFor(10);
      },
      { inlineWriteRate: 0 },
    );
    expect([...found].sort()).toEqual(['', 'a', 'ab', 'abc']);
  });

  it('answers nothing any more', async () => {
    const machine = new Machine();
    const file = await machine.file('a');
    let answered = false;
    file.sync(() => (answered = true));
    void machine.files.list().then(() => (answered = true));
    machine.process.kill();
    await machine.scheduler.runFor(1_000);
    expect(answered).toBe(false);
  });
});

describe('a loss of power', () => {
  const named = async (machine: Machine): Promise<LogFile> => {
    const file = await machine.file('a', 'synced');
    await machine.do(synced(file));
    await machine.do(machine.files.syncFolder());
    return file;
  };

  it('keeps what was synced, and any prefix of what was not', async () => {
    const found = await outcomes(async (machine) => {
      const file = await named(machine);
      await machine.write(file, '12', 6);
      await machine.write(file, '3', 8);
      machine.crash();
    });
    expect([...found].sort()).toEqual(['synced', 'synced1', 'synced12', 'synced123']);
  });

  it('may take the name of a new file, and give back a removed or renamed one, until the folder is synced', async () => {
    const found = await outcomes(async (machine) => {
      await named(machine);
      await machine.do(machine.files.remove('a'));
      machine.crash();
    });
    expect(found).toEqual(new Set(['synced', undefined]));
    const renamed = await outcomes(async (machine) => {
      await named(machine);
      await machine.do(machine.files.rename('a', 'b'));
      await machine.do(machine.files.syncFolder());
      machine.crash();
      expect(machine.content('b')).toBe('synced');
    });
    expect([...renamed]).toEqual([undefined]);
    const made = await outcomes(async (machine) => {
      await machine.do(synced(await machine.file('a', 'x')));
      machine.crash();
    });
    expect(made).toEqual(new Set(['x', undefined]));
  });

  it('may take what a failed sync left, though later syncs succeed; what is written again is kept', async () => {
    const afterFailure = async (machine: Machine): Promise<LogFile> => {
      const file = await named(machine);
      await machine.write(file, '1', 6);
      machine.folder.setFaults({ syncErrorRate: 1 });
      expect(await machine.do(code(synced(file)))).toBe('EIO');
      machine.folder.heal();
      expect(machine.content('a')).toBe('synced1');
      return file;
    };
    const found = await outcomes(async (machine) => {
      await machine.do(synced(await afterFailure(machine)));
      machine.crash();
    });
    expect([...found].sort()).toEqual(['synced', 'synced1']);
    const again = await outcomes(async (machine) => {
      const file = await afterFailure(machine);
      await machine.write(file, '1', 6);
      await machine.do(synced(file));
      machine.crash();
    });
    expect([...again]).toEqual(['synced1']);
  });
});

describe('faults', () => {
  it('are errors with the code of the system', async () => {
    const machine = new Machine();
    const file = await machine.file('a', 'x');
    machine.folder.setFaults({ readErrorRate: 1, writeErrorRate: 1, openErrorRate: 1, truncateErrorRate: 1 });
    expect(await machine.do(code(file.read(Buffer.alloc(1), 0)))).toBe('EIO');
    expect(await machine.do(code(written(file, Buffer.from('y'), 0)))).toBe('EIO');
    expect(await machine.do(code(machine.files.open('a')))).toBe('EMFILE');
    expect(await machine.do(code(file.truncate(0)))).toBe('EIO');
    machine.folder.setFaults({ syncErrorRate: 1 });
    expect(await machine.do(code(machine.files.syncFolder()))).toBe('EIO');
  });

  it('fill the disk: what fits is written, and removing makes room', async () => {
    const machine = new Machine();
    const file = await machine.file('a', '1234');
    machine.folder.setFaults({ capacityBytes: 6 });
    expect(await machine.do(code(written(file, Buffer.from('5678'), 4)))).toBe('ENOSPC');
    expect(machine.content('a')).toBe('123456');
    expect(await machine.do(code(written(file, Buffer.from('ab'), 0)))).toBe('ok');
    await machine.file('b');
    await machine.do(machine.files.remove('a'));
    expect(await machine.do(code(written(file, Buffer.from('x'), 0)))).toBe('ok');
  });

  it('stall the disk until it goes on', async () => {
    const machine = new Machine();
    const file = await machine.file('a');
    machine.folder.setFaults({ stalled: true });
    let isDone = false;
    file.write(Buffer.from('x'), 0, () => (isDone = true));
    await machine.scheduler.runFor(60_000);
    expect(isDone).toBe(false);
    machine.folder.heal();
    await machine.scheduler.runFor(10);
    expect(isDone).toBe(true);
  });
});

describe('a folder', () => {
  it('can be damaged by one bit, put back as it was, and emptied, while nobody uses it', async () => {
    const machine = new Machine();
    await machine.file('a', 'hello');
    expect(() => machine.folder.wipe()).toThrow(/kill/);
    const copy = machine.folder.copy();
    machine.process.kill();
    expect(machine.folder.corrupt(/^b/)).toBe(false);
    expect(machine.folder.corrupt(/^a/)).toBe(true);
    const before = Buffer.from('hello');
    const flipped = [...machine.folder.names.get('a')!.content]
      .map((byte, at) => (byte ^ before[at]!).toString(2).replaceAll('0', ''))
      .join('');
    expect(flipped).toBe('1');
    machine.folder.putBack(copy);
    expect(machine.content('a')).toBe('hello');
    machine.folder.losePower();
    expect(machine.content('a')).toBe('hello');
    machine.folder.wipe();
    expect(machine.folder.names.size).toBe(0);
  });

  it('is the same in every run of a seed', async () => {
    const run = async (seed: number): Promise<string> => {
      const machine = new Machine(seed, { writeErrorRate: 0.2, syncErrorRate: 0.2 });
      for (let round = 0; round < 20; round++) {
        const file = await machine.do(machine.files.create(`f${round % 3}`));
        await machine.do(code(written(file, Buffer.from(`round ${round}`), 0)));
        await machine.do(code(synced(file)));
      }
      machine.crash();
      return machine.trace.digest;
    };
    expect(await run(3)).toBe(await run(3));
    expect(await run(3)).not.toBe(await run(4));
  });
});
