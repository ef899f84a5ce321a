import { tmpdir } from 'node:os';
import { beforeEach, describe, expect, it } from 'vitest';
import { microtasks } from '../../../testing/microtasks.js';
import { ReopeningStore } from './reopening-store.js';
import { type StoreOperation } from './store-engine.js';

const FULL = new Error('No space left on device');
const put = (key: string): StoreOperation => ({
  type: 'put',
  key: Buffer.from(key),
  value: Buffer.from(key),
});

class Store {
  readonly written: string[] = [];
  isClosed = false;

  async write(operations: readonly StoreOperation[]): Promise<void> {
    this.written.push(...operations.map(({ key }) => Buffer.from(key).toString()));
  }
}

let stores: Store[];
let roomBytes: number;
/** Called at every opening but the first. */
let whileReopening: () => void;
let held: ReopeningStore<Store>;

beforeEach(async () => {
  stores = [];
  roomBytes = 0;
  whileReopening = () => undefined;
  held = await ReopeningStore.open({
    folder: tmpdir(),
    open: async () => {
      if (stores.length > 0) {
        whileReopening();
      }
      stores.push(new Store());
      return stores.at(-1)!;
    },
    close: async (store) => {
      store.isClosed = true;
    },
    roomBytes: async () => roomBytes,
  });
});

const batch = (key: string, write = (store: Store, given: readonly StoreOperation[]) => store.write(given)) =>
  held.batch([put(key)], write);
const failOnce = () => expect(batch('failing', () => Promise.reject(FULL))).rejects.toBe(FULL);

describe('after a failed batch', () => {
  beforeEach(failOnce);

  it('the next ones go to the store opened again, the one before being closed', async () => {
    expect(stores[0]!.isClosed).toBe(false);
    await Promise.all([batch('b'), batch('c')]);
    await batch('d');
    expect(stores).toEqual([
      { written: [], isClosed: true },
      { written: ['b', 'c', 'd'], isClosed: false },
    ]);
    expect(held.current).toBe(stores[1]);
  });

  it('the next one is written as it was when it was given', async () => {
    const operation = put('next');
    const written = held.batch([operation], (store, operations) => store.write(operations));
    operation.key.fill(0);
    await written;
    expect(stores[1]!.written).toEqual(['next']);
  });

  it('what asks for the store meanwhile gets the one opened again', async () => {
    let asked: Promise<Store> | undefined;
    whileReopening = () => {
      expect(held.current).toBeUndefined();
      asked = held.opened();
    };
    await batch('next');
    expect(await asked).toBe(stores[1]);
  });

  it('the next ones fail as it did while there is no room, and the open store serves reads', async () => {
    roomBytes = Infinity;
    await expect(batch('early')).rejects.toBe(FULL);
    expect(held.current).toBe(stores[0]);
    expect(stores).toEqual([{ written: [], isClosed: false }]);
    roomBytes = 0;
    await batch('next');
    expect(stores[1]!.written).toEqual(['next']);
  });

  it('opening is tried again where it failed', async () => {
    const openError = new Error('Too many open files');
    whileReopening = () => {
      throw openError;
    };
    await expect(batch('early')).rejects.toBe(openError);
    await expect(held.opened()).rejects.toBe(FULL);
    whileReopening = () => undefined;
    await batch('next');
    expect(await held.opened()).toBe(stores[1]);
  });

  it('nothing is opened any more once it is closed', async () => {
    await held.close();
    await expect(batch('late')).rejects.toBe(FULL);
    await expect(held.opened()).rejects.toMatchObject({ code: 'DKV_NOT_READY' });
    expect(stores).toEqual([{ written: [], isClosed: true }]);
  });
});

describe('batches under way at the same time', () => {
  let ends: ((error?: Error) => void)[];
  const underWay = (key: string) =>
    batch(
      key,
      () => new Promise((resolve, reject) => ends.push((error) => (error ? reject(error) : resolve()))),
    );

  beforeEach(() => {
    ends = [];
  });

  it('all fail where one does: they may stand behind half of it', async () => {
    const outcomes = Promise.allSettled([underWay('a'), underWay('b')]);
    // As two threads may tell it: the one that stands behind first.
    ends[1]!();
    await microtasks();
    ends[0]!(FULL);
    expect(await outcomes).toMatchObject([{ reason: FULL }, { reason: FULL }]);
  });

  it('are acknowledged where none fails', async () => {
    const written = Promise.all([underWay('a'), underWay('b')]);
    ends[1]!();
    await microtasks();
    ends[0]!();
    await written;
    expect(stores).toHaveLength(1);
  });
});
