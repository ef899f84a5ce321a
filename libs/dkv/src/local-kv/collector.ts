/** Raises floors: what a floor allows to forget is erased, a bounded number of keys at a time. */
import { type Version } from '../model/version.js';
import { collectableIn, type CollectableMark, collectableRange } from './disk-keys.js';
import { type FloorStore } from './floor-store.js';
import { assertPartition } from './repo-arguments.js';
import { type RoundStore } from './round-store.js';
import { type StoreAccess } from './store-access.js';

/** Keys erased at a time: they share a batch or two. */
const PAGE = 128;

export class Collector {
  constructor(
    private readonly access: StoreAccess,
    private readonly floors: FloorStore,
    private readonly rounds: RoundStore,
  ) {}

  async raiseFloor(partition: number, floor: Version): Promise<number> {
    await this.floors.raise(partition, { floor });
    let erased = 0;
    let page = await this.page(partition, floor, PAGE);
    while (page.length > 0) {
      const gone = await Promise.all(page.map((mark) => this.rounds.collect(mark)));
      erased += gone.filter(Boolean).length;
      page = page.length < PAGE ? [] : await this.page(partition, floor, PAGE, page.at(-1));
    }
    return erased;
  }

  async hasCollectable(partition: number, floor: Version): Promise<boolean> {
    assertPartition(partition, this.access.partitions);
    return (await this.page(partition, floor, 1)).length > 0;
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
