/** Raises floors: what a floor allows to forget is erased, a bounded number of keys at a time. */
import { type Version } from '../../model/version.js';
import { collectableIn, collectableKey, type CollectableMark, collectableRange } from './disk-keys.js';
import { type FloorStore } from './floor-store.js';
import { type HotKeys } from './hot-keys.js';
import { type RecordStore } from './record-store.js';
import { assertPartition } from './repo-arguments.js';
import { type StoreAccess, WRITE_OVERHEAD_BYTES } from './store-access.js';

/** Keys erased at a time: they share a batch or two. */
const PAGE = 128;

export class Collector {
  constructor(
    private readonly access: StoreAccess,
    private readonly keys: HotKeys,
    private readonly floors: FloorStore,
    private readonly records: RecordStore,
  ) {}

  async raiseFloor(partition: number, floor: Version): Promise<number> {
    await this.floors.raise(partition, { floor });
    let erased = 0;
    let page = await this.page(partition, floor, PAGE);
    while (page.length > 0) {
      const gone = await Promise.all(page.map((mark) => this.collect(mark)));
      erased += gone.filter(Boolean).length;
      page = page.length < PAGE ? [] : await this.page(partition, floor, PAGE, page.at(-1));
    }
    return erased;
  }

  async hasCollectable(partition: number, floor: Version): Promise<boolean> {
    assertPartition(partition, this.access.partitions);
    return (await this.page(partition, floor, 1)).length > 0;
  }

  /** Erases the tombstone of a mark, and the mark; whether the tombstone was still there. */
  private collect({ id, version }: CollectableMark): Promise<boolean> {
    return this.keys.run(id, async (key) => {
      await this.records.load(key);
      const { record } = key;
      const floor = this.floors.floorOf(id.partition);
      const isForgotten = record !== undefined && record.tombstone && record.version <= floor;
      const erasure = isForgotten ? this.records.erasureOf(key) : undefined;
      const mark = collectableKey(id, version);
      await this.access.storeOf(key).write({
        bytes: WRITE_OVERHEAD_BYTES + mark.byteLength + (erasure?.bytes ?? 0),
        addTo: (draft) => {
          // Also where nothing is erased: what was marked has changed since.
          draft.delete(mark);
          erasure?.addTo(draft);
        },
        committed: () => erasure?.committed?.(),
      });
      return isForgotten;
    });
  }

  private async page(
    partition: number,
    upTo: Version,
    limit: number,
    after?: CollectableMark,
  ): Promise<readonly CollectableMark[]> {
    const page: CollectableMark[] = [];
    for await (const { key } of this.access.store.entries(collectableRange(partition, upTo, after))) {
      page.push(collectableIn(key));
      if (page.length >= limit) {
        break;
      }
    }
    return page;
  }
}
