import { describe, expect, it } from 'vitest';
import { microtasks } from '../../../testing/microtasks.js';
import { GroupCommit } from './group-commit.js';

interface Write {
  readonly name: string;
  readonly bytes: number;
}

const MEBIBYTE = 1024 * 1024;
const PASSING = new Error('ENOSPC');
const write = (name: string, bytes = 100): Write => ({ name, bytes });

/** A group commit whose batches end when the test says so. */
class Bench {
  readonly groups: string[][] = [];
  readonly failures: string[] = [];
  readonly doneErrors: unknown[] = [];
  underWay = 0;
  private ends: { resolve: () => void; reject: (error: Error) => void }[] = [];
  readonly commits: GroupCommit<Write>;

  constructor(pendingBytesMax = 1000, nextTurn?: () => Promise<void>) {
    const commit = async (group: readonly Write[]) => {
      this.groups.push(group.map(({ name }) => name));
      this.underWay++;
      await new Promise<void>((resolve, reject) => this.ends.push({ resolve, reject })).finally(
        () => this.underWay--,
      );
    };
    const onFailure = ({ message }: Error) => this.failures.push(message);
    const onDoneError = (error: unknown) => this.doneErrors.push(error);
    const isPassing = (cause: unknown) => cause === PASSING;
    const limits = { pendingBytesMax, where: '/data', onFailure, onDoneError, isPassing, nextTurn };
    this.commits = new GroupCommit(commit, limits);
  }

  submit(write: Write): Promise<void> {
    return new Promise((resolve, reject) =>
      this.commits.submit(write, (error) => (error ? reject(error) : resolve())),
    );
  }

  /** Ends the batch under way, with `error` if there is one. */
  async end(error?: Error): Promise<void> {
    const { resolve, reject } = this.ends.shift()!;
    if (error) {
      reject(error);
    } else {
      resolve();
    }
    await microtasks();
  }
}

describe('group commit', () => {
  it('writes what was asked for in one turn as one batch', async () => {
    const bench = new Bench();
    const done = Promise.all(['a', 'b', 'c'].map((name) => bench.submit(write(name))));
    await microtasks();
    expect(bench.groups).toEqual([['a', 'b', 'c']]);
    await bench.end();
    await done;
  });

  it('has one batch under way at a time, and all that waited in the next', async () => {
    const bench = new Bench();
    void bench.submit(write('a'));
    await microtasks();
    void bench.submit(write('b'));
    await microtasks();
    void bench.submit(write('c'));
    await microtasks();
    expect(bench.groups).toEqual([['a']]);
    expect(bench.underWay).toBe(1);
    await bench.end();
    expect(bench.groups).toEqual([['a'], ['b', 'c']]);
    expect(bench.underWay).toBe(1);
    await bench.end();
    expect(bench.underWay).toBe(0);
  });

  it('acknowledges a write when its batch is done, not before', async () => {
    const bench = new Bench();
    const acknowledged: string[] = [];
    const submit = (name: string) => void bench.submit(write(name)).then(() => acknowledged.push(name));
    submit('a');
    await microtasks();
    submit('b');
    await microtasks();
    expect(acknowledged).toEqual([]);
    await bench.end();
    expect(acknowledged).toEqual(['a']);
    await bench.end();
    expect(acknowledged).toEqual(['a', 'b']);
  });

  it('splits what waits into batches of 4 MiB, in order', async () => {
    const bench = new Bench(100 * MEBIBYTE);
    const sizes = [1, 2, 2, 9, 1, 1];
    const done = Promise.all(sizes.map((size, at) => bench.submit(write(`${at}`, size * MEBIBYTE))));
    for (let batch = 0; batch < 4; batch++) {
      await microtasks();
      await bench.end();
    }
    await done;
    expect(bench.groups).toEqual([['0', '1'], ['2'], ['3'], ['4', '5']]);
  });

  it('refuses at once what does not fit beside what waits, and takes it when there is room', async () => {
    const bench = new Bench(1000);
    const first = bench.submit(write('a', 600));
    await microtasks();
    await expect(bench.submit(write('b', 401))).rejects.toMatchObject({
      code: 'DKV_OVERLOADED',
      message: expect.stringMatching(/600 bytes wait.*\/data.*1000/) as string,
    });
    void bench.submit(write('c', 400));
    expect(() => bench.commits.assertAccepting()).toThrow(/1000 bytes wait/);
    await bench.end();
    await first;
    bench.commits.assertAccepting();
    void bench.submit(write('d', 600));
    await bench.end();
    await bench.end();
    expect(bench.groups).toEqual([['a'], ['c'], ['d']]);
  });

  it('takes a write larger than the limit when nothing else waits', async () => {
    const bench = new Bench(1000);
    const done = bench.submit(write('a', 5000));
    await microtasks();
    await bench.end();
    await done;
  });

  it('drains', async () => {
    const bench = new Bench();
    await bench.commits.drained();
    void bench.submit(write('a'));
    await microtasks();
    void bench.submit(write('b'));
    let isDrained = false;
    const drained = bench.commits.drained().then(() => (isDrained = true));
    await bench.end();
    expect(isDrained).toBe(false);
    await bench.end();
    await drained;
    expect(bench.groups).toEqual([['a'], ['b']]);
  });
});

describe('a caller that throws when it is told', () => {
  const thrown = new Error('a defect of the caller');
  const throwing = () => {
    throw thrown;
  };

  it('stops neither the others of its batch nor the batches after it', async () => {
    const bench = new Bench();
    bench.commits.submit(write('a'), throwing);
    const others = [bench.submit(write('b'))];
    await microtasks();
    others.push(bench.submit(write('c')));
    await bench.end();
    await bench.end();
    others.push(bench.submit(write('d', 1_000)));
    await microtasks();
    await bench.end();
    await Promise.all(others);
    await bench.commits.drained();
    expect(bench.groups).toEqual([['a', 'b'], ['c'], ['d']]);
    expect(bench.doneErrors).toEqual([thrown]);
  });

  it('keeps no other from hearing that the storage failed', async () => {
    const bench = new Bench();
    bench.commits.submit(write('a'), throwing);
    const other = bench.submit(write('b'));
    await microtasks();
    bench.commits.submit(write('c'), throwing);
    const waiting = bench.submit(write('d'));
    const outcomes = Promise.allSettled([other, waiting]);
    await bench.end(new Error('EIO'));
    expect(await outcomes).toMatchObject([
      { reason: { code: 'DKV_STORAGE_FAILED' } },
      { reason: { code: 'DKV_READ_ONLY' } },
    ]);
    bench.commits.submit(write('e'), throwing);
    expect(bench.doneErrors).toEqual([thrown, thrown, thrown]);
  });

  it('keeps no other from hearing of a failure that passes, nor later writes from being stored', async () => {
    const bench = new Bench();
    bench.commits.submit(write('a'), throwing);
    const outcome = Promise.allSettled([bench.submit(write('b'))]);
    await microtasks();
    await bench.end(PASSING);
    expect(await outcome).toMatchObject([{ reason: PASSING }]);
    const later = bench.submit(write('c'));
    await microtasks();
    await bench.end();
    await later;
    expect(bench.groups).toEqual([['a', 'b'], ['c']]);
    expect(bench.doneErrors).toEqual([thrown]);
  });
});

describe('a batch that fails', () => {
  it('is the last: its writes fail, those that wait are refused, and nothing is tried again', async () => {
    const bench = new Bench();
    const cause = new Error('EIO');
    const settled = Promise.allSettled([bench.submit(write('a')), bench.submit(write('b'))]);
    await microtasks();
    const waiting = Promise.allSettled([bench.submit(write('c'))]);
    await microtasks();
    await bench.end(cause);

    const failed = { status: 'rejected', reason: { code: 'DKV_STORAGE_FAILED', cause } };
    expect(await settled).toMatchObject([failed, failed]);
    expect(await waiting).toMatchObject([{ status: 'rejected', reason: { code: 'DKV_READ_ONLY' } }]);
    await expect(bench.submit(write('d'))).rejects.toMatchObject({ code: 'DKV_READ_ONLY' });
    expect(() => bench.commits.assertAccepting()).toThrow(expect.objectContaining({ code: 'DKV_READ_ONLY' }));
    await bench.commits.drained();
    expect(bench.groups).toEqual([['a', 'b']]);
    expect(bench.commits.failure).toMatchObject({ code: 'DKV_STORAGE_FAILED', cause });
    expect(bench.failures).toEqual([expect.stringMatching(/\/data failed: EIO.*start it again/)]);
  });
});

describe('those whose writes are durable', () => {
  /** Turns of the event loop, which come when the test says so. */
  function turns(): { nextTurn: () => Promise<void>; come: () => Promise<void> } {
    let waiting: (() => void)[] = [];
    return {
      nextTurn: () => new Promise((resolve) => waiting.push(resolve)),
      come: async () => {
        waiting.splice(0).forEach((resolve) => resolve());
        waiting = [];
        await microtasks();
      },
    };
  }

  it('are told some in a turn, in order, while the next batch is under way', async () => {
    const { nextTurn, come } = turns();
    const bench = new Bench(MEBIBYTE, nextTurn);
    const told: number[] = [];
    for (let at = 0; at < 70; at++) {
      void bench.submit(write(`${at}`)).then(() => told.push(at));
    }
    await microtasks();
    void bench.submit(write('later')).then(() => told.push(70));
    await bench.end();
    expect(told).toHaveLength(32);
    expect(bench.underWay).toBe(1);
    await bench.end();
    expect(told).toHaveLength(32);
    await come();
    expect(told).toHaveLength(64);
    await come();
    expect(told).toEqual(Array.from({ length: 71 }, (_, at) => at));
  });

  it('count as waiting until they are told, and are waited for at the end', async () => {
    const { nextTurn, come } = turns();
    const bench = new Bench(5_000, nextTurn);
    const writes = Array.from({ length: 50 }, (_, at) => bench.submit(write(`${at}`)));
    await microtasks();
    await bench.end();
    let isDrained = false;
    void bench.commits.drained().then(() => (isDrained = true));
    await microtasks();
    expect(isDrained).toBe(false);
    await expect(bench.submit(write('too much', 3_300))).rejects.toMatchObject({ code: 'DKV_OVERLOADED' });
    await come();
    await Promise.all(writes);
    expect(isDrained).toBe(true);
    void bench.submit(write('fits', 5_000));
  });

  it('are told so also when a later batch fails', async () => {
    const { nextTurn, come } = turns();
    const bench = new Bench(MEBIBYTE, nextTurn);
    const first = Promise.all(Array.from({ length: 40 }, (_, at) => bench.submit(write(`${at}`))));
    await microtasks();
    const later = bench.submit(write('later'));
    later.catch(() => undefined);
    await bench.end();
    await bench.end(new Error('EIO'));
    await expect(later).rejects.toMatchObject({ code: 'DKV_STORAGE_FAILED' });
    await come();
    await first;
  });
});
