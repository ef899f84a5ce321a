/** Timers that share timers of Node: each runs once, in time, on its own, and cancelled ones leave nothing behind. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SimRandom } from '../../testing/simulation/sim-random.js';
import { TimerLists } from './timer-lists.js';

let timers: TimerLists;

describe('tasks of a time that a test drives', () => {
  beforeEach(() => {
    vi.useFakeTimers();
    timers = new TimerLists();
  });
  afterEach(() => void vi.useRealTimers());

  it('run once each, when they are due and not before, unless they were cancelled (seeded)', () => {
    const random = new SimRandom('timers');
    const waiting = new Map<number, { dueMs: number; cancel: () => void }>();
    const wrong: string[] = [];
    for (let step = 0; step < 2_000; step++) {
      const delayMs = random.pick([0, 0.3, 1, 7.2, 20, 20, 20, random.between(0, 50)]);
      const timer = timers.schedule(delayMs, () => {
        const dueMs = waiting.get(step)?.dueMs ?? Infinity;
        const lateMs = performance.now() - dueMs;
        if (!(lateMs >= 0 && lateMs <= 1)) {
          wrong.push(`${step}: ${lateMs} ms late`);
        }
        waiting.delete(step);
      });
      waiting.set(step, { dueMs: performance.now() + delayMs, cancel: () => timer.cancel() });
      if (random.chance(0.6)) {
        const cancelled = random.pick([...waiting.keys()]);
        waiting.get(cancelled)!.cancel();
        waiting.delete(cancelled);
      }
      vi.advanceTimersByTime(random.pick([0, 0, 0, 1, 3]));
    }
    vi.advanceTimersByTime(51);
    expect(wrong).toEqual([]);
    expect(waiting.size).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('of one delay share one timer of Node, which stays for the next ones', () => {
    for (let count = 0; count < 100; count++) {
      timers.schedule(4_999 + count / 100, () => undefined).cancel();
    }
    expect(vi.getTimerCount()).toBe(2);
    vi.advanceTimersByTime(5_000);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('of very many delays do not keep as many timers when they are cancelled', () => {
    const all = Array.from({ length: 2_000 }, (_, delayMs) => timers.schedule(delayMs + 1, () => undefined));
    expect(vi.getTimerCount()).toBe(2_000);
    all.forEach((timer) => timer.cancel());
    expect(vi.getTimerCount()).toBe(256);
  });

  it('run in the order of their time, those of the same time in the order they came', () => {
    const ran: string[] = [];
    const first = timers.schedule(10, () => ran.push('cancelled'));
    timers.schedule(10, () => ran.push('a'));
    timers.schedule(10, () => ran.push('b'));
    first.cancel();
    vi.advanceTimersByTime(5);
    timers.schedule(10, () => ran.push('d'));
    timers.schedule(7, () => ran.push('c'));
    vi.advanceTimersByTime(20);
    expect(ran).toEqual(['a', 'b', 'c', 'd']);
  });

  it('may schedule and cancel others while they run', () => {
    const ran: string[] = [];
    timers.schedule(10, () => {
      ran.push('a');
      neighbour.cancel();
      timers.schedule(10, () => ran.push('c'));
      timers.schedule(0, () => ran.push('b'));
    });
    const neighbour = timers.schedule(10, () => ran.push('neighbour'));
    vi.advanceTimersByTime(10);
    expect(ran).toEqual(['a']);
    vi.advanceTimersByTime(1);
    expect(ran).toEqual(['a', 'b']);
    vi.advanceTimersByTime(9);
    expect(ran).toEqual(['a', 'b', 'c']);
  });

  it('do not stop each other by an error', () => {
    const ran: string[] = [];
    timers.schedule(10, () => {
      throw new Error('of this task');
    });
    timers.schedule(10, () => ran.push('next'));
    expect(() => vi.advanceTimersByTime(10)).toThrow('of this task');
    vi.advanceTimersByTime(1);
    expect(ran).toEqual(['next']);
  });

  it('are driven by the timers that are there, be they replaced in between', () => {
    let ran = 0;
    timers.schedule(10, () => ran++).cancel();
    vi.useRealTimers();
    vi.useFakeTimers();
    timers.schedule(10, () => ran++);
    vi.advanceTimersByTime(11);
    expect(ran).toBe(1);
  });
});

it('runs no task in the async context of somebody else', async () => {
  const storage = new AsyncLocalStorage<string>();
  timers = new TimerLists();
  const alive = setInterval(() => undefined, 1_000);
  const seen = await storage.run('a request', async () => {
    timers.schedule(5, () => undefined);
    return new Promise((resolve) => timers.schedule(5, () => resolve(storage.getStore())));
  });
  clearInterval(alive);
  expect(seen).toBeUndefined();
});
