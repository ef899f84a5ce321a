/** The examples of docs/coming-from-redis.md, as they stand there: compiled and run by the tests. */
import { Module } from '@nestjs/common';
import { type Dkv, DkvModule, isDkvError } from 'nestjs-dkv';

export interface User {
  readonly name: string;
  readonly email?: string;
  readonly tags?: readonly string[];
}

@Module({
  imports: [
    DkvModule.forRoot({ storage: 'memory' }),
    DkvModule.forFeature([
      { name: 'users' },
      { name: 'sessions', ttlMs: 3_600_000 },
      { name: 'counters' },
      { name: 'limits', ttlMs: 120_000 },
    ]),
  ],
})
export class AppModule {}

export async function strings(users: Dkv<User>, ada: User): Promise<(User | undefined)[]> {
  await users.addOrUpdate('7', ada); // SET 7 …
  const user = (await users.get('7'))?.value; // GET 7: undefined where there is no value
  await users.addOrUpdate('8', ada, { ttlMs: 60_000 }); // SET 8 … PX 60000
  const many = await users.getMany(['7', '8', '9']); // MGET 7 8 9: in order, undefined where there is none
  await users.addOrUpdateMany(['10', '11'].map((key) => [key, ada])); // MSET 10 … 11 …: each a write of its own
  return [user, ...many.map((pair) => pair?.value)];
}

export async function deletes(users: Dkv<User>): Promise<number> {
  const existed = await users.remove('7'); // DEL 7
  const removed = await users.removeMany(['8', '9', '10']); // DEL 8 9 10
  const count = removed.filter(Boolean).length;
  return count + (existed ? 1 : 0);
}

/** SET key value NX */
export async function setIfAbsent(users: Dkv<User>, key: string, user: User): Promise<boolean> {
  try {
    await users.compareAndSet(key, null, user);
    return true;
  } catch (error) {
    if (!isDkvError(error, 'DKV_CONFLICT')) throw error;
    return false; // there is a value, and error.current has it
  }
}

/** SET key value XX */
export async function setIfPresent(users: Dkv<User>, key: string, user: User): Promise<boolean> {
  const pair = await users.update(key, (current) => current && user); // undefined stays undefined
  return pair !== undefined;
}

/** SET key value GET (GETSET) */
export async function getAndSet(users: Dkv<User>, key: string, user: User): Promise<User | undefined> {
  let before: User | undefined;
  await users.update(key, (current) => {
    before = current; // of the last attempt, which is the one that counts
    return user;
  });
  return before;
}

/** GETDEL key */
export async function getAndDelete(users: Dkv<User>, key: string): Promise<User | undefined> {
  let before: User | undefined;
  await users.update(key, (current) => {
    before = current;
    return undefined;
  });
  return before;
}

export async function lifetimes(sessions: Dkv<string>): Promise<boolean> {
  await sessions.addOrUpdate('s1', 'ada'); // SETEX: the namespace's ttlMs
  const existed = await sessions.touch('s1', 60_000); // PEXPIRE s1 60000: false where there is no value
  await sessions.touch('s1', 0); // PERSIST s1
  return existed;
}

export async function counts(counters: Dkv<number>): Promise<number> {
  await counters.increment('visits'); // INCR visits
  await counters.increment('stock:42', -3); // DECRBY stock:42 3
  const count = await counters.increment('visits', 10); // INCRBY visits 10
  return count;
}

/** At most `most` requests a minute. */
export async function isAllowed(
  limits: Dkv<number>,
  client: string,
  most: number,
  nowMs: number,
): Promise<boolean> {
  const minute = Math.floor(nowMs / 60_000);
  const count = await limits.increment(`${client}:${minute}`, 1, { ttlMs: 120_000 });
  return count <= most;
}

export async function locks(dkv: Dkv, writeReport: (fencing: number) => Promise<void>): Promise<void> {
  await dkv.withLock('nightly-report', { waitMs: 5_000 }, async ({ signal, fencing }) => {
    signal.throwIfAborted(); // the lock was lost: someone else may have it
    await writeReport(fencing); // which refuses a number lower than the highest it has seen
  });
}

/** WATCH, GET, MULTI, SET, EXEC */
export async function rename(users: Dkv<User>, key: string, name: string): Promise<User> {
  const pair = await users.update(key, (user) => {
    if (!user) throw new Error('no such user'); // as DISCARD: nothing is written
    return { ...user, name };
  });
  return pair!.value;
}

/** The same across a wait for a person: what was shown must still be there. */
export async function saveForm(users: Dkv<User>, key: string, shown: string, user: User): Promise<string> {
  const { version } = await users.compareAndSet(key, shown, user); // DKV_CONFLICT: someone else saved meanwhile
  return version;
}

/** HSET 7 email …; SADD tags … */
export async function fields(users: Dkv<User>): Promise<User> {
  await users.update('7', (user) => user && { ...user, email: 'ada@example.org' });
  const pair = await users.update('7', (user) => {
    return user && { ...user, tags: [...new Set([...(user.tags ?? []), 'admin'])] };
  });
  return pair!.value;
}
