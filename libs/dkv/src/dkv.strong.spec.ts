/** What a strong namespace offers its callers, on the real core: one node, and three over the network. */
import { Test, type TestingModule } from '@nestjs/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { freePort } from '../testing/free-port.js';
import { CapturedLog } from '../testing/captured-log.js';
import { rejected } from '../testing/caught.js';
import { type DkvConflictError, type DkvLockError } from './client/conflict-error.js';
import { StaticDiscovery } from './discovery/static-discovery.js';
import { Dkv } from './dkv.js';
import { DkvModule } from './dkv.module.js';
import { type DkvModuleOptions } from './dkv.options.js';
import { getDkvToken } from './dkv.tokens.js';
import { type Clock } from './ports/clock.js';
import { SystemClock } from './system/system-clock.js';

const modules: TestingModule[] = [];
/** How far the wall clock of the nodes has come: it moves when a test says so. */
let aheadMs: number;
let dkv: Dkv<number>;

const clock: Clock = (() => {
  const system = new SystemClock();
  return {
    now: () => 1_700_000_000_000 + aheadMs,
    monotonic: () => system.monotonic(),
    schedule: (delayMs, task) => system.schedule(delayMs, task),
    endOfTurn: (task) => system.endOfTurn(task),
  };
})();

beforeEach(async () => {
  aheadMs = 0;
  dkv = (await boot()).get<Dkv<number>>(Dkv);
});

afterEach(async () => {
  for (const module of modules.splice(0)) {
    await module.close();
  }
});

async function boot(options: DkvModuleOptions = {}): Promise<TestingModule> {
  const root = DkvModule.forRoot({ storage: 'memory', logger: new CapturedLog(), clock, ...options });
  const imports = [root, DkvModule.forFeature([{ name: 'other', replicas: 1 }])];
  const module = await Test.createTestingModule({ imports }).compile();
  modules.push(module);
  await module.init();
  return module;
}

const conflicting = async <V>(work: Promise<unknown>): Promise<DkvConflictError<V>> => {
  const error = (await rejected(work)) as DkvConflictError<V>;
  expect(error).toMatchObject({ code: 'DKV_CONFLICT', status: 409 });
  return error;
};

const locked = async (work: Promise<unknown>): Promise<DkvLockError> => {
  const error = (await rejected(work)) as DkvLockError;
  expect(error.code).toBe('DKV_CONFLICT');
  return error;
};

it.each([5, null, undefined])('a get of %s is refused like that of any other wrong key', async (key) => {
  await expect(dkv.get(key as unknown as string)).rejects.toThrow('A key is a string, got ');
});

describe('compareAndSet', () => {
  it('writes upon the version that was read, or upon nothing', async () => {
    const first = await dkv.compareAndSet('k', null, 1);
    const second = await dkv.compareAndSet('k', first.version, 2);
    expect(await dkv.get('k', { consistency: 'linearizable' })).toEqual(second);
    await dkv.compareAndRemove('k', second.version);
    expect(await dkv.get('k')).toBeUndefined();
    expect((await dkv.compareAndSet('k', null, 3)).value).toBe(3);
  });

  it('tells what is there when it is something else, having written nothing', async () => {
    const { version } = await dkv.addOrUpdate('k', 1);
    const current = await dkv.addOrUpdate('k', 2);
    for (const work of [
      dkv.compareAndSet('k', version, 3),
      dkv.compareAndSet('k', null, 3),
      dkv.compareAndRemove('k', version),
    ]) {
      const error = await conflicting(work);
      expect(error.current).toEqual(current);
      expect(error.message).toContain('Key "k"');
      expect(error.message).toContain(current.version);
      expect(error.toJSON()).toMatchObject({
        code: 'DKV_CONFLICT',
        current: { version: current.version, modified: current.modified },
      });
    }
    expect(await dkv.get('k')).toEqual(current);
    const gone = await conflicting(dkv.compareAndSet('gone', version, 3));
    expect(gone.current).toBeUndefined();
    expect(gone.toJSON().current).toBeNull();
  });
});

describe('an idempotency key', () => {
  const once = { idempotencyKey: 'once' };

  it('lets a write take effect once, and answers alike', async () => {
    const first = await dkv.addOrUpdate('k', 1, once);
    await dkv.addOrUpdate('k', 2);
    expect(await dkv.addOrUpdate('k', 1, once)).toEqual({ ...first, repeated: true });
    expect((await dkv.getOrThrow('k')).value).toBe(2);
    expect(await dkv.remove('k', { idempotencyKey: 'gone' })).toBe(true);
    await dkv.addOrUpdate('k', 3);
    expect(await dkv.remove('k', { idempotencyKey: 'gone' })).toBe(true);
    expect((await dkv.getOrThrow('k')).value).toBe(3);
  });

  it('tells what the first call stored as long as it stands, whatever the repeated one would have', async () => {
    const first = await dkv.addOrUpdate('k', 1, once);
    expect(await dkv.addOrUpdate('k', 2, once)).toEqual({ ...first, repeated: true });
    await dkv.addOrUpdate('k', 3);
    expect(await dkv.addOrUpdate('k', 2, once)).toEqual({ ...first, value: 2, repeated: true });
  });

  it('is of one key', async () => {
    await dkv.addOrUpdate('a', 1, once);
    await dkv.addOrUpdate('b', 1, once);
    expect(await dkv.get('b')).toBeDefined();
  });

  it('does not turn a refusal into an answer for ever', async () => {
    const { version } = await dkv.addOrUpdate('k', 1);
    await conflicting(dkv.compareAndSet('k', null, 2, once));
    const set = await dkv.compareAndSet('k', version, 2, once);
    expect(await dkv.compareAndSet('k', version, 2, once)).toEqual({ ...set, repeated: true });
  });
});

describe('update', () => {
  it('makes of a value what it is told, and of nothing too', async () => {
    const cart = dkv as unknown as Dkv<string[]>;
    await cart.update('k', (items = []) => [...items, 'book']);
    const pair = await cart.update('k', async (items = []) => [...items, 'pen']);
    expect(pair).toEqual(await cart.getOrThrow('k'));
    expect(pair?.value).toEqual(['book', 'pen']);
    expect(await cart.update('k', () => undefined)).toBeUndefined();
    expect(await cart.get('k')).toBeUndefined();
    expect(await cart.update('never', () => undefined)).toBeUndefined();
  });

  it('loses nothing to a write in between', async () => {
    await dkv.addOrUpdate('k', 1);
    const seen: unknown[] = [];
    const pair = await dkv.update('k', async (current) => {
      seen.push(current);
      if (seen.length === 1) {
        await dkv.addOrUpdate('k', 10);
      }
      return (current ?? 0) + 1;
    });
    expect([seen, pair?.value]).toEqual([[1, 10], 11]);
  });

  it('throws what it is thrown, writing nothing', async () => {
    const bug = new RangeError('a bug');
    await expect(
      dkv.update('k', () => {
        throw bug;
      }),
    ).rejects.toBe(bug);
    expect(await dkv.get('k')).toBeUndefined();
  });

  it('under a name that took effect gives the pair as it stands', async () => {
    const once = { idempotencyKey: 'once' };
    const add = (current = 0) => current + 1;
    await dkv.update('k', add, once);
    const standing = await dkv.addOrUpdate('k', 7);
    expect(await dkv.update('k', add, once)).toEqual({ ...standing, repeated: true });
    await dkv.remove('k');
    expect(await dkv.update('k', add, once)).toBeUndefined();
  });
});

describe('increment', () => {
  it('counts from 0, by any whole number, losing none', async () => {
    const counts = await Promise.all(Array.from({ length: 40 }, () => dkv.increment('k')));
    expect(counts.sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
    expect(await dkv.increment('k', -50)).toBe(-10);
  });

  it('counts a repeated request once', async () => {
    const once = { idempotencyKey: 'once' };
    expect(await dkv.increment('k', 5, once)).toBe(5);
    await dkv.increment('k');
    expect(await dkv.increment('k', 5, once)).toBe(5);
    expect((await dkv.getOrThrow('k')).value).toBe(6);
  });

  it('refuses what it cannot count exactly, naming the remedy', async () => {
    await dkv.addOrUpdate('full', Number.MAX_SAFE_INTEGER);
    await dkv.addOrUpdate('half', 0.5);
    await (dkv as Dkv<unknown> as Dkv<string>).addOrUpdate('text', '5');
    for (const [key, reason] of [
      ['full', /9007199254740991.*would pass.*new counter/],
      ['half', /is 0.5, not a whole number/],
      ['text', /is string, not a whole number/],
    ] as const) {
      const error = await rejected(dkv.increment(key));
      expect(error.code).toBe('DKV_INVALID_ARGUMENT');
      expect(error.message).toMatch(reason);
    }
    expect((await dkv.getOrThrow('full')).value).toBe(Number.MAX_SAFE_INTEGER);
  });
});

describe('a lock', () => {
  it('is held by one, whose number is higher than all before', async () => {
    const numbers: number[] = [];
    for (let turn = 0; turn < 3; turn++) {
      const lock = await dkv.lock('k', 10_000);
      numbers.push(lock.fencing);
      const error = await locked(dkv.lock('k', 10_000));
      expect(error.expiresAtMs).toBe(lock.expiresAtMs);
      expect(error.toJSON()).toMatchObject({ expiresAtMs: lock.expiresAtMs });
      await lock.release();
      await lock.release();
    }
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
    expect(numbers.every(Number.isSafeInteger)).toBe(true);
  });

  it('has nothing to do with the value, nor with the lock of that key elsewhere', async () => {
    const lock = await dkv.lock('k', 10_000);
    expect(await dkv.get('k')).toBeUndefined();
    await dkv.addOrUpdate('k', 1);
    await dkv.remove('k');
    await locked(dkv.lock('k', 10_000));
    const other = modules[0]!.get<Dkv>(getDkvToken('other'), { strict: false });
    expect((await other.lock('k', 10_000)).token).not.toBe(lock.token);
  });

  it('is free again when its time is over, and its holder learns that it lost it', async () => {
    const lost = await dkv.lock('k', 1_000);
    aheadMs += 999;
    await locked(dkv.lock('k', 1_000));
    aheadMs += 1;
    const next = await dkv.lock('k', 1_000);
    expect(next.fencing).toBeGreaterThan(lost.fencing);
    expect((await locked(lost.renew())).message).toContain('held by another token');
    await locked(lost.release());
    await lost[Symbol.asyncDispose]();
    await next.release();
    expect((await locked(lost.renew())).message).toContain('held by nobody');
  });

  it('is held for longer when it is renewed, by its holder or by its token', async () => {
    const lock = await dkv.lock('k', 1_000);
    aheadMs += 900;
    const before = lock.expiresAtMs;
    await lock.renew();
    expect(lock.expiresAtMs).toBeGreaterThanOrEqual(before + 900);
    aheadMs += 900;
    const taken = await dkv.renewLock('k', lock.token, 5_000);
    expect([taken.fencing, taken.token]).toEqual([lock.fencing, lock.token]);
    aheadMs += 1_000;
    await locked(dkv.lock('k', 1_000));
    await locked(dkv.releaseLock('k', 'another'));
    await dkv.releaseLock('k', lock.token);
    await dkv.lock('k', 1_000);
  });

  it('is waited for as long as asked', async () => {
    const lock = await dkv.lock('k', 60_000);
    const waiting = dkv.lock('k', 60_000, { waitMs: 30_000 });
    await locked(dkv.lock('k', 60_000, { waitMs: 1 }));
    await lock.release();
    expect((await waiting).fencing).toBeGreaterThan(lock.fencing);
    const leaving = AbortSignal.abort();
    const left = await rejected(dkv.lock('k', 60_000, { waitMs: 30_000, signal: leaving }));
    expect(left.code).toBe('DKV_ABORTED');
  });

  it('has room for its namespace beside its key', async () => {
    await (await dkv.lock('k'.repeat(1024 - 'default'.length - 1), 1_000)).release();
    const error = await rejected(dkv.lock('k'.repeat(1024), 1_000));
    expect(error.code).toBe('DKV_INVALID_KEY');
    expect(error.message).toMatch(/too long for a lock.*hash/);
    expect((await rejected(dkv.lock('', 1_000))).code).toBe('DKV_INVALID_KEY');
  });
});

describe('three nodes', () => {
  let nodes: TestingModule[];
  let ports: number[];

  beforeEach(async () => {
    ports = [await freePort(), await freePort(), await freePort()];
    const addresses = ports.map((port, index) => `n${index}=127.0.0.1:${port}`).join();
    const common = { apiKey: 'secret-of-the-tests', peerBind: '127.0.0.1' };
    nodes = await Promise.all(
      ports.map((_, index) =>
        boot({ ...common, nodeId: `n${index}`, discovery: StaticDiscovery.parse(addresses) }),
      ),
    );
    // A node that was asked before it listened is asked again at the next heartbeat.
    await vi.waitFor(
      () =>
        expect(clients().flatMap((client) => client.cluster().map(({ state }) => state))).toEqual(
          Array(9).fill('up'),
        ),
      { timeout: 30_000 },
    );
    // By their clocks, which stand still, they have only just started.
    aheadMs += 1_000;
  });

  const clients = () => nodes.map((module) => module.get<Dkv<number>>(Dkv));

  it('lose no count, however often each is asked for', async () => {
    const asked = Array.from({ length: 10 }, (_, index) => ({ idempotencyKey: `count ${index}` }));
    await Promise.all(clients().flatMap((client) => asked.map((once) => client.increment('k', 1, once))));
    await Promise.all(clients().flatMap((client) => asked.map((once) => client.increment('k', 1, once))));
    expect((await clients()[1]!.getOrThrow('k', { consistency: 'linearizable' })).value).toBe(10);
  });

  it('tell all but one caller of those who create under one name at once, whichever node each asks', async () => {
    const asking = clients().concat(clients());
    const once = { idempotencyKey: 'payment 7' };
    const created = await Promise.all(asking.map((client, at) => client.compareAndSet('k', null, at, once)));
    const [first, ...others] = created.filter(({ repeated }) => !repeated);
    expect(others).toEqual([]);
    expect(created.filter((pair) => pair !== first)).toEqual(Array(5).fill({ ...first, repeated: true }));
    const counted = await Promise.all(asking.map((client) => client.increment('n', 1, once)));
    expect(counted).toEqual(Array(6).fill(1));
    const removed = await Promise.all(asking.map((client) => client.remove('k', { idempotencyKey: 'gone' })));
    expect(removed).toEqual(Array(6).fill(true));
  });

  it('tell it over REST, too', async () => {
    const ask = async (at: number, method: string, path: string, body?: object) => {
      const headers = {
        'x-api-key': 'secret-of-the-tests',
        ...(body && { 'content-type': 'application/json' }),
      };
      const init = { method, headers, body: body && JSON.stringify(body) };
      const answer = await fetch(`http://127.0.0.1:${ports[at % 3]}${path}`, init);
      return [answer.status, ((await answer.json()) as { repeated?: true }).repeated];
    };
    const all = Array.from({ length: 6 }, (_, at) => at);
    const creation = { key: 'k', value: 'AQ==', ifVersion: 'absent', idempotencyKey: 'payment 7' };
    const created = await Promise.all(all.map((at) => ask(at, 'POST', '/kv', creation)));
    const [first, ...repeated] = [...created].sort(([, a], [, b]) => Number(a ?? 0) - Number(b ?? 0));
    expect([first, repeated]).toEqual([[200, undefined], Array(5).fill([200, true])]);
    const removal = () => ask(1, 'DELETE', '/kv/k?idempotencyKey=gone');
    expect(await removal()).toEqual([200, undefined]);
    expect(await removal()).toEqual([200, true]);
  });

  it('give the locks back that they hold when they leave, but for those of others', async () => {
    const [first, second] = clients();
    const lock = await first!.lock('own', 600_000);
    await first!.lock('handed out', 600_000, { keepOnShutdown: true });
    expect((await locked(second!.lock('own', 1_000))).expiresAtMs).toBe(lock.expiresAtMs);
    modules.splice(modules.indexOf(nodes[0]!), 1);
    await nodes[0]!.close();
    expect((await second!.lock('own', 1_000)).fencing).toBeGreaterThan(lock.fencing);
    await locked(second!.lock('handed out', 1_000));
  });

  it('keep as many copies as a namespace asks for', async () => {
    const others = nodes.map((module) => module.get<Dkv>(getDkvToken('other'), { strict: false }));
    for (const [index, other] of others.entries()) {
      expect(other.nodesOf('k')).toEqual(clients()[0]!.nodesOf('k').slice(0, 2));
      await other.update('k', (seen) => [...((seen as number[] | undefined) ?? []), index]);
      expect((await other.getOrThrow('k')).value).toHaveLength(index + 1);
    }
    expect((await others[0]!.getOrThrow('k', { consistency: 'linearizable' })).value).toEqual([0, 1, 2]);
  });

  it('serve any declared namespace to scripts, and no other', async () => {
    const { port } = clients()[0]!.cluster()[0]!;
    const call = async (path: string, body?: object): Promise<Record<string, unknown>> => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, {
        method: body ? 'POST' : 'GET',
        headers: { 'X-Api-Key': 'secret-of-the-tests', 'Content-Type': 'application/json' },
        body: body && JSON.stringify(body),
      });
      return { status: response.status, ...((await response.json()) as Record<string, unknown>) };
    };
    const written = await call('/kv?namespace=other', { key: 'k', value: 'wA==', ifVersion: 'absent' });
    expect(written).toMatchObject({ status: 200 });
    const again = await call('/kv?namespace=other', { key: 'k', value: 'wA==', ifVersion: 'absent' });
    expect(again).toMatchObject({ status: 409, code: 'DKV_CONFLICT', current: { version: written.version } });
    expect(await call('/kv/k?namespace=other&consistency=linearizable')).toMatchObject({ value: 'wA==' });
    expect(await call('/kv/k')).toMatchObject({ status: 404, code: 'DKV_KEY_NOT_FOUND' });
    for (const name of ['none', 'dkv.locks']) {
      expect(await call(`/kv/k?namespace=${name}`)).toMatchObject({
        status: 404,
        code: 'DKV_UNKNOWN_NAMESPACE',
      });
    }
  });
});
