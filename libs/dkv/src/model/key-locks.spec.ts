import { describe, expect, it } from 'vitest';
import { KeyLocks } from '../model/key-locks.js';

describe('locks of keys', () => {
  it('run the tasks of a key one after the other, in the order of asking', async () => {
    const locks = new KeyLocks();
    const order: string[] = [];
    const task = (name: string) => async () => {
      order.push(`${name} begins`);
      await Promise.resolve();
      order.push(`${name} ends`);
      return name;
    };
    const results = await Promise.all(['a', 'b', 'c'].map((name) => locks.run('key', task(name))));
    expect(results).toEqual(['a', 'b', 'c']);
    expect(order).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
  });

  it('let other keys run meanwhile', async () => {
    const locks = new KeyLocks();
    let release!: () => void;
    const held = locks.run('one', () => new Promise<void>((resolve) => (release = resolve)));
    expect(await locks.run('two', async () => 'done')).toBe('done');
    release();
    await held;
  });

  it('go on after a task that fails, and give its error to who asked for it only', async () => {
    const locks = new KeyLocks();
    const failing = locks.run('key', () => Promise.reject(new Error('no')));
    const next = locks.run('key', async () => 'done');
    await expect(failing).rejects.toThrow('no');
    expect(await next).toBe('done');
  });

  it('can be taken and given without work of their own, in the same order', async () => {
    const locks = new KeyLocks();
    const order: string[] = [];
    expect(locks.take('key')).toBeUndefined();
    const second = locks.take('key')!.then(() => order.push('second'));
    const third = locks.run('key', async () => order.push('third'));
    await Promise.resolve();
    expect(order).toEqual([]);
    locks.give('key');
    await second;
    expect(order).toEqual(['second']);
    locks.give('key');
    await third;
    expect(order).toEqual(['second', 'third']);
    expect(locks.held).toBe(0);
  });

  it('keep nothing of a key that nobody uses', async () => {
    const locks = new KeyLocks();
    const work = Array.from({ length: 100 }, (_, at) => locks.run(`key-${at % 10}`, async () => undefined));
    work.push(locks.run('failing', () => Promise.reject(new Error('no'))).catch(() => undefined));
    expect(locks.held).toBe(11);
    await Promise.all(work);
    expect(locks.held).toBe(0);
  });
});
