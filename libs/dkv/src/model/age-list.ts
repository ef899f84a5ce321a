/** A list that its entries themselves are the links of, from the oldest to the newest. */

export interface Aged<T> {
  older: T | undefined;
  newer: T | undefined;
}

/** To find the oldest, to add and to take out anywhere: none of them looks at another entry than its neighbours. */
export class AgeList<T extends Aged<T>> {
  private first: T | undefined;
  private last: T | undefined;

  get oldest(): T | undefined {
    return this.first;
  }

  /** As the newest. The entry is in no list. */
  add(entry: T): void {
    entry.older = this.last;
    if (this.last) {
      this.last.newer = entry;
    } else {
      this.first = entry;
    }
    this.last = entry;
  }

  /** The entry is in this list. */
  remove(entry: T): void {
    const { older, newer } = entry;
    if (older) {
      older.newer = newer;
    } else {
      this.first = newer;
    }
    if (newer) {
      newer.older = older;
    } else {
      this.last = older;
    }
    // What is gone but still old to the collector would keep the next alive, and that one the next.
    entry.older = undefined;
    entry.newer = undefined;
  }
}
