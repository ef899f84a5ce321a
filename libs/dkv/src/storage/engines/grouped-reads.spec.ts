/** Grouped reads: everybody gets the value of its own key, and nobody waits for more than it must. */
import { describe, expect, it } from 'vitest';
import { microtasks } from '../../../testing/microtasks.js';
import { GroupedReads } from './grouped-reads.js';

const keyOf = (name: string) => Buffer.from(name);

/** Calls that end when the test says so. */
class Bench {
  readonly groups: string[][] = [];
  private readonly ends: ((error?: Error) => void)[] = [];
  readonly reads = new GroupedReads((keys) => {
    const names = keys.map((key) => Buffer.from(key).toString());
    this.groups.push(names);
    return new Promise((resolve, reject) =>
      this.ends.push((error) =>
        error
          ? reject(error)
          : resolve(names.map((name) => (name === 'none' ? undefined : keyOf(`value of ${name}`)))),
      ),
    );
  });

  get(name: string): Promise<string | undefined> {
    return this.reads.get(keyOf(name)).then((value) => value && Buffer.from(value).toString());
  }

  async end(error?: Error): Promise<void> {
    this.ends.shift()!(error);
    await microtasks();
  }
}

describe('reads', () => {
  it('of one turn are one call, and each gives the value of its key', async () => {
    const bench = new Bench();
    const all = Promise.all(['a', 'none', 'b', 'a'].map((name) => bench.get(name)));
    await microtasks();
    expect(bench.groups).toEqual([['a', 'none', 'b', 'a']]);
    await bench.end();
    expect(await all).toEqual(['value of a', undefined, 'value of b', 'value of a']);
  });

  it('that come while two calls are under way wait together for the first to end', async () => {
    const bench = new Bench();
    const all: Promise<string | undefined>[] = [];
    for (const name of ['a', 'b', 'c', 'd']) {
      all.push(bench.get(name));
      await microtasks();
    }
    expect(bench.groups).toEqual([['a'], ['b']]);
    await bench.end();
    expect(bench.groups).toEqual([['a'], ['b'], ['c', 'd']]);
    await bench.end();
    await bench.end();
    expect(await Promise.all(all)).toEqual(['a', 'b', 'c', 'd'].map((name) => `value of ${name}`));
  });

  it('are so many in a call and no more', async () => {
    const bench = new Bench();
    const all = Promise.all(Array.from({ length: 300 }, (_, at) => bench.get(`k${at}`)));
    await microtasks();
    expect(bench.groups.map(({ length }) => length)).toEqual([128, 128]);
    await bench.end();
    expect(bench.groups.map(({ length }) => length)).toEqual([128, 128, 44]);
    await bench.end();
    await bench.end();
    expect((await all)[299]).toBe('value of k299');
  });

  it('fail alone, not with those that came along, and those after it go on', async () => {
    const bench = new Bench();
    const failing = Promise.allSettled([bench.get('a'), bench.get('bad'), bench.get('c')]);
    await microtasks();
    await bench.end(new Error('EIO'));
    await bench.end();
    await bench.end(new Error('EIO'));
    await bench.end();
    expect(bench.groups).toEqual([['a', 'bad', 'c'], ['a'], ['bad'], ['c']]);
    expect((await failing).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    const next = bench.get('d');
    await microtasks();
    await bench.end();
    expect(await next).toBe('value of d');
  });
});
