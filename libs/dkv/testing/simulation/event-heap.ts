/** The order of everything that will happen: by time, and among equal times by who came first. */

export interface HeapEntry {
  readonly timeMs: number;
  readonly sequence: number;
}

/** A binary heap; `sequence` makes the order total, so it is the same in every run. */
export class EventHeap<T extends HeapEntry> {
  private readonly entries: T[] = [];

  get size(): number {
    return this.entries.length;
  }

  peek(): T | undefined {
    return this.entries[0];
  }

  push(entry: T): void {
    const { entries } = this;
    let index = entries.length;
    entries.push(entry);
    while (index > 0) {
      const parent = (index - 1) >>> 1;
      if (!before(entry, entries[parent]!)) {
        break;
      }
      entries[index] = entries[parent]!;
      index = parent;
    }
    entries[index] = entry;
  }

  pop(): T | undefined {
    const { entries } = this;
    const first = entries[0];
    const last = entries.pop();
    if (first === undefined || last === undefined || entries.length === 0) {
      return first;
    }
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= entries.length) {
        break;
      }
      if (child + 1 < entries.length && before(entries[child + 1]!, entries[child]!)) {
        child++;
      }
      if (!before(entries[child]!, last)) {
        break;
      }
      entries[index] = entries[child]!;
      index = child;
    }
    entries[index] = last;
    return first;
  }
}

function before(one: HeapEntry, other: HeapEntry): boolean {
  return one.timeMs < other.timeMs || (one.timeMs === other.timeMs && one.sequence < other.sequence);
}
