/** The examples of docs/coming-from-redis.md do what the commands beside them do. */
import { Test, type TestingModule } from '@nestjs/testing';
import { type Dkv, getDkvToken } from 'nestjs-dkv';
import { afterEach, beforeEach, expect, it } from 'vitest';
import * as examples from './coming-from-redis-examples.js';

const ADA: examples.User = { name: 'Ada' };
const BOB: examples.User = { name: 'Bob' };

let module: TestingModule;
let users: Dkv<examples.User>;

beforeEach(async () => {
  const silent = { log() {}, warn() {}, error() {} };
  module = await Test.createTestingModule({ imports: [examples.AppModule] })
    .setLogger(silent)
    .compile();
  await module.init();
  users = clientOf('users');
});

afterEach(() => module.close());

function clientOf<V>(name?: string): Dkv<V> {
  return module.get<Dkv<V>>(getDkvToken(name), { strict: false });
}

const valueOf = async (key: string) => (await users.get(key))?.value;

it('of strings and deletes', async () => {
  expect(await examples.strings(users, ADA)).toEqual([ADA, ADA, ADA, undefined]);
  expect(await examples.deletes(users)).toBe(3);
  expect(await valueOf('11')).toEqual(ADA);
});

it('of NX, XX, GETSET and GETDEL', async () => {
  expect(await examples.setIfPresent(users, 'k', ADA)).toBe(false);
  expect(await valueOf('k')).toBeUndefined();
  expect(await examples.setIfAbsent(users, 'k', ADA)).toBe(true);
  expect(await examples.setIfAbsent(users, 'k', BOB)).toBe(false);
  expect(await examples.setIfPresent(users, 'k', BOB)).toBe(true);
  expect(await examples.getAndSet(users, 'k', ADA)).toEqual(BOB);
  expect(await examples.getAndDelete(users, 'k')).toEqual(ADA);
  expect(await valueOf('k')).toBeUndefined();
  expect(await examples.getAndSet(users, 'k', ADA)).toBeUndefined();
});

it('of lifetimes, counters and rate limits', async () => {
  expect(await examples.lifetimes(clientOf('sessions'))).toBe(true);
  expect(await examples.counts(clientOf('counters'))).toBe(11);
  expect((await clientOf('counters').get('stock:42'))?.value).toBe(-3);
  const allowed = (nowMs: number) => examples.isAllowed(clientOf('limits'), 'ada', 2, nowMs);
  const minute = 60_000;
  const asked = [await allowed(minute), await allowed(minute), await allowed(2 * minute - 1)];
  expect(asked).toEqual([true, true, false]);
  expect(await allowed(2 * minute)).toBe(true);
});

it('of locks and transactions of one key', async () => {
  const fencing: number[] = [];
  await examples.locks(clientOf(), async (number) => void fencing.push(number));
  expect(fencing).toHaveLength(1);
  await expect(examples.rename(users, '7', 'Ada L.')).rejects.toThrow('no such user');
  const { version } = await users.addOrUpdate('7', ADA);
  expect(await examples.rename(users, '7', 'Ada L.')).toEqual({ name: 'Ada L.' });
  await expect(examples.saveForm(users, '7', version, BOB)).rejects.toMatchObject({ code: 'DKV_CONFLICT' });
  const shown = (await users.getOrThrow('7')).version;
  expect(await examples.saveForm(users, '7', shown, ADA)).not.toBe(shown);
  expect(await examples.fields(users)).toEqual({ ...ADA, email: 'ada@example.org', tags: ['admin'] });
  expect(await examples.fields(users)).toMatchObject({ tags: ['admin'] });
});
