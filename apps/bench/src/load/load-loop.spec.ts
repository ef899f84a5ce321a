import { describe, expect, it, vi } from 'vitest';
import { WORKLOAD_NAMES, workloadOf } from '../workloads.js';
import { fill } from './filling.js';
import { type LoadPlan, runLoad } from './load-loop.js';
import { keyOf, type Store } from './store.js';

const PLAN: LoadPlan = {
  workload: 'read-held',
  keys: 100,
  valueBytes: 10,
  inFlight: 4,
  seconds: 0.02,
  seed: 1,
};

/** A store that answers in microtasks, as one that reads from memory does. */
class MapStore implements Store {
  readonly map = new Map<string, Buffer>();
  readonly asked: string[] = [];
  reads = 0;
  counted = 0;
  key = keyOf;

  async read(key: string) {
    this.reads++;
    this.asked.push(key);
    return this.map.get(key);
  }

  async write(key: string, value: Buffer) {
    this.asked.push(key);
    this.map.set(key, value);
    return 'OK';
  }

  async increment() {
    return ++this.counted;
  }
}

async function filled(): Promise<MapStore> {
  const store = new MapStore();
  await fill(store, { from: 0, to: PLAN.keys, valueBytes: PLAN.valueBytes, inFlight: 3 });
  return store;
}

describe('filling', () => {
  it('writes every key once, and tells how many', async () => {
    const store = new MapStore();
    let told = 0;
    const plan = { from: 5, to: 3_005, valueBytes: 10, inFlight: 7 };
    await fill(store, plan, (count) => (told += count));
    expect(store.asked).toHaveLength(3_000);
    expect(store.map.size).toBe(3_000);
    expect(told).toBe(3_000);
  });

  it('tries a refused write again', async () => {
    const store = new MapStore();
    let refusals = 2;
    const write = store.write.bind(store);
    store.write = (key, value) => (refusals-- > 0 ? Promise.reject(new Error('busy')) : write(key, value));
    await fill(store, { from: 0, to: 3, valueBytes: 10, inFlight: 1 });
    expect(store.map.size).toBe(3);
  });
});

describe('the load loop', () => {
  it.each(WORKLOAD_NAMES)('runs %s without a failure', async (workload) => {
    const store = await filled();
    const report = await runLoad(store, { ...PLAN, workload });
    expect(report).toMatchObject({ failures: 0, failure: undefined });
    expect(report.operations).toBeGreaterThan(0);
    expect(report.seconds).toBeGreaterThanOrEqual(PLAN.seconds);
    const { operation } = workloadOf(workload);
    expect(store.reads).toBe(operation === 'read' ? report.operations : 0);
    expect(store.counted).toBe(operation === 'increment' ? report.operations : 0);
  });

  it('lets the event loop turn once a millisecond under operations that need no I/O', async () => {
    const store = await filled();
    // A hundredth of a millisecond passes from one look at the clock to the next, however fast this machine is.
    let nowMs = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => (nowMs += 0.01));
    let turns = 0;
    let next: NodeJS.Immediate;
    const turn = () => {
      turns++;
      next = setImmediate(turn);
    };
    turn();
    await runLoad(store, { ...PLAN, workload: 'read-held' });
    clearImmediate(next!);
    expect(turns).toBeGreaterThan(PLAN.seconds * 1_000 - 5);
  });

  it('asks for the same keys in the same order with the same seed', async () => {
    const firstKeys = async (seed: number) => {
      const store = await filled();
      store.asked.length = 0;
      await runLoad(store, { ...PLAN, inFlight: 1, seed });
      return store.asked.slice(0, 20);
    };
    expect(await firstKeys(1)).toEqual(await firstKeys(1));
    expect(await firstKeys(1)).not.toEqual(await firstKeys(2));
  });

  it('counts what fails, and a key without a value as failed', async () => {
    const store = new MapStore();
    const missing = await runLoad(store, { ...PLAN, workload: 'read-held' });
    expect(missing.operations).toBe(0);
    expect(missing.failures).toBeGreaterThan(0);
    expect(missing.failure).toMatch(/no value/);
    store.write = () => Promise.reject(new Error('disk full'));
    expect(await runLoad(store, { ...PLAN, workload: 'write' })).toMatchObject({ failure: 'disk full' });
  });
});
