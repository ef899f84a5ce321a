/** Changing by what is there: where it starts, what it does when others are faster, and when it gives up. */
import { beforeEach, describe, expect, it } from 'vitest';
import { rejected } from '../../testing/caught.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { microtasks } from '../../testing/microtasks.js';
import { SimRandom } from '../../testing/simulation/sim-random.js';
import { DkvError } from '../dkv.errors.js';
import { type ShownRecord } from '../model/shown-record.js';
import { formatStrongVersion, UNREACHABLE_STRONG_VERSION } from '../model/strong-version.js';
import { type Clock } from '../ports/clock.js';
import { type Written } from '../processor/call-options.js';
import { type Processor } from '../processor/processor.js';
import { type ChangeCall, ReadModifyWrite } from './read-modify-write.js';

const CALL: ChangeCall = { key: 'k', ttlMs: 7, timeoutMs: 1_000, readTimeoutMs: 300 };

let clock: ManualClock;
/** The calls that reached the core: `read level` or `write expected value`. */
let calls: string[];
/** What the next calls answer. */
let reads: (ShownRecord | undefined | Error)[];
let writes: (Written | Error)[];

const version = (index: number) => formatStrongVersion(1, index);
const record = (index: number, text: string): ShownRecord => ({
  version: version(index),
  value: Buffer.from(text),
  expiresAtMs: 0,
  modifiedMs: 1,
});
const done = (index: number, text: string): Written => {
  return { outcome: 'done', record: record(index, text), existed: true, repeated: false };
};
const conflict = (found?: ShownRecord): Written => ({
  outcome: 'conflict',
  record: found,
  existed: found !== undefined,
  repeated: false,
});

beforeEach(() => {
  clock = new ManualClock();
  calls = [];
  reads = [];
  writes = [];
});

function answer<T>(answers: (T | Error)[]): T {
  const next = answers.shift();
  if (next instanceof Error) {
    throw next;
  }
  return next as T;
}

/** The index of a version, as four digits. */
const told = (expected: string) => (expected === UNREACHABLE_STRONG_VERSION ? 'never' : expected.slice(-4));

/** On `time`: the clock of the test, or one that is not as exact. */
function changes(time: Clock = clock): ReadModifyWrite {
  const processor = {
    get: async (_: string, __: string, { level }: { level: string }) => {
      calls.push(`read ${level}`);
      return answer(reads);
    },
    addOrUpdate: async (_: string, __: string, value: Uint8Array, { expected }: { expected: string }) => {
      calls.push(`write ${told(expected)} ${Buffer.from(value).toString()}`);
      return answer(writes);
    },
    remove: async (_: string, __: string, { expected }: { expected: string }) => {
      calls.push(`remove ${told(expected)}`);
      return answer(writes);
    },
  };
  const ports = {
    processor: processor as unknown as Processor,
    clock: time,
    random: new SimRandom('changes'),
  };
  return new ReadModifyWrite(ports, 'n');
}

const text = (current: ShownRecord | undefined) => (current ? Buffer.from(current.value).toString() : 'none');
/** Adds a letter. */
const grow = async (current: ShownRecord | undefined) => Buffer.from(`${text(current)}!`);

/** Lets pauses pass until the work is settled. */
async function passing<T>(work: Promise<T>): Promise<T> {
  let settled = false;
  const watched = work.finally(() => (settled = true));
  watched.catch(() => undefined);
  for (let step = 0; step < 10_000 && !settled; step++) {
    await microtasks();
    clock.advance(1);
  }
  return watched;
}

describe('a change', () => {
  it('starts from the copy of the node and expects its version', async () => {
    reads = [record(1, 'a')];
    writes = [done(2, 'a!')];
    const { bytes, repeated } = await changes().run(CALL, grow);
    expect(Buffer.from(bytes!).toString()).toBe('a!');
    expect(repeated).toBe(false);
    expect(calls).toEqual(['read one', 'write 0001 a!']);
    expect(clock.pendingTimers).toBe(0);
  });

  it('of nothing expects nothing, and deletes with undefined', async () => {
    writes = [done(1, 'none!'), done(2, '')];
    await changes().run(CALL, grow);
    reads = [record(1, 'a')];
    await changes().run(CALL, () => Promise.resolve(undefined));
    expect(calls).toEqual(['read one', 'write  none!', 'read one', 'remove 0001']);
  });

  it('queues after a conflict, then goes on from what conflicts told', async () => {
    reads = [record(1, 'a'), record(2, 'b')];
    writes = [conflict(record(2, 'b')), conflict(record(3, 'c')), conflict(), done(4, 'none!')];
    await passing(changes().run(CALL, grow));
    expect(calls).toEqual([
      'read one',
      'write 0001 a!',
      'read one',
      'write 0002 b!',
      'write 0003 c!',
      'write  none!',
    ]);
  });

  it('that waits for its turn is given up when its time is over, and never begins later', async () => {
    const all = changes();
    writes = [conflict(), conflict(), done(1, 'none!')];
    const slow = all.run({ ...CALL, timeoutMs: 60_000 }, async (current) => {
      await new Promise<void>((resolve) => clock.schedule(2_000, resolve));
      return grow(current);
    });
    await microtasks();
    clock.advance(2_000);
    await microtasks();
    const error = await rejected(passing(all.run(CALL, grow)));
    expect(error.code).toBe('DKV_NOT_APPLIED');
    expect(error.message).toContain('Other changes of it were under way at this node');
    await passing(slow);
    expect(calls.filter((call) => call.startsWith('write'))).toHaveLength(3);
    expect(clock.pendingTimers).toBe(0);
  });

  it('gives up in time, having written nothing, when others are faster', async () => {
    reads = [record(1, 'a')];
    writes = Array.from({ length: 1_000 }, () => conflict(record(2, 'b')));
    const error = await rejected(passing(changes().run(CALL, grow)));
    expect(error.code).toBe('DKV_NOT_APPLIED');
    expect(error.message).toMatch(/"k".*1000 ms.*each of \d+ attempts.*Try again/);
    expect(calls.length).toBeLessThan(30);
    expect(clock.pendingTimers).toBe(0);
  });

  it('that takes too long is given up, and so is one whose caller left', async () => {
    const never = () => new Promise<Uint8Array>(() => undefined);
    expect((await rejected(passing(changes().run(CALL, never)))).code).toBe('DKV_NOT_APPLIED');
    const leaving = new AbortController();
    const left = changes().run({ ...CALL, signal: leaving.signal }, never);
    await microtasks();
    leaving.abort();
    expect((await rejected(left)).code).toBe('DKV_ABORTED');
    expect(calls.filter((call) => !call.startsWith('read'))).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
  });

  it.each(['DKV_INDETERMINATE', 'DKV_QUORUM_NOT_REACHED'] as const)(
    'is not tried again after %s',
    async (code) => {
      const failure = new DkvError(code, 'no');
      writes = [failure];
      expect(await rejected(changes().run(CALL, grow))).toBe(failure);
      expect(calls).toEqual(['read one', 'write  none!']);
    },
  );
});

describe('what a change throws', () => {
  const refusal = new RangeError('sold out');
  const refuse = (stock: string) => async (current: ShownRecord | undefined) => {
    if (text(current) === stock) {
      throw refusal;
    }
    return grow(current);
  };

  it('counts when the copy was the latest', async () => {
    reads = [record(1, 'a'), record(1, 'a')];
    await expect(changes().run(CALL, refuse('a'))).rejects.toBe(refusal);
    expect(calls).toEqual(['read one', 'read linearizable']);
  });

  it('does not count when the copy trailed', async () => {
    reads = [record(1, 'a'), record(2, 'b')];
    writes = [done(3, 'b!')];
    await changes().run(CALL, refuse('a'));
    expect(calls).toEqual(['read one', 'read linearizable', 'write 0002 b!']);
  });

  it('counts of what a conflict told', async () => {
    reads = [record(1, 'a'), record(1, 'a')];
    writes = [conflict(), conflict(record(2, 'b'))];
    await expect(passing(changes().run(CALL, refuse('b')))).rejects.toBe(refusal);
    expect(calls).toEqual(['read one', 'write 0001 a!', 'read one', 'write 0001 a!']);
  });
});

describe('a request that is repeated', () => {
  const call = { ...CALL, idempotencyKey: 'once' };
  const repetition: Written = { ...done(2, 'a!'), repeated: true };

  it('is given the key as it stands, which others may have changed since', async () => {
    reads = [record(1, 'a'), record(3, 'later')];
    writes = [repetition];
    const { record: standing, repeated } = await changes().run(call, grow);
    expect([text(standing), repeated]).toEqual(['later', true]);
    expect(calls).toEqual(['read one', 'write 0001 a!', 'read linearizable']);
  });

  it('may find the key deleted since', async () => {
    writes = [repetition];
    expect(await changes().run(call, grow)).toMatchObject({ repeated: true, record: undefined });
  });

  it('is not judged by what it made itself: what the change throws of that does not count', async () => {
    reads = [record(2, 'a!'), record(2, 'a!')];
    writes = [repetition];
    const { repeated } = await changes().run(call, () => Promise.reject(new Error('spent already')));
    expect(repeated).toBe(true);
    expect(calls).toEqual(['read one', 'write never ', 'read linearizable']);
  });

  it('is refused by what the change throws where it did not take effect before', async () => {
    const refusal = new RangeError('sold out');
    reads = [record(1, 'a')];
    writes = [conflict(record(1, 'a'))];
    await expect(changes().run(call, () => Promise.reject(refusal))).rejects.toBe(refusal);
    expect(calls).toEqual(['read one', 'write never ']);
  });

  it('goes on from what the probe found where the copy trailed, and is probed once', async () => {
    const seen: string[] = [];
    reads = [record(1, 'a')];
    writes = [conflict(record(2, 'b'))];
    const refusal = new RangeError('sold out');
    const refused = changes().run(call, async (current) => {
      seen.push(text(current));
      throw refusal;
    });
    await expect(refused).rejects.toBe(refusal);
    expect([seen, calls]).toEqual([
      ['a', 'b'],
      ['read one', 'write never '],
    ]);
  });
});

describe('when timers run a moment early', () => {
  /** As timers of a machine under load may, in spite of what a clock promises. */
  const early: Clock = {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    schedule: (delayMs, task) => clock.schedule(Math.max(0, delayMs - 1), task),
    endOfTurn: (task) => clock.endOfTurn(task),
  };

  it('a change that takes all of its time writes nothing: it is no decision to delete', async () => {
    reads = [record(1, 'a')];
    writes = [done(2, 'gone')];
    const never = () => new Promise<never>(() => undefined);
    expect((await rejected(passing(changes(early).run(CALL, never)))).code).toBe('DKV_NOT_APPLIED');
    expect(calls.filter((call) => !call.startsWith('read'))).toEqual([]);
  });

  it('a change that never got its turn is told so', async () => {
    const records = changes(early);
    reads = [record(1, 'a'), record(1, 'a'), record(1, 'a'), record(1, 'a')];
    writes = [conflict(record(2, 'b')), conflict(record(2, 'b'))];
    let free!: () => void;
    const held = new Promise<void>((resolve) => (free = resolve));
    let asked = 0;
    const first = records.run({ ...CALL, timeoutMs: 60_000 }, async (current) => {
      if (++asked > 1) {
        await held;
      }
      return grow(current);
    });
    first.catch(() => undefined);
    await microtasks();
    expect((await rejected(passing(records.run(CALL, grow)))).code).toBe('DKV_NOT_APPLIED');
    writes = [done(3, 'b!')];
    free();
    await passing(first);
  });
});
