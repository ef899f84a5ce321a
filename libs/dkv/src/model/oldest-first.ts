/** A Map that knows its oldest entry at once, for what is kept up to a bound and let go in the order in which it came. */
import { AgeList, type Aged } from './age-list.js';

interface Entry<V> extends Aged<Entry<V>> {
  readonly key: string;
  readonly value: V;
}

/**
 * The first key of a Map is found past all that were deleted before it, until its table is made anew: where entries go
 * in the order in which they came, that is 8 µs among 4,000 of them. Here the order is a list of its own.
 */
export class OldestFirst<V> {
  private readonly entries = new Map<string, Entry<V>>();
  private readonly order = new AgeList<Entry<V>>();

  get size(): number {
    return this.entries.size;
  }

  get(key: string): V | undefined {
    return this.entries.get(key)?.value;
  }

  /** As the newest; nothing may be there under that key. */
  add(key: string, value: V): void {
    const entry: Entry<V> = { key, value, older: undefined, newer: undefined };
    this.order.add(entry);
    this.entries.set(key, entry);
  }

  /** What was there, which is now gone. */
  take(key: string): V | undefined {
    const entry = this.entries.get(key);
    if (!entry) {
      return undefined;
    }
    this.entries.delete(key);
    this.order.remove(entry);
    return entry.value;
  }

  get oldest(): { readonly key: string; readonly value: V } | undefined {
    return this.order.oldest;
  }
}
