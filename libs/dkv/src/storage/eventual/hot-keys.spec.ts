/** Hot keys: one holder at a time, and no more in memory than there is room for. */
import { describe, expect, it } from 'vitest';
import { microtasks } from '../../../testing/microtasks.js';
import { SimRandom } from '../../../testing/simulation/sim-random.js';
import { stampRecord } from '../../model/record.js';
import { formatVersion } from '../../model/version.js';
import { type HotKey, HotKeys } from './hot-keys.js';

const idOf = (key: string, partition = 1) => ({ partition, namespace: 'n', key });

function recordOf(key: string, bytes: number) {
  const version = formatVersion({ physicalMs: 1, counter: 0, nodeId: 'a', boot: 1 });
  const value = new Uint8Array(bytes);
  return stampRecord({ namespace: 'n', key, version, tombstone: false, expiresAtMs: 0, value });
}

function put(keys: HotKeys, name: string, bytes = 1_000): HotKey {
  const key = keys.take(idOf(name));
  key.record = recordOf(name, bytes);
  key.recordLoaded = true;
  keys.weigh(key);
  return key;
}

describe('a hot key', () => {
  it('is the same for all who take it, and another in another partition', () => {
    const keys = new HotKeys(100_000);
    const one = keys.take(idOf('k'));
    const two = keys.take(idOf('k', 2));
    expect(keys.take(idOf('k'))).toBe(one);
    expect(keys.take(idOf('k', 2))).toBe(two);
    expect(one).not.toBe(two);
    expect(keys.peek('n', 'k', 1)).toBe(one);
    expect(keys.peek('n', 'other')).toBeUndefined();
    expect(keys.peek('other', 'k')).toBeUndefined();
  });

  it('is held by one at a time, in the order of asking', async () => {
    const keys = new HotKeys(100_000);
    const order: string[] = [];
    const holders: HotKey[] = [];
    for (const name of ['a', 'b', 'c']) {
      keys.hold(idOf('k'), (key) => {
        order.push(name);
        holders.push(key);
      });
    }
    keys.hold(idOf('other'), () => order.push('other'));
    expect(order).toEqual(['a', 'other']);
    keys.release(holders[0]!);
    await microtasks();
    expect(order).toEqual(['a', 'other', 'b']);
    keys.release(holders[1]!);
    await microtasks();
    expect(order).toEqual(['a', 'other', 'b', 'c']);
  });

  it('is free again after work that failed', async () => {
    const keys = new HotKeys(100_000);
    await expect(keys.run(idOf('k'), () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await keys.run(idOf('k'), async () => 'done')).toBe('done');
  });

  it('lets ten thousand pass that change nothing', async () => {
    const keys = new HotKeys(100_000);
    let passed = 0;
    const all = Array.from({ length: 10_000 }, () => keys.run(idOf('k'), async () => void passed++));
    await Promise.all(all);
    expect(passed).toBe(10_000);
  });

  it('stays the same one as long as someone holds it, however little room there is', () => {
    const keys = new HotKeys(0);
    let held!: HotKey;
    keys.hold(idOf('k'), (key) => (held = key));
    held.recordLoaded = true;
    put(keys, 'other');
    expect(keys.take(idOf('k'))).toBe(held);
    keys.release(held);
    expect(keys.take(idOf('k'))).not.toBe(held);
  });
});

describe('the room of hot keys', () => {
  it('is kept: what was not asked for since the hand passed goes first', () => {
    const keys = new HotKeys(10_000);
    for (const name of ['a', 'b', 'c', 'd']) {
      put(keys, name, 1_500);
    }
    keys.take(idOf('a'));
    keys.take(idOf('c'));
    put(keys, 'e', 1_500);
    expect(['a', 'c', 'e'].map((name) => keys.peek('n', name)?.recordLoaded)).toEqual([true, true, true]);
    expect(keys.peek('n', 'b')).toBeUndefined();
    expect(keys.bytes).toBeLessThanOrEqual(10_000);
  });

  it('is given to new keys when others are asked for than before', () => {
    const keys = new HotKeys(50_000);
    for (let at = 0; at < 200; at++) {
      put(keys, `old ${at}`);
    }
    let found = 0;
    for (let round = 0; round < 4; round++) {
      for (let at = 0; at < 20; at++) {
        const held = keys.peek('n', `new ${at}`);
        found += held ? 1 : 0;
        if (held) {
          held.used = true;
        } else {
          put(keys, `new ${at}`);
        }
      }
    }
    expect(found).toBeGreaterThan(50);
  });

  it('is not taken by the names of namespaces that nothing is known of any more', () => {
    const keys = new HotKeys(0);
    for (let at = 0; at < 1_000; at++) {
      keys.weigh(keys.take({ partition: 1, namespace: `n${at}`, key: 'k' }));
    }
    expect((keys as unknown as { names: Map<string, unknown> }).names.size).toBe(0);
  });

  it('is not given to what is larger than it', () => {
    const keys = new HotKeys(10_000);
    put(keys, 'large', 20_000);
    expect(keys.peek('n', 'large')).toBeUndefined();
    expect(keys.bytes).toBe(0);
  });

  it('is what the keys in it take, and never more than allowed, whatever is done (seeded)', () => {
    const random = new SimRandom(11);
    const keys = new HotKeys(50_000);
    const model = new Map<string, HotKey>();
    for (let step = 0; step < 20_000; step++) {
      const name = `k${random.int(200)}`;
      if (random.int(3) === 0) {
        put(keys, name, random.int(4_000));
      } else {
        const key = keys.take(idOf(name, 1 + random.int(2)));
        key.recordLoaded = true;
        keys.weigh(key);
      }
      expect(keys.bytes).toBeLessThanOrEqual(50_000);
    }
    let bytes = 0;
    for (let at = 0; at < 200; at++) {
      for (let key = keys.peek('n', `k${at}`); key; key = key.other) {
        model.set(`${key.key} ${key.partition}`, key);
        bytes += key.bytes;
      }
    }
    expect(model.size).toBeGreaterThan(10);
    expect(bytes).toBe(keys.bytes);
  });

  it('is empty once it was cleared, and work under way then leaves nothing behind', () => {
    const keys = new HotKeys(100_000);
    let held!: HotKey;
    keys.hold(idOf('k'), (key) => (held = key));
    put(keys, 'other');
    keys.clear();
    held.record = recordOf('k', 10);
    keys.release(held);
    expect(keys.peek('n', 'k')).toBeUndefined();
    expect(keys.peek('n', 'other')).toBeUndefined();
    expect(keys.bytes).toBe(0);
  });
});
