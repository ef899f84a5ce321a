/** Puts the real repository on a simulated disk: only the seam between the two is here. */
import { type StoreHome } from '../../src/storage/eventual/engine-local-kv-repo.js';
import {
  type BatchOptions,
  type StoreEngine,
  type StoreEntry,
  type StoreOperation,
  type StoreRange,
} from '../../src/storage/engines/store-engine.js';
import { type Incarnation } from './incarnation.js';
import { type SimDisk } from './sim-disk.js';
import { SimStore } from './sim-store.js';

/** The disk as one incarnation of the node sees it: give it to an EngineLocalKvRepo. */
export function simHome(disk: SimDisk, incarnation: Incarnation): StoreHome {
  return {
    where: `the simulated disk of ${disk.name}`,
    open: async (identity) => {
      disk.claim(identity);
      const store = new SimStore(disk, incarnation);
      await store.open();
      return new SimStoreEngine(store);
    },
    release: () => undefined,
  };
}

class SimStoreEngine implements StoreEngine {
  readonly name = 'simulated';

  constructor(private readonly store: SimStore) {}

  get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.store.get(key);
  }

  batch(operations: readonly StoreOperation[], options: BatchOptions): Promise<void> {
    return this.store.batch(operations, options);
  }

  async *iterate({ from, to }: StoreRange): AsyncGenerator<StoreEntry> {
    for await (const [key, value] of this.store.iterate(from, to)) {
      yield { key, value };
    }
  }

  sizeBytes(): number {
    return this.store.sizeBytes();
  }

  close(): Promise<void> {
    return this.store.close();
  }
}
