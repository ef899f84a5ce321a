/** The time an operation has: it ends by the monotonic clock or by the caller's wish, and leaves no timer behind. */
import { getEventListeners } from 'node:events';
import { beforeEach, describe, expect, it } from 'vitest';
import { caught } from '../../testing/caught.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { microtasks } from '../../testing/microtasks.js';
import { Deadline } from './deadline.js';

let clock: ManualClock;

beforeEach(() => {
  clock = new ManualClock();
});

const never = new Promise<string>(() => undefined);

describe('the time left', () => {
  it.each([
    [0, 100, false],
    [99, 1, false],
    [100, 0, true],
    [1_000, 0, true],
  ])('of 100 ms after %i ms is %i', (elapsedMs, leftMs, over) => {
    const deadline = new Deadline(clock, 100);
    clock.advance(elapsedMs);
    expect(deadline).toMatchObject({ leftMs, over, timeoutMs: 100 });
  });

  it('counts from when the deadline was made', () => {
    clock.advance(1_000);
    expect(new Deadline(clock, 100).leftMs).toBe(100);
  });

  it('is none once the caller has aborted', () => {
    const caller = new AbortController();
    const deadline = new Deadline(clock, 100, caller.signal);
    expect(deadline.over).toBe(false);
    caller.abort();
    expect(deadline).toMatchObject({ leftMs: 0, over: true });
  });
});

describe('an operation is wanted', () => {
  it('while its caller has not aborted, even late', () => {
    const deadline = new Deadline(clock, 100, new AbortController().signal);
    clock.advance(200);
    expect(() => deadline.assertWanted()).not.toThrow();
    expect(() => new Deadline(clock, 100).assertWanted()).not.toThrow();
  });

  it('no longer when it has: the reason is the cause', () => {
    const reason = new Error('the user left');
    const deadline = new Deadline(clock, 100, AbortSignal.abort(reason));
    const error = caught(() => deadline.assertWanted());
    expect(error.code).toBe('DKV_ABORTED');
    expect(error.cause).toBe(reason);
  });
});

describe('a race', () => {
  /** What a race gives, with `late` for being late. */
  const raceOf = (deadline: Deadline, work: Promise<string>) => {
    const outcome: { value?: string; error?: unknown } = {};
    deadline
      .race(work, () => 'late')
      .then(
        (value) => (outcome.value = value),
        (error: unknown) => (outcome.error = error),
      );
    return outcome;
  };

  it('gives what the work gives in time', async () => {
    await expect(new Deadline(clock, 100).race(Promise.resolve('done'), () => 'late')).resolves.toBe('done');
  });

  it('fails as the work fails', async () => {
    const failure = new Error('broken');
    await expect(new Deadline(clock, 100).race(Promise.reject(failure), () => 'late')).rejects.toBe(failure);
  });

  it('is late at the deadline and not a millisecond before', async () => {
    const outcome = raceOf(new Deadline(clock, 100), never);
    clock.advance(99);
    await microtasks();
    expect(outcome).toEqual({});
    clock.advance(1);
    await microtasks();
    expect(outcome).toEqual({ value: 'late' });
  });

  it('counts what passed before it began', async () => {
    const deadline = new Deadline(clock, 100);
    clock.advance(60);
    const outcome = raceOf(deadline, never);
    clock.advance(40);
    await microtasks();
    expect(outcome).toEqual({ value: 'late' });
  });

  it('is late as soon as the caller aborts', async () => {
    const caller = new AbortController();
    const outcome = raceOf(new Deadline(clock, 100, caller.signal), never);
    await microtasks();
    expect(outcome).toEqual({});
    caller.abort();
    await microtasks();
    expect(outcome).toEqual({ value: 'late' });
  });

  it('of one that is aborted already is late without waiting for the time', async () => {
    const outcome = raceOf(new Deadline(clock, 100, AbortSignal.abort()), never);
    clock.advance(0);
    await microtasks();
    expect(outcome).toEqual({ value: 'late' });
  });

  it('fails as being late fails', async () => {
    const outcome = new Deadline(clock, 0).race(never, () => {
      throw new Error('too late');
    });
    clock.advance(0);
    await expect(outcome).rejects.toThrow('too late');
  });

  it('does not care any more how the work ends after it', async () => {
    let fail: (error: Error) => void = () => undefined;
    const work = new Promise<string>((_, reject) => (fail = reject));
    const outcome = raceOf(new Deadline(clock, 100), work);
    clock.advance(100);
    await microtasks();
    fail(new Error('nobody listens'));
    await microtasks();
    expect(outcome).toEqual({ value: 'late' });
  });

  it.each([
    ['won', () => Promise.resolve('done')],
    ['failed', () => Promise.reject(new Error('broken'))],
    ['lost', () => never],
    ['aborted', () => never],
  ])('leaves neither timer nor listener: %s', async (how, work) => {
    const caller = new AbortController();
    raceOf(new Deadline(clock, 100, caller.signal), work());
    expect(getEventListeners(caller.signal, 'abort')).toHaveLength(1);
    if (how === 'aborted') {
      caller.abort();
    }
    clock.advance(how === 'lost' ? 100 : 0);
    await microtasks();
    expect(clock.pendingTimers).toBe(0);
    expect(getEventListeners(caller.signal, 'abort')).toHaveLength(0);
  });
});

describe('a pause', () => {
  it.each([
    ['lasts as long as asked', 30, 0, 30],
    ['ends with the deadline', 300, 0, 100],
    ['is none when the time is over', 30, 200, 0],
  ])('%s', async (_, pauseMs, elapsedMs, lastsMs) => {
    const deadline = new Deadline(clock, 100);
    clock.advance(elapsedMs);
    let ended = false;
    void deadline.pause(pauseMs).then(() => (ended = true));
    clock.advance(Math.max(0, lastsMs - 1));
    await microtasks();
    expect(ended).toBe(lastsMs === 0);
    clock.advance(1);
    await microtasks();
    expect(ended).toBe(true);
  });
});
