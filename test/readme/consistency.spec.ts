/** The examples of docs/consistency.md work when run. */
import { Test, type TestingModule } from '@nestjs/testing';
import { type Dkv, DkvModule, getDkvToken, type GrowOnlySet } from 'nestjs-dkv';
import { afterEach, beforeEach, expect, it } from 'vitest';
import * as examples from './consistency-examples.js';

const silent = { log() {}, warn() {}, error() {} };

let module: TestingModule;

beforeEach(async () => {
  const imports = [examples.AppModule, DkvModule.forFeature([{ name: 'counters' }])];
  module = await Test.createTestingModule({ imports }).setLogger(silent).compile();
  await module.init();
});

afterEach(() => module.close());

const clientOf = <V>(name?: string) => module.get<Dkv<V>>(getDkvToken(name), { strict: false });

it('of sessions', async () => {
  const sessions = clientOf<examples.Session>('sessions');
  expect(examples.peek(sessions)).toBe('ask with get');
  await examples.update(sessions);
  await examples.update(sessions);
  expect((await sessions.getOrThrow('ada')).value).toEqual({ user: 'ada', visits: 2 });
  const conflicts: unknown[] = [];
  await examples.compareAndSet(sessions, (current) => void conflicts.push(current));
  expect(conflicts).toEqual([]);
  expect((await sessions.getOrThrow('ada')).value.visits).toBe(0);
  expect(await examples.outcomes(sessions, { user: 'ada', visits: 1 })).toBe('committed');
  expect(await examples.outcomes(sessions, { user: 'ada', visits: 0.5 })).toBe('nothing was written');
  expect(examples.peek(sessions)).toBe('1 visits');
  await sessions.remove('ada');
  expect(examples.peek(sessions)).toBe('no session');
  await examples.levels(sessions);
  await examples.lifetimes(sessions, { user: 'ada', visits: 1 });
});

it('of counters, locks and requests', async () => {
  expect(await examples.increment(clientOf('counters'))).toBe(1);
  expect(await examples.increment(clientOf('counters'))).toBe(2);
  expect((await clientOf('counters').getOrThrow('stock:42')).value).toBe(-1);
  const fencing: number[] = [];
  const report = (number: number) => Promise.resolve(void fencing.push(number));
  await examples.lock(clientOf(), report);
  await examples.lock(clientOf(), report);
  expect(fencing[1]).toBeGreaterThan(fencing[0]!);
  expect(await examples.idempotency(clientOf(), { id: 'r1', order: {} })).toBe(true);
});

it('of a payment: charged once, however many ask at once, and finished where one died', async () => {
  const payments = clientOf<examples.Payment>();
  const charged: string[] = [];
  const charge = (name: string, amount: number) => {
    charged.push(`${name}: ${amount}`);
    return Promise.resolve('receipt 1');
  };
  const order = { id: 'payment:7', amount: 5 };
  const asked = await Promise.all([1, 2, 3].map(() => examples.pay(payments, order, charge)));
  expect(asked.sort()).toEqual(['another call has it', 'another call has it', 'charged']);
  expect(charged).toEqual(['payment:7: 5']);
  await payments.addOrUpdate('payment:8', { amount: 9 });
  await Promise.all([1, 2].map(() => examples.finish(payments, { id: 'payment:8' }, charge)));
  expect(charged).toEqual(['payment:7: 5', 'payment:8: 9']);
  expect((await payments.getOrThrow('payment:8')).value).toEqual({ amount: 9, receipt: 'receipt 1' });
});

it('of work under a lock', async () => {
  const rows = await examples.withLock(
    clientOf(),
    async (signal) => (signal.aborted ? [] : ['a row']),
    async (report, fencing) => (fencing > 0 ? report.length : 0),
  );
  expect(rows).toBe(1);
});

it('of mergers', async () => {
  expect(await examples.mergers(clientOf<GrowOnlySet<string>>('tags'))).toEqual(['nest', 'storage']);
});
