/** Torn ends are cut, damage is refused, and what a log forgot is told: rules 3 and 5 of the strong mode. */
import { describe, expect, it } from 'vitest';
import { LogMachine } from '../../../testing/simulation/log-machine.js';
import { NOTE_FILE } from './end-note.js';
import { HEADER_BYTES } from './log-records.js';
import { segmentName } from './segments.js';

const TINY = { segmentBytesMax: 300 };
const FIRST = segmentName(0);

async function filled(count: number, options = {}): Promise<LogMachine> {
  const machine = await new LogMachine(options).open();
  for (let index = 1; index <= count; index++) {
    await machine.append(1, index, `value ${index}`);
  }
  return machine;
}

/** The folder with one file changed, or without it. */
function edit(machine: LogMachine, name: string, change: (bytes: Buffer) => Buffer | undefined): void {
  machine.kill();
  const files = new Map(machine.folder.copy());
  const changed = change(files.get(name)!);
  if (changed) {
    files.set(name, changed);
  } else {
    files.delete(name);
  }
  machine.folder.putBack(files);
}

async function refusal(machine: LogMachine, options = {}): Promise<{ code?: string; message: string }> {
  return machine.open(options).then(
    () => ({ message: 'opened' }),
    (error: Error & { code?: string }) => error,
  );
}

describe('an end that was never finished', () => {
  it('is cut at every byte of an append, and the log goes on', async () => {
    const whole = await filled(3);
    const bytes = whole.folder.copy().get(FIRST)!.length;
    const last = HEADER_BYTES + 26 + 'value 3'.length;
    for (let cut = 1; cut < last; cut++) {
      const machine = await filled(3);
      edit(machine, FIRST, (content) => content.subarray(0, bytes - cut));
      await machine.open();
      expect(machine.replayed).toHaveLength(2);
      expect(machine.end).toEqual({ position: bytes - last, tornBytes: last - cut, forgot: undefined });
      expect(await machine.append(1, 3, 'again')).toBe('ok');
      await machine.open();
      expect(machine.replayed[2]).toBe('operations 1 1/3 again');
    }
  });

  it('is cut when it holds zeros or noise', async () => {
    for (const fill of [0, 0xff, 0x44]) {
      const machine = await filled(3);
      edit(machine, FIRST, (content) => Buffer.concat([content, Buffer.alloc(5_000, fill)]));
      await machine.open();
      expect(machine.end.tornBytes).toBe(5_000);
      expect(machine.replayed).toHaveLength(3);
    }
  });

  it('may be a segment that was just being begun', async () => {
    for (const size of [0, 10, HEADER_BYTES + 3]) {
      const machine = await filled(12, TINY);
      const newest = machine.segments.at(-1)!;
      await machine.open();
      const before = machine.end.position;
      const start = Number.parseInt(newest.slice(4, 20), 16);
      edit(machine, newest, (content) => content.subarray(0, size));
      edit(machine, NOTE_FILE, () => undefined);
      await machine.open();
      expect(machine.end).toEqual({ position: start, tornBytes: size, forgot: undefined });
      expect(before).toBeGreaterThan(start);
      expect(await machine.append(1, 99, 'more')).toBe('ok');
      await machine.open();
      expect(machine.replayed.at(-1)).toBe('operations 1 1/99 more');
    }
  });

  it('is more than that when the log was noted to be longer', async () => {
    const machine = await filled(3);
    await machine.do(machine.log.close());
    edit(machine, FIRST, (content) => content.subarray(0, content.length - 1));
    await machine.open();
    expect(machine.replayed).toHaveLength(2);
    expect(machine.end.forgot).toMatch(/ends at position \d+, and was durable up to \d+/);
  });
});

describe('a log that forgot', () => {
  it('says so at every opening until the node has another incarnation, and deletes nothing', async () => {
    const machine = await filled(12, TINY);
    await machine.do(machine.log.close());
    edit(machine, machine.segments.at(-1)!, () => undefined);
    await machine.open();
    expect(machine.end.forgot).toBeDefined();
    const noted = machine.log.position;
    await machine.append(1, 50, 'of the time after');
    machine.log.release({ indexOf: () => 1_000, batchesUpTo: 0 });
    await machine.scheduler.runFor(5_000);
    expect(machine.segments[0]).toBe(FIRST);
    await machine.open();
    expect(machine.end.forgot).toBeDefined();
    await machine.do(machine.log.acceptEnd());
    await machine.open();
    expect(machine.end.forgot).toBeUndefined();
    expect(machine.replayed.at(-1)).toBe('operations 1 1/50 of the time after');
    expect(noted).toBeGreaterThan(0);
  });

  it('is an older copy that went on differently, too', async () => {
    const machine = await filled(3);
    const copy = machine.folder.copy();
    await machine.append(1, 4, 'first run');
    await machine.scheduler.runFor(2_000);
    const note = machine.folder.copy().get(NOTE_FILE)!;
    machine.kill();
    machine.folder.putBack(copy);
    await machine.open();
    await machine.append(1, 4, 'other run');
    edit(machine, NOTE_FILE, () => note);
    await machine.open();
    expect(machine.end.forgot).toMatch(/something else at position/);
  });

  it('is noted before anything is cut: a crash meanwhile does not hide it', async () => {
    for (let seed = 0; seed < 30; seed++) {
      const machine = await filled(3);
      edit(machine, FIRST, (content) => {
        content[content.length - 1 - 60]! ^= 1;
        return content;
      });
      void machine.opening({ cutDamage: true });
      await machine.scheduler.runFor(seed / 5);
      machine.kill();
      machine.folder.losePower();
      await machine.open({ cutDamage: true });
      expect(machine.end.forgot).toBeDefined();
    }
  });
});

describe('damage', () => {
  it('in any byte before the last append is refused with file, offset and remedy, or cut on demand', async () => {
    const size = (await filled(4)).folder.copy().get(FIRST)!.length;
    const last = HEADER_BYTES + 26 + 'value 4'.length;
    for (let at = 0; at < size - last; at++) {
      const machine = await filled(4);
      machine.kill();
      machine.folder.flip(FIRST, 8 * at + (at % 8));
      const error = await refusal(machine);
      if (at === 3) {
        // The version's own byte says that another version wrote it.
        expect(error.code).toBe('DKV_STORE_MISMATCH');
        continue;
      }
      expect(error.code, `byte ${at}`).toBe('DKV_LOG_DAMAGED');
      const offset = Number(/offset (\d+)/.exec(error.message)![1]);
      expect(offset).toBeLessThanOrEqual(at);
      expect(at - offset).toBeLessThan(HEADER_BYTES + 50);
      expect(error.message).toContain(FIRST);
      expect(error.message).toContain('npx -p nestjs-dkv dkv recover --data-dir /data');
      await machine.open({ cutDamage: true });
      expect(machine.end.forgot).toContain('was cut at');
      expect(machine.replayed.length).toBeLessThan(4);
    }
  });

  it('is refused in a segment that is not the last, and the ones behind it are kept aside when it is cut', async () => {
    const machine = await filled(20, TINY);
    const [, second, third] = machine.segments;
    edit(machine, second!, (content) => {
      content[content.length - 1]! ^= 4;
      return content;
    });
    const error = await refusal(machine);
    expect(error.message).toContain(second);
    await machine.open({ cutDamage: true });
    expect(machine.folder.names.has(`${third}.cut`)).toBe(true);
    expect(await machine.append(1, 5, 'new')).toBe('ok');
    await machine.do(machine.log.acceptEnd());
    await machine.open();
    expect(machine.end.forgot).toBeUndefined();
    expect(machine.replayed.at(-1)).toBe('operations 1 1/5 new');
  });

  it.each([0, 1, 2])('is a missing segment: number %s', async (number) => {
    const machine = await filled(20, TINY);
    await machine.do(machine.log.close());
    edit(machine, machine.segments[number]!, () => undefined);
    const error = await refusal(machine);
    expect(error.code).toBe('DKV_LOG_DAMAGED');
    expect(error.message).toMatch(/missing/);
    await machine.open({ cutDamage: true });
    expect(machine.end.forgot).toBeDefined();
    await machine.do(machine.log.acceptEnd());
    await machine.open();
    expect(machine.end.forgot).toBeUndefined();
  });

  it('is a segment of another log', async () => {
    const machine = await filled(20, TINY);
    const other = await new LogMachine(TINY).open();
    for (let index = 1; index <= 20; index++) {
      await other.append(1, index, `other ${index}`);
    }
    const name = machine.segments[1]!;
    edit(machine, name, () => other.folder.copy().get(name));
    expect((await refusal(machine)).code).toBe('DKV_LOG_DAMAGED');
  });

  it('is an append of another log in the place of one of this', async () => {
    const machine = await filled(4);
    const other = await new LogMachine().open();
    for (let index = 1; index <= 4; index++) {
      await other.append(1, index, `other ${index}`);
    }
    const length = HEADER_BYTES + 26 + 'value 1'.length;
    const foreign = other.folder.copy().get(FIRST)!;
    for (const nth of [2, 3]) {
      edit(machine, FIRST, (content) => {
        const at = content.length - nth * length;
        foreign.copy(content, at, at, at + length);
        return content;
      });
      const error = await refusal(machine);
      expect(error.code).toBe('DKV_LOG_DAMAGED');
    }
  });

  it('is all segments gone, with the note left', async () => {
    const machine = await filled(2);
    await machine.do(machine.log.close());
    const { position } = machine.log;
    edit(machine, FIRST, () => undefined);
    expect((await refusal(machine)).code).toBe('DKV_LOG_DAMAGED');
    await machine.open({ cutDamage: true });
    expect(machine.end.position).toBe(0);
    expect(machine.end.forgot).toBeDefined();
    expect(machine.log.position).toBeGreaterThan(position);
  });

  it('of one slot of the note leaves the other', async () => {
    const machine = await filled(3);
    await machine.do(machine.log.close());
    await machine.open();
    await machine.append(1, 4, 'value 4');
    await machine.do(machine.log.close());
    for (const slot of [0, 4096]) {
      const copy = machine.folder.copy();
      machine.kill();
      machine.folder.flip(NOTE_FILE, 8 * (slot + 20));
      await machine.open();
      expect(machine.end.forgot).toBeUndefined();
      machine.kill();
      machine.folder.putBack(copy);
    }
  });
});

describe('files that cannot be read', () => {
  it('are an error of their own: nothing is cut for them', async () => {
    const machine = await filled(3);
    machine.folder.setFaults({ readErrorRate: 1 });
    expect((await refusal(machine)).code).toBe('DKV_STORAGE_FAILED');
    machine.folder.setFaults({ readErrorRate: 0, openErrorRate: 1 });
    expect((await refusal(machine)).code).toBe('DKV_STORAGE_FAILED');
    machine.folder.heal();
    await machine.open();
    expect(machine.replayed).toHaveLength(3);
  });
});
