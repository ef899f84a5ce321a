/** The examples of docs/consistency.md, as they stand there: compiled and run by the tests. */
import { Module } from '@nestjs/common';
import { IsInt, IsString } from 'class-validator';
import {
  type Dkv,
  type DkvConflictError,
  DkvModule,
  GrowOnlySet,
  GrowOnlySetMerger,
  isDkvError,
  type KvPair,
} from 'nestjs-dkv';

export class Session {
  @IsString() user!: string;
  @IsInt() visits!: number;
}

@Module({
  imports: [
    DkvModule.forRoot({ storage: 'memory' }),
    DkvModule.forFeature([
      { name: 'sessions', ttlMs: 3_600_000, validate: Session },
      { name: 'tags', mode: 'eventual', merger: new GrowOnlySetMerger() },
    ]),
  ],
})
export class AppModule {}

export async function levels(sessions: Dkv<Session>): Promise<void> {
  await sessions.get('ada'); // one: this node's copy, microseconds; may trail
  await sessions.get('ada', { consistency: 'linearizable' }); // a majority agrees: sees every acknowledged write
}

export function peek(sessions: Dkv<Session>): string {
  const pair = sessions.peek('ada'); // no promise: what this node has in memory
  return pair ? `${pair.value.visits} visits` : pair === null ? 'no session' : 'ask with get';
}

export async function outcomes(sessions: Dkv<Session>, session: Session): Promise<string> {
  try {
    await sessions.addOrUpdate('ada', session);
    return 'committed';
  } catch (error) {
    return isDkvError(error, 'DKV_INDETERMINATE') ? 'unknown yet' : 'nothing was written';
  }
}

export async function compareAndSet(
  sessions: Dkv<Session>,
  askAgain: (current: KvPair<Session> | undefined) => void,
): Promise<void> {
  const { value, version } = await sessions.getOrThrow('ada');
  try {
    await sessions.compareAndSet('ada', version, { ...value, visits: 0 });
  } catch (error) {
    if (!isDkvError(error, 'DKV_CONFLICT')) throw error;
    askAgain((error as DkvConflictError<Session>).current); // someone else was faster
  }
}

export async function update(sessions: Dkv<Session>): Promise<void> {
  await sessions.update('ada', (session = { user: 'ada', visits: 0 }) => {
    return { ...session, visits: session.visits + 1 };
  });
}

export async function increment(counters: Dkv<number>): Promise<number> {
  const count = await counters.increment('sign-ups');
  await counters.increment('stock:42', -1, { idempotencyKey: 'order-1077' });
  return count;
}

export async function lock(dkv: Dkv, writeReport: (fencing: number) => Promise<void>): Promise<void> {
  await using lock = await dkv.lock('nightly-report', 30_000, { waitMs: 5_000 });
  await writeReport(lock.fencing); // which refuses a number lower than the highest it has seen
  await lock.renew();
}

export async function withLock(
  dkv: Dkv,
  makeReport: (signal: AbortSignal) => Promise<string[]>,
  store: (report: string[], fencing: number) => Promise<number>,
): Promise<number> {
  const rows = await dkv.withLock('nightly-report', { waitMs: 5_000 }, async ({ signal, fencing }) => {
    const report = await makeReport(signal); // minutes: the lock is renewed meanwhile
    return store(report, fencing); // which refuses a number lower than the highest it has seen
  });
  return rows;
}

export interface Payment {
  readonly amount: number;
  readonly receipt?: string;
}

type Charge = (name: string, amount: number) => Promise<string>;

export async function pay(
  payments: Dkv<Payment>,
  order: { id: string; amount: number },
  charge: Charge,
): Promise<string> {
  const payment = { amount: order.amount };
  const { repeated } = await payments.addOrUpdate(order.id, payment, { idempotencyKey: order.id });
  if (repeated) {
    return 'another call has it'; // it came first, here or on another node, and charges: this one must not
  }
  const receipt = await charge(order.id, order.amount); // under the same name: this process could die right here
  await payments.addOrUpdate(order.id, { ...payment, receipt });
  return 'charged';
}

export async function finish(payments: Dkv<Payment>, order: { id: string }, charge: Charge): Promise<void> {
  await payments.withLock(order.id, { waitMs: 10_000 }, async () => {
    const { value: payment } = await payments.getOrThrow(order.id, { consistency: 'linearizable' });
    if (payment.receipt === undefined) {
      const receipt = await charge(order.id, payment.amount);
      await payments.addOrUpdate(order.id, { ...payment, receipt });
    }
  });
}

export async function idempotency(orders: Dkv, request: { id: string; order: object }): Promise<boolean> {
  const { version } = await orders.addOrUpdate('order:7', request.order, { idempotencyKey: request.id });
  const again = await orders.addOrUpdate('order:7', request.order, { idempotencyKey: request.id });
  return again.repeated === true && again.version === version; // it took effect once
}

export async function lifetimes(sessions: Dkv<Session>, session: Session): Promise<void> {
  await sessions.addOrUpdate('ada', session); // the namespace's ttlMs
  await sessions.addOrUpdate('bob', session, { ttlMs: 60_000 });
  await sessions.touch('ada', 3_600_000); // another hour; false when it is gone
  await sessions.addOrUpdate('root', session, { ttlMs: 0 }); // for ever
}

export async function mergers(tags: Dkv<GrowOnlySet<string>>): Promise<GrowOnlySet<string>> {
  await tags.addOrUpdate('post:7', GrowOnlySet.of(['nest']));
  await tags.addOrUpdate('post:7', GrowOnlySet.of(['storage'])); // on another node, at the same time
  return (await tags.getOrThrow('post:7', { consistency: 'quorum' })).value; // both
}
