import { describe, expect, it } from 'vitest';
import { EventHeap } from './event-heap.js';
import { Incarnation } from './incarnation.js';
import { SIM_EPOCH_MS, SimClock } from './sim-clock.js';
import { SimRandom } from './sim-random.js';
import { SimScheduler, SimulationError } from './sim-scheduler.js';

describe('EventHeap', () => {
  it('gives entries by time, equal times in the order they came', () => {
    const random = new SimRandom(1);
    const heap = new EventHeap<{ timeMs: number; sequence: number }>();
    const entries = Array.from({ length: 2000 }, (_, sequence) => ({ timeMs: random.int(50), sequence }));
    const out: typeof entries = [];
    entries.forEach((entry, index) => {
      heap.push(entry);
      // Pops in between shake the shape of the heap.
      if (index % 7 === 6) {
        out.push(heap.pop()!);
        heap.push(out.pop()!);
      }
    });
    for (let entry = heap.pop(); entry !== undefined; entry = heap.pop()) {
      out.push(entry);
    }
    const sorted = [...entries].sort((a, b) => a.timeMs - b.timeMs || a.sequence - b.sequence);
    expect(out).toEqual(sorted);
    expect(heap.size).toBe(0);
  });
});

describe('SimScheduler', () => {
  it('runs by time and then by insertion, and time stands at each event', async () => {
    const scheduler = new SimScheduler();
    const seen: string[] = [];
    const note = (name: string) => () => void seen.push(`${name}@${scheduler.nowMs}`);
    scheduler.after(5, note('late'));
    scheduler.after(1, note('a'));
    scheduler.after(1, () => {
      note('b')();
      scheduler.after(0, note('d'));
    });
    scheduler.after(1, note('c'));
    expect(await scheduler.run()).toBe('quiet');
    expect(seen).toEqual(['a@1', 'b@1', 'c@1', 'd@1', 'late@5']);
    expect(scheduler.events).toBe(5);
  });

  it.each([1, 2, 31, 32, 33, 100])('drains every microtask between two events (event %i)', async (count) => {
    const scheduler = new SimScheduler();
    const seen: string[] = [];
    const deep = async (name: string): Promise<void> => {
      for (let turn = 0; turn < 300; turn++) {
        await Promise.resolve();
      }
      await new Promise<void>((resolve) => process.nextTick(resolve));
      await Promise.resolve();
      seen.push(name);
    };
    for (let index = 0; index < count; index++) {
      scheduler.after(0, () => {
        seen.push(`begin ${index}`);
        void deep(`end ${index}`);
      });
    }
    await scheduler.run();
    expect(seen).toEqual(Array.from({ length: count }, (_, i) => [`begin ${i}`, `end ${i}`]).flat());
  });

  it('ends at a time, which is then the present, and goes on from there', async () => {
    const scheduler = new SimScheduler();
    const seen: number[] = [];
    for (const at of [10, 20, 30]) {
      scheduler.after(at, () => void seen.push(at));
    }
    expect(await scheduler.run({ untilMs: 20 })).toBe('time');
    expect([scheduler.nowMs, seen]).toEqual([20, [10, 20]]);
    expect(await scheduler.runFor(5)).toBe('time');
    expect([scheduler.nowMs, seen]).toEqual([25, [10, 20]]);
    expect(await scheduler.runFor(100)).toBe('time');
    expect([scheduler.nowMs, seen]).toEqual([125, [10, 20, 30]]);
  });

  it('ends as soon as a condition holds', async () => {
    const scheduler = new SimScheduler();
    let count = 0;
    const tick = (): void => {
      count++;
      scheduler.after(1, tick);
    };
    tick();
    expect(await scheduler.run({ until: () => count === 100 })).toBe('condition');
    expect(scheduler.nowMs).toBe(99);
  });

  it('does not run what was cancelled, nor what belongs to the dead, nor let time pass for them', async () => {
    const scheduler = new SimScheduler();
    const node = new Incarnation('n1', 1);
    const seen: string[] = [];
    scheduler.after(7, () => void seen.push('cancelled')).cancel();
    scheduler.after(8, () => void seen.push('dead'), node);
    scheduler.after(1, () => node.kill());
    scheduler.after(2, () => void seen.push('alive'));
    await scheduler.run();
    expect(seen).toEqual(['alive']);
    expect(scheduler.nowMs).toBe(2);
  });

  it('settles a promise over virtual time, and tells when it never will', async () => {
    const scheduler = new SimScheduler();
    const answer = async (): Promise<number> => {
      await scheduler.sleep(50);
      return scheduler.nowMs;
    };
    expect(await scheduler.settle(answer())).toBe(50);
    await expect(
      scheduler.settle(
        scheduler.sleep(1).then(() => {
          throw new Error('no');
        }),
      ),
    ).rejects.toThrow('no');
    await expect(scheduler.settle(new Promise(() => undefined))).rejects.toThrow(/still pending.*quiet/);
  });

  it('makes a livelock an error: too many events, or too many at one time', async () => {
    const endless = new SimScheduler();
    const tick = (): void => void endless.after(1, tick);
    tick();
    await expect(endless.run({ eventsMax: 1000 })).rejects.toThrow(/event budget is spent/);

    const stuck = new SimScheduler({ eventsPerInstantMax: 500 });
    const spin = (): void => void stuck.after(0, spin);
    spin();
    await expect(stuck.run()).rejects.toThrow(/livelock/);
  });

  it.each<[string, () => void]>([
    [
      'an event threw',
      () => {
        throw new Error('boom');
      },
    ],
    ['a rejection was not handled', () => void Promise.reject(new Error('boom'))],
    [
      'a rejection was not handled',
      () =>
        void (async () => {
          await Promise.resolve();
          await Promise.resolve();
          throw new Error('boom');
        })(),
    ],
  ])('fails the run when %s, at that event', async (where, task) => {
    const scheduler = new SimScheduler();
    const before = process.listeners('unhandledRejection');
    let later = 0;
    scheduler.after(1, task);
    scheduler.after(2, () => void later++);
    const failed = await scheduler.run().catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(SimulationError);
    expect(failed).toHaveProperty('message', `At 1 ms, ${where}: Error: boom`);
    expect((failed as Error).cause).toHaveProperty('message', 'boom');
    expect(later).toBe(0);
    await expect(scheduler.run()).rejects.toThrow('boom');
    expect(process.listeners('unhandledRejection')).toEqual(before);
  });

  it('gives the process its listeners back, also when runs overlap', async () => {
    let heard = 0;
    const mine = (): void => void heard++;
    process.on('unhandledRejection', mine);
    const before = process.listeners('unhandledRejection');
    const short = new SimScheduler();
    const long = new SimScheduler();
    short.after(1, () => undefined);
    for (let at = 1; at < 500; at++) {
      long.after(at, () => undefined);
    }
    long.after(500, () => void Promise.reject(new Error('late boom')));
    const second = long.run();
    await short.run();
    await expect(second).rejects.toThrow('late boom');
    expect(process.listeners('unhandledRejection')).toEqual(before);

    short.after(1, () => void Promise.reject(new Error('boom')));
    const other = new SimScheduler();
    const results = await Promise.allSettled([short.run(), other.run()]);
    expect(results[0]).toMatchObject({ status: 'rejected' });
    expect(process.listeners('unhandledRejection')).toEqual(before);
    expect(heard).toBe(0);
    process.removeListener('unhandledRejection', mine);
  });

  it('refuses two runs at once and delays that are none', async () => {
    const scheduler = new SimScheduler();
    scheduler.after(1, () => undefined);
    const first = scheduler.run();
    await expect(scheduler.run()).rejects.toThrow(TypeError);
    await first;
    expect(() => scheduler.after(-1, () => undefined)).toThrow(TypeError);
    expect(() => scheduler.after(Number.NaN, () => undefined)).toThrow(TypeError);
  });
});

describe('SimClock', () => {
  it('is off by its offset, drifts, jumps; monotonic time and timers do not jump', async () => {
    const scheduler = new SimScheduler();
    const node = new Incarnation('n1', 1);
    const clock = new SimClock(scheduler, node, { offsetMs: -200, driftPpm: 100_000 });
    let firedAt = 0;
    clock.schedule(1100, () => (firedAt = scheduler.nowMs));
    expect(clock.now()).toBe(SIM_EPOCH_MS - 200);
    await scheduler.run({ untilMs: 500 });
    clock.jump(-10_000);
    await scheduler.run({ untilMs: 2000 });
    expect(firedAt).toBe(1000);
    expect(clock.monotonic()).toBeCloseTo(2200);
    expect(clock.now()).toBe(SIM_EPOCH_MS - 200 - 10_000 + 2200);
  });

  it('has monotonic time at a rate of its own, which changes without a leap, and timers never early by it', async () => {
    const scheduler = new SimScheduler();
    const node = new Incarnation('n1', 1);
    const clock = new SimClock(scheduler, node, { monotonicRate: 1.25 });
    const fired: number[] = [];
    clock.schedule(1_000, () => fired.push(clock.monotonic()));
    clock.schedule(1_000, () => fired.push(NaN)).cancel();
    const late = clock.schedule(1_000, () => fired.push(NaN));
    await scheduler.run({ untilMs: 400 });
    expect([clock.monotonic(), clock.now() - SIM_EPOCH_MS]).toEqual([500, 400]);
    clock.setMonotonicRate(0.5);
    expect(clock.monotonic()).toBe(500);
    // Where the timers were to fire at the rate of before.
    await scheduler.run({ untilMs: 1_000 });
    expect([clock.monotonic(), fired]).toEqual([800, []]);
    late.cancel();
    await scheduler.run({ untilMs: 2_000 });
    expect(fired).toEqual([1_000]);
    const next = clock.inherit(node.next());
    await scheduler.run({ untilMs: 2_100 });
    expect(next.monotonic()).toBe(50);
  });

  it('goes on in the next run, but not its timers nor its monotonic time', async () => {
    const scheduler = new SimScheduler();
    const first = new Incarnation('n1', 1);
    const clock = new SimClock(scheduler, first, { offsetMs: 50 });
    const fired: string[] = [];
    clock.schedule(10, () => void fired.push('first'));
    clock.jump(7);
    await scheduler.runFor(5);
    first.kill();
    const second = first.next();
    const next = clock.inherit(second);
    next.schedule(-3, () => void fired.push('second'));
    clock.schedule(0, () => void fired.push('from the dead'));
    await scheduler.runFor(100);
    expect(fired).toEqual(['second']);
    expect([next.now() - SIM_EPOCH_MS, next.monotonic(), second.name]).toEqual([162, 100, 'n1#2']);
  });
});
