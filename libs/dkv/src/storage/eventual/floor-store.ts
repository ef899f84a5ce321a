/** Floors and fences of the partitions: all in memory, each durable in a key of its own. */
import { Buffer } from 'node:buffer';
import { DkvError } from '../../dkv.errors.js';
import { isVersion, NO_VERSION, type Version } from '../../model/version.js';
import { FLOOR_RANGE, floorKey, partitionInFloorKey } from './disk-keys.js';
import { type BatchDraft, type OpenStore } from './open-store.js';
import { assertPartition } from './repo-arguments.js';
import { type StoreAccess, WRITE_OVERHEAD_BYTES } from './store-access.js';
import { recoverRemedy } from '../../model/recover-remedy.js';
import { asBuffer } from '../../model/byte-reader.js';

interface Bounds {
  readonly floor: Version;
  readonly fence: Version;
}

const NO_BOUNDS: Bounds = { floor: NO_VERSION, fence: NO_VERSION };
const SEPARATOR = '\0';

/** Neither bound ever goes down, and a fence is never below its floor. */
export class FloorStore {
  private readonly bounds = new Map<number, Bounds>();

  constructor(private readonly access: StoreAccess) {}

  /** Reads the bounds of a store that is about to open. @throws DkvError `DKV_CORRUPT_RECORD` */
  async load(store: OpenStore): Promise<void> {
    this.clear();
    for await (const { key, value } of store.entries(FLOOR_RANGE)) {
      const partition = partitionInFloorKey(key);
      this.bounds.set(partition, this.decoded(partition, value));
    }
  }

  clear(): void {
    this.bounds.clear();
  }

  floorOf(partition: number): Version {
    return this.boundsOf(partition).floor;
  }

  fenceOf(partition: number): Version {
    return this.boundsOf(partition).fence;
  }

  get partitions(): readonly number[] {
    return [...this.bounds.keys()];
  }

  /** Gone at once, durably when it resolves. */
  async drop(partition: number): Promise<void> {
    const { store, partitions } = this.access;
    store.assertAccepting();
    assertPartition(partition, partitions);
    if (this.bounds.delete(partition)) {
      await store.write({ bytes: WRITE_OVERHEAD_BYTES, addTo: (draft) => this.addTo(draft, partition) });
    }
  }

  /** In force at once, durable when it resolves. */
  raise(partition: number, { floor = NO_VERSION, fence = floor }: Partial<Bounds>): Promise<void> {
    const { store, partitions } = this.access;
    store.assertAccepting();
    assertPartition(partition, partitions);
    if (!isVersion(fence)) {
      throw new TypeError(`Not a version: ${JSON.stringify(fence)}.`);
    }
    const before = this.boundsOf(partition);
    this.bounds.set(partition, { floor: higher(before.floor, floor), fence: higher(before.fence, fence) });
    return store.write({ bytes: WRITE_OVERHEAD_BYTES, addTo: (draft) => this.addTo(draft, partition) });
  }

  /** As they are when the batch is made: of two changes under way, the second batch must not have what was before. */
  private addTo(draft: BatchDraft, partition: number): void {
    const bounds = this.bounds.get(partition);
    if (bounds) {
      draft.put(floorKey(partition), encoded(bounds));
    } else {
      draft.delete(floorKey(partition));
    }
  }

  private boundsOf(partition: number): Bounds {
    return this.bounds.get(partition) ?? NO_BOUNDS;
  }

  private decoded(partition: number, value: Uint8Array): Bounds {
    const text = asBuffer(value).toString('latin1');
    const [floor, fence, ...rest] = text.split(SEPARATOR);
    if (rest.length > 0 || !isVersion(fence) || !(floor === NO_VERSION || isVersion(floor))) {
      throw new DkvError(
        'DKV_CORRUPT_RECORD',
        `The floor of partition ${partition} in ${this.access.where} is damaged. ` +
          recoverRemedy(this.access.where),
      );
    }
    return { floor, fence };
  }
}

function encoded({ floor, fence }: Bounds): Uint8Array {
  return Buffer.from(`${floor}${SEPARATOR}${fence}`, 'latin1');
}

function higher(one: Version, other: Version): Version {
  return one > other ? one : other;
}
