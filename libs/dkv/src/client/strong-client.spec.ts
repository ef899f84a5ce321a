/** What a client makes of strong namespaces: one operation each, conflicts told, locks as records that expire. */
import { beforeEach, describe, expect, it } from 'vitest';
import { rejected } from '../../testing/caught.js';
import { FakeStrongMode } from '../../testing/fake-strong-mode.js';
import { createTestCluster, type TestCluster } from '../../testing/simulation/sim-cluster.js';
import { SimRandom } from '../../testing/simulation/sim-random.js';
import { MsgpackCodec } from '../codec/msgpack-codec.js';
import { DkvError } from '../dkv.errors.js';
import { Dkv } from '../dkv.js';
import { type NamespaceMode } from '../model/consistency.js';
import { fencingOf } from '../model/strong-version.js';
import { type DkvConflictError, type DkvLockError } from './conflict-error.js';
import { Locks, LOCKS_NAMESPACE } from './locks.js';

const DAY_MS = 86_400_000;
const TIMES = { readTimeoutMs: 1_000, revertTimeoutMs: 2_000 };

let cluster: TestCluster;
let strong: FakeStrongMode;
let dkv: Dkv<number>;
let locks: Locks;

beforeEach(() => start('strong'));

async function start(mode: NamespaceMode): Promise<void> {
  cluster = createTestCluster(1, {
    mode,
    namespaces: ['other', LOCKS_NAMESPACE],
    strong: ({ context }) => (strong = new FakeStrongMode(context.clock)),
  });
  await cluster.start();
  const { processor, view, transitions, storage, clock } = cluster.node('a');
  const random = new SimRandom('client');
  locks = new Locks({ processor, clock, random }, TIMES);
  dkv = client('default', mode, { processor, view, transitions, storage, clock, random, locks });
}

function client(
  namespace: string,
  mode: NamespaceMode,
  core: ConstructorParameters<typeof Dkv>[0],
): Dkv<number> {
  const levels = { readConsistency: 'one', writeConsistency: 'quorum' } as const;
  const settings = { namespace, mode, ...levels, ...TIMES, placement: 0, ttlMs: 0, valueBytesMax: 1_000 };
  return new Dkv<number>(core, settings, new MsgpackCodec() as never);
}

const run = <T>(work: Promise<T>): Promise<T> => cluster.settle(work);
const errorOf = (work: Promise<unknown>) => run(rejected(work));
const nowMs = () => cluster.node('a').clock.now();

describe('a strong namespace', () => {
  it('writes, reads and removes, each with one operation', async () => {
    const pair = await run(dkv.addOrUpdate('k', 1, { ttlMs: 5_000 }));
    expect(pair).toEqual({ key: 'k', value: 1, modified: nowMs(), version: pair.version });
    expect(await run(dkv.get('k'))).toEqual(pair);
    expect(await run(dkv.get('k', { consistency: 'linearizable' }))).toEqual(pair);
    expect(await run(dkv.remove('k'))).toBe(true);
    expect(await run(dkv.remove('k'))).toBe(false);
    expect(await run(dkv.get('k'))).toBeUndefined();
    expect(strong.writes.map(({ kind, ttlMs }) => [kind, ttlMs])).toEqual([
      ['put', 5_000],
      ['remove', 0],
      ['remove', 0],
    ]);
    expect(strong.reads.map(({ level }) => level)).toEqual(['linearizable']);
  });

  it('gives a value another lifetime, and none to nothing', async () => {
    await run(dkv.addOrUpdate('k', 1, { ttlMs: 1_000 }));
    expect(await run(dkv.touch('k', 10_000))).toBe(true);
    await cluster.advance(9_000);
    expect((await run(dkv.get('k')))?.value).toBe(1);
    await cluster.advance(1_000);
    expect(await run(dkv.get('k'))).toBeUndefined();
    expect(await run(dkv.touch('k', 10_000))).toBe(false);
  });

  it('passes on what the mode says of a write, and how long it may take', async () => {
    const { signal } = new AbortController();
    await run(dkv.addOrUpdate('k', 1, { timeoutMs: 77, signal, idempotencyKey: 'once' }));
    expect(strong.writes[0]).toMatchObject({ timeoutMs: 77, signal, idempotencyKey: 'once' });
    strong.failure = new DkvError('DKV_OVERLOADED', 'as it is');
    expect(await errorOf(dkv.addOrUpdate('k', 2))).toBe(strong.failure);
  });

  it('refuses a level of writes that it does not have', async () => {
    expect((await errorOf(dkv.addOrUpdate('k', 1, { consistency: 'one' }))).code).toBe('DKV_UNSUPPORTED');
    expect(strong.writes).toEqual([]);
  });
});

describe('compareAndSet', () => {
  it('writes upon the version that was read, or upon nothing', async () => {
    const first = await run(dkv.compareAndSet('k', null, 1));
    const second = await run(dkv.compareAndSet('k', first.version, 2));
    expect(second.version > first.version).toBe(true);
    await run(dkv.compareAndRemove('k', second.version));
    expect((await run(dkv.compareAndSet('k', null, 3))).value).toBe(3);
  });

  it('tells what is there when it is something else, having written nothing', async () => {
    const { version } = await run(dkv.addOrUpdate('k', 1));
    const current = await run(dkv.addOrUpdate('k', 2));
    for (const work of [
      () => dkv.compareAndSet('k', version, 3),
      () => dkv.compareAndSet('k', null, 3),
      () => dkv.compareAndRemove('k', version),
    ]) {
      const error = (await errorOf(work())) as DkvConflictError;
      expect(error).toMatchObject({ code: 'DKV_CONFLICT', current });
    }
    expect(await run(dkv.get('k'))).toEqual(current);
    expect(
      ((await errorOf(dkv.compareAndSet('gone', version, 3))) as DkvConflictError).current,
    ).toBeUndefined();
  });

  it('refuses what is no version of a strong namespace', async () => {
    const eventual = '018bcfe5687b-0001-a!00000001';
    expect((await errorOf(dkv.compareAndSet('k', eventual, 1))).code).toBe('DKV_INVALID_ARGUMENT');
    expect(strong.writes).toEqual([]);
  });
});

describe('an idempotency key', () => {
  const once = { idempotencyKey: 'once' };

  it('lets a write take effect once, and the pair says so', async () => {
    const first = await run(dkv.addOrUpdate('k', 1, once));
    expect(first).not.toHaveProperty('repeated');
    await run(dkv.addOrUpdate('k', 2));
    expect(await run(dkv.addOrUpdate('k', 1, once))).toEqual({ ...first, repeated: true });
    expect((await run(dkv.getOrThrow('k'))).value).toBe(2);
  });

  it('is compared whole, is of one key, and is forgotten in time', async () => {
    await run(dkv.addOrUpdate('k', 1, once));
    await run(dkv.addOrUpdate('k', 2, { idempotencyKey: 'once ' }));
    await run(dkv.addOrUpdate('l', 3, once));
    expect((await run(dkv.getOrThrow('k'))).value).toBe(2);
    expect((await run(dkv.getOrThrow('l'))).value).toBe(3);
    await cluster.advance(DAY_MS);
    expect(await run(dkv.addOrUpdate('k', 4, once))).not.toHaveProperty('repeated');
  });

  it('does not turn a refusal into an answer for ever, and tells a repeated comparison apart', async () => {
    const { version } = await run(dkv.addOrUpdate('k', 1));
    await errorOf(dkv.compareAndSet('k', null, 2, once));
    const set = await run(dkv.compareAndSet('k', version, 2, once));
    expect(await run(dkv.compareAndSet('k', version, 2, once))).toEqual({ ...set, repeated: true });
  });

  it('lets removals, lifetimes and counts answer as the first time', async () => {
    const pair = await run(dkv.addOrUpdate('k', 1));
    expect(await run(dkv.touch('k', 10_000, { idempotencyKey: 'touched' }))).toBe(true);
    expect(await run(dkv.remove('k', once))).toBe(true);
    expect(await run(dkv.touch('k', 5_000, { idempotencyKey: 'touched' }))).toBe(true);
    const next = await run(dkv.addOrUpdate('k', 3));
    expect(next.version > pair.version).toBe(true);
    expect(await run(dkv.remove('k', once))).toBe(true);
    expect((await run(dkv.getOrThrow('k'))).value).toBe(3);
    const compared = () => dkv.compareAndRemove('k', next.version, { idempotencyKey: 'compared' });
    await run(compared());
    await run(compared());
    expect(await run(dkv.increment('n', 5, once))).toBe(5);
    await run(dkv.increment('n'));
    expect(await run(dkv.increment('n', 5, once))).toBe(5);
    expect((await run(dkv.getOrThrow('n'))).value).toBe(6);
  });

  it('tells all but one of those that create the same at once, with what that one stored', async () => {
    const created = await run(
      Promise.all([1, 2, 3].map((value) => dkv.compareAndSet('k', null, value, once))),
    );
    expect(created.map(({ value, repeated }) => [value, repeated])).toEqual([
      [1, undefined],
      [1, true],
      [1, true],
    ]);
  });
});

describe('increment', () => {
  it('is one operation, however many count', async () => {
    const counts = await run(Promise.all(Array.from({ length: 40 }, () => dkv.increment('k'))));
    expect(counts.sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
    expect(await run(dkv.increment('k', -50))).toBe(-10);
    expect(strong.writes.map(({ kind, by }) => [kind, by])).toEqual([
      ...Array.from({ length: 40 }, () => ['increment', 1]),
      ['increment', -50],
    ]);
    expect(strong.reads).toEqual([]);
  });

  it.each([
    ['a count that would not be exact', Number.MAX_SAFE_INTEGER],
    ['half a count', 0.5],
  ])('refuses to count on from %s', async (_, value) => {
    await run(dkv.addOrUpdate('k', value));
    expect((await errorOf(dkv.increment('k'))).code).toBe('DKV_INVALID_ARGUMENT');
    expect((await run(dkv.getOrThrow('k'))).value).toBe(value);
  });

  it('refuses to count by what is no whole number', async () => {
    expect((await errorOf(dkv.increment('k', 0.5))).code).toBe('DKV_INVALID_ARGUMENT');
    expect(strong.writes).toEqual([]);
  });
});

describe('update', () => {
  it('starts from the own copy, and goes on from what a conflict told', async () => {
    await run(dkv.addOrUpdate('k', 1));
    strong.trail('default', 'k');
    await run(dkv.addOrUpdate('k', 10));
    const seen: unknown[] = [];
    const pair = await run(
      dkv.update('k', (current = 0) => {
        seen.push(current);
        return current + 1;
      }),
    );
    expect(pair?.value).toBe(11);
    expect(seen).toContain(10);
    expect(strong.writes.at(-1)).toMatchObject({
      kind: 'put',
      expected: expect.stringMatching(/^[0-9a-f]{20}$/) as string,
    });
  });

  it('deletes with undefined', async () => {
    await run(dkv.addOrUpdate('k', 1));
    expect(await run(dkv.update('k', () => undefined))).toBeUndefined();
    expect(await run(dkv.get('k'))).toBeUndefined();
  });

  it('under a name that took effect gives the pair as it stands, whatever the change says of it', async () => {
    const once = { idempotencyKey: 'once' };
    const spend = (current = 0) => {
      if (current < 5) {
        throw new RangeError('too little is left');
      }
      return current - 5;
    };
    await run(dkv.addOrUpdate('k', 7));
    expect((await run(dkv.update('k', spend, once)))?.value).toBe(2);
    expect(await run(dkv.update('k', spend, once))).toMatchObject({ value: 2, repeated: true });
    const standing = await run(dkv.addOrUpdate('k', 70));
    expect(await run(dkv.update('k', spend, once))).toEqual({ ...standing, repeated: true });
    await run(dkv.remove('k'));
    expect(await run(dkv.update('k', spend, once))).toBeUndefined();
    await expect(run(dkv.update('k', spend))).rejects.toThrow('too little is left');
  });
});

describe('a lock', () => {
  it('is taken by one write, has the version as its fencing number, and leaves nothing when it is free', async () => {
    const numbers: number[] = [];
    for (let turn = 0; turn < 3; turn++) {
      const lock = await run(dkv.lock('k', 10_000));
      expect(strong.writes.at(-1)).toMatchObject({
        kind: 'put',
        namespace: LOCKS_NAMESPACE,
        key: 'default\0k',
        expected: '',
        ttlMs: 10_000,
      });
      const record = strong.peek(LOCKS_NAMESPACE, 'default\0k')!;
      expect([lock.fencing, lock.expiresAtMs]).toEqual([fencingOf(record.version), nowMs() + 10_000]);
      numbers.push(lock.fencing);
      const error = (await errorOf(dkv.lock('k', 10_000))) as DkvLockError;
      expect(error).toMatchObject({ code: 'DKV_CONFLICT', expiresAtMs: lock.expiresAtMs });
      await run(lock.release());
      await run(lock.release());
      expect(strong.peek(LOCKS_NAMESPACE, 'default\0k')).toBeNull();
    }
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    expect(new Set(numbers).size).toBe(3);
    expect(new Set(strong.reads.map(({ level }) => level))).toEqual(new Set(['one']));
  });

  it('keeps its fencing number when it is renewed, by its holder or by its token', async () => {
    const lock = await run(dkv.lock('k', 1_000));
    await cluster.advance(900);
    await run(lock.renew());
    expect(lock.expiresAtMs).toBe(nowMs() + 1_000);
    await cluster.advance(900);
    const taken = await run(dkv.renewLock('k', lock.token, 5_000));
    expect([taken.fencing, taken.token]).toEqual([lock.fencing, lock.token]);
    await run(taken.renew());
    await cluster.advance(4_000);
    await errorOf(dkv.lock('k', 1_000));
    expect((await errorOf(dkv.releaseLock('k', 'another'))).message).toContain('another token');
    await run(dkv.releaseLock('k', lock.token));
    expect((await run(dkv.lock('k', 1_000))).fencing).toBeGreaterThan(lock.fencing);
  });

  it('is gone when its time is over: it cannot be renewed, and someone else may have it', async () => {
    const lost = await run(dkv.lock('k', 1_000));
    await cluster.advance(999);
    await errorOf(dkv.lock('k', 1_000));
    await cluster.advance(1);
    expect((await errorOf(lost.renew())).message).toContain('held by nobody');
    const next = await run(dkv.lock('k', 1_000));
    expect(next.fencing).toBeGreaterThan(lost.fencing);
    expect((await errorOf(lost.renew())).message).toContain('another token');
    await errorOf(lost.release());
    await run(lost[Symbol.asyncDispose]());
    await run(next.release());
  });

  it('is renewed also where the own copy trails', async () => {
    strong.trail(LOCKS_NAMESPACE, 'default\0k');
    const lock = await run(dkv.lock('k', 1_000));
    await run(lock.renew(5_000));
    expect(lock.expiresAtMs).toBe(nowMs() + 5_000);
  });

  it('is waited for as long as asked', async () => {
    const lock = await run(dkv.lock('k', 60_000));
    const waiting = dkv.lock('k', 60_000, { waitMs: 30_000 });
    await errorOf(dkv.lock('k', 60_000, { waitMs: 1 }));
    await run(lock.release());
    expect((await run(waiting)).fencing).toBeGreaterThan(lock.fencing);
    const late = nowMs();
    const next = await run(dkv.lock('k', 60_000, { waitMs: 61_000 }));
    expect(nowMs() - late).toBeGreaterThan(50_000);
    await run(next.release());
  });

  it('is given back with all others when the process ends, but for those of others', async () => {
    await run(dkv.lock('own', 600_000));
    await run(dkv.lock('handed out', 600_000, { keepOnShutdown: true }));
    await run(locks.releaseAll(1_000));
    await run(dkv.lock('own', 1_000));
    await errorOf(dkv.lock('handed out', 1_000));
  });

  it('has room for its namespace beside its key', async () => {
    await run(dkv.lock('k'.repeat(1024 - 'default'.length - 1), 1_000));
    const error = await errorOf(dkv.lock('k'.repeat(1024), 1_000));
    expect(error.code).toBe('DKV_INVALID_KEY');
    expect(error.message).toMatch(/too long for a lock.*hash/);
    expect((await errorOf(dkv.lock('', 1_000))).code).toBe('DKV_INVALID_KEY');
  });
});

describe('an eventual namespace', () => {
  beforeEach(() => start('eventual'));

  it.each([
    ['compareAndSet', () => dkv.compareAndSet('k', null, 1)],
    ['compareAndRemove', () => dkv.compareAndRemove('k', '0'.repeat(20))],
    ['update', () => dkv.update('k', () => 1)],
    ['increment', () => dkv.increment('k')],
    ['touch', () => dkv.touch('k', 1)],
    ['lock', () => dkv.lock('k', 1)],
    ['withLock', () => dkv.withLock('k', {}, () => 1)],
    ['an idempotency key', () => dkv.addOrUpdate('k', 1, { idempotencyKey: 'once' })],
    ['linearizable reads', () => dkv.get('k', { consistency: 'linearizable' })],
  ])('has no %s', async (_, call) => {
    expect((await errorOf(call())).code).toBe('DKV_UNSUPPORTED');
  });

  it('asks nothing of the strong mode', async () => {
    await run(dkv.addOrUpdate('k', 1));
    expect((await run(dkv.get('k', { consistency: 'quorum' })))?.value).toBe(1);
    expect(await run(dkv.remove('k'))).toBe(true);
    expect([strong.writes, strong.reads]).toEqual([[], []]);
  });
});
