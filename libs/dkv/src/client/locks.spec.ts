/** Locks that are waited for in order, and work under a lock: on virtual time, with several nodes' locks over one store. */
import { beforeEach, describe, expect, it } from 'vitest';
import { rejected } from '../../testing/caught.js';
import { FakeStrongMode } from '../../testing/fake-strong-mode.js';
import { createTestCluster, type TestCluster } from '../../testing/simulation/sim-cluster.js';
import { SimRandom } from '../../testing/simulation/sim-random.js';
import { DkvError } from '../dkv.errors.js';
import { DkvLockError } from './conflict-error.js';
import { type DkvLockScope } from './kept-lock.js';
import { type DkvLock } from './lock.js';
import { LOCK_WAITERS_MAX } from './lock-queues.js';
import { Locks, LOCKS_NAMESPACE } from './locks.js';

const TIMES = { readTimeoutMs: 1_000, revertTimeoutMs: 2_000 };
const UNREACHABLE = new DkvError('DKV_QUORUM_NOT_REACHED', 'nobody answers');

let cluster: TestCluster;
let strong: FakeStrongMode;
let locks: Locks;

beforeEach(async () => {
  cluster = createTestCluster(1, {
    mode: 'strong',
    namespaces: [LOCKS_NAMESPACE],
    strong: ({ context }) => (strong = new FakeStrongMode(context.clock)),
  });
  await cluster.start();
  locks = locksOfNode('one');
});

function locksOfNode(seed: string): Locks {
  const { processor, clock } = cluster.node('a');
  return new Locks({ processor, clock, random: new SimRandom(seed) }, TIMES);
}

const run = <T>(work: Promise<T>): Promise<T> => cluster.settle(work);
const nowMs = () => cluster.node('a').clock.monotonic();
const take = (waitMs = 0, of = locks, signal?: AbortSignal) =>
  of.acquire('default', 'k', 60_000, { waitMs, signal });
const questions = () => strong.writes.filter(({ kind }) => kind === 'put').length;

describe('callers of one node that wait for a lock', () => {
  it('get it in the order in which they asked, each as soon as it is given back', async () => {
    const held = await run(take());
    const order: number[] = [];
    const waiting = Array.from({ length: 20 }, async (_, at) => {
      const lock = await take(3_600_000);
      order.push(at);
      await lock.release();
    });
    await cluster.advance(5_000);
    expect(order).toEqual([]);
    const releasedMs = nowMs();
    await run(held.release());
    await run(Promise.all(waiting));
    expect(order).toEqual(Array.from({ length: 20 }, (_, at) => at));
    expect(nowMs() - releasedMs).toBeLessThan(5);
  });

  it('ask no more often than one of them would', async () => {
    await run(take());
    const waiting = Array.from({ length: 50 }, () => rejected(take(10_000)));
    const before = questions();
    await run(Promise.all(waiting));
    // At pauses of 50 to 150 ms.
    expect(questions() - before).toBeLessThan(200);
    expect(questions() - before).toBeGreaterThan(60);
  });

  it('give their place up when their time is over, or when they are not wanted any more', async () => {
    const held = await run(take());
    const leaving = new AbortController();
    const first = take(3_600_000);
    const late = rejected(take(1_000));
    const aborted = rejected(take(3_600_000, locks, leaving.signal));
    const last = take(3_600_000);
    await cluster.advance(1_000);
    const error = (await run(late)) as DkvLockError;
    expect(error).toMatchObject({ code: 'DKV_CONFLICT', expiresAtMs: held.expiresAtMs });
    expect(error.message).toMatch(/"k" was not to be had within 1000 ms.*waitMs/);
    leaving.abort();
    expect((await run(aborted)).code).toBe('DKV_ABORTED');
    await run(held.release());
    await run((await run(first)).release());
    await run((await run(last)).release());
  });

  it('are told what is wrong each by its own question', async () => {
    await run(take());
    const waiting = Array.from({ length: 3 }, () => rejected(take(10_000)));
    strong.failure = UNREACHABLE;
    expect(await run(Promise.all(waiting))).toEqual([UNREACHABLE, UNREACHABLE, UNREACHABLE]);
    strong.failure = undefined;
    expect((await run(rejected(take(1_000)))).code).toBe('DKV_CONFLICT');
  });

  it('are so many at most, and the next is told of which lock', async () => {
    await run(take());
    const waiting = Array.from({ length: LOCK_WAITERS_MAX }, () => rejected(take(1_000)));
    const error = await run(rejected(take(1_000)));
    expect(error.code).toBe('DKV_OVERLOADED');
    expect(error.message).toMatch(/1000 callers of this node wait for the lock "k"/);
    await run(Promise.all(waiting));
    expect((await run(rejected(take(1_000)))).code).toBe('DKV_CONFLICT');
  });

  it('leave other nodes a chance', async () => {
    const order: string[] = [];
    const hold = async (name: string, of: Locks) => {
      const lock = await take(3_600_000, of);
      order.push(name);
      await pause(20);
      await lock.release();
    };
    const other = locksOfNode('other');
    const busy = Array.from({ length: 400 }, () => hold('one', locks));
    const theirs = Array.from({ length: 3 }, () => hold('other', other));
    await run(Promise.all([...busy, ...theirs]));
    // Of 8 s of work, the others waited for a part.
    expect(order.lastIndexOf('other')).toBeLessThan(300);
  });
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => cluster.node('a').clock.schedule(ms, resolve));
}

describe('work under a lock', () => {
  const ttlMs = 3_000;
  let scope: DkvLockScope;

  /** Work that goes on until it is told to end. */
  function begin(options: { signal?: AbortSignal } = {}) {
    let end!: (result: string | Error) => void;
    let isBegun!: () => void;
    const begun = new Promise<void>((resolve) => (isBegun = resolve));
    const done = locks.holdWhile('default', 'k', { ttlMs, ...options }, (given) => {
      scope = given;
      isBegun();
      return new Promise<string>((resolve, reject) => {
        end = (result) => (typeof result === 'string' ? resolve(result) : reject(result));
      });
    });
    return { begun, done, end: (result: string | Error) => end(result) };
  }

  const locked = async () => (await run(rejected(take()))).code;
  const free = async (): Promise<DkvLock> => {
    const lock = await run(take());
    await run(lock.release());
    return lock;
  };

  it('has it for as long as it takes, and gives it back with its result', async () => {
    const { begun, done, end } = begin();
    await run(begun);
    for (let round = 0; round < 10; round++) {
      await cluster.advance(ttlMs);
      expect(await locked()).toBe('DKV_CONFLICT');
    }
    expect([scope.key, scope.signal.aborted]).toEqual(['k', false]);
    end('the result');
    expect(await run(done)).toBe('the result');
    expect((await free()).fencing).toBeGreaterThan(scope.fencing);
    const before = strong.writes.length;
    await cluster.advance(10 * ttlMs);
    expect(strong.writes).toHaveLength(before);
  });

  it('gives it back also when it throws', async () => {
    const { begun, done, end } = begin();
    await run(begun);
    const bug = new RangeError('of the work');
    end(bug);
    await expect(run(done)).rejects.toBe(bug);
    await free();
  });

  it('holds it through renewals that fail, as long as one succeeds in time', async () => {
    const { begun, done, end } = begin();
    await run(begun);
    for (let round = 0; round < 5; round++) {
      strong.failure = UNREACHABLE;
      await cluster.advance(ttlMs / 2);
      strong.failure = undefined;
      await cluster.advance(ttlMs / 2);
    }
    expect(scope.signal.aborted).toBe(false);
    end('done');
    expect(await run(done)).toBe('done');
  });

  it('is told when it cannot be renewed, before anybody else can have it, and fails when it has settled', async () => {
    const { begun, done, end } = begin();
    await run(begun);
    await cluster.advance(ttlMs);
    strong.failure = UNREACHABLE;
    let settled = false;
    const outcome = rejected(done).finally(() => (settled = true));
    await cluster.advance(ttlMs);
    expect(scope.signal.reason).toBeInstanceOf(DkvLockError);
    expect(scope.signal.reason).toMatchObject({ code: 'DKV_LOCK_LOST', status: 409 });
    await cluster.advance(ttlMs);
    expect(settled).toBe(false);
    end('too late');
    const error = await run(outcome);
    expect(error).toBe(scope.signal.reason);
    expect(error.message).toMatch(/"k" was lost.*fencing/);
    strong.failure = undefined;
    await free();
  });

  it('is told when someone released it by its token, and what it throws then is the cause', async () => {
    const { begun, done, end } = begin();
    await run(begun);
    const { value } = strong.peek(LOCKS_NAMESPACE, 'default\0k')!;
    const { token } = JSON.parse(Buffer.from(value).toString()) as { token: string };
    await run(locks.release('default', 'k', token));
    await cluster.advance(ttlMs / 2);
    expect(scope.signal.aborted).toBe(true);
    const cause = new Error('stopped half way');
    end(cause);
    expect(await run(rejected(done))).toMatchObject({ code: 'DKV_LOCK_LOST', cause });
  });

  it('fails when it outlived the lock without a moment to renew it', async () => {
    const jump = locks.holdWhile('default', 'k', { ttlMs }, async () => {
      const { value } = strong.peek(LOCKS_NAMESPACE, 'default\0k')!;
      const { token } = JSON.parse(Buffer.from(value).toString()) as { token: string };
      await locks.release('default', 'k', token);
    });
    expect(await run(rejected(jump))).toMatchObject({ code: 'DKV_LOCK_LOST' });
  });

  it('keeps its result where the lock could not be given back: that ends with its time', async () => {
    const { begun, done, end } = begin();
    await run(begun);
    strong.failure = UNREACHABLE;
    end('done');
    expect(await run(done)).toBe('done');
    strong.failure = undefined;
    expect(await locked()).toBe('DKV_CONFLICT');
    await cluster.advance(ttlMs);
    await free();
  });

  it('is told that its caller gave it up, and says what becomes of it', async () => {
    const leaving = new AbortController();
    const { begun, done, end } = begin({ signal: leaving.signal });
    await run(begun);
    leaving.abort('enough');
    expect(scope.signal.reason).toBe('enough');
    await cluster.advance(2 * ttlMs);
    expect(await locked()).toBe('DKV_CONFLICT');
    end('finished all the same');
    expect(await run(done)).toBe('finished all the same');
    await free();
  });

  it('is not begun where the lock is not to be had, or not wanted', async () => {
    await run(take());
    const calls: unknown[] = [];
    const asked = (options: object) =>
      run(rejected(locks.holdWhile('default', 'k', options, () => calls.push('begun'))));
    expect((await asked({})).code).toBe('DKV_CONFLICT');
    expect((await asked({ waitMs: 500 })).code).toBe('DKV_CONFLICT');
    expect((await asked({ signal: AbortSignal.abort() })).code).toBe('DKV_ABORTED');
    expect((await asked({ ttlMs: 0 })).code).toBe('DKV_INVALID_ARGUMENT');
    expect(calls).toEqual([]);
  });

  it('is told when the application shuts down, which gives the lock to others', async () => {
    const { begun, done, end } = begin();
    await run(begun);
    await run(locks.releaseAll(1_000));
    expect(scope.signal.aborted).toBe(true);
    await free();
    end('too late');
    expect(await run(rejected(done))).toMatchObject({ code: 'DKV_LOCK_LOST' });
  });

  it('waits for its turn with all others', async () => {
    const order: number[] = [];
    const works = Array.from({ length: 10 }, (_, at) =>
      locks.holdWhile('default', 'k', { waitMs: 60_000 }, async () => {
        order.push(at);
        await pause(100);
      }),
    );
    await run(Promise.all(works));
    expect(order).toEqual(Array.from({ length: 10 }, (_, at) => at));
  });
});
