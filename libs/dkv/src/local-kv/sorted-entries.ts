/** Bytes by key in key order, in memory: a two-level B+ tree, which is enough for some millions of entries. */
import { type StoreEntry } from './store-engine.js';

/** A leaf is split in two past this; a million entries are some thousand leaves. */
const LEAF_ENTRIES_MAX = 512;

export class SortedEntries {
  /** Never empty; every leaf but the only one has entries. */
  private readonly leaves: StoreEntry[][] = [[]];
  private total = 0;

  /** Bytes of all keys and values. */
  get bytes(): number {
    return this.total;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const leaf = this.leaves[this.leafOf(key)]!;
    const entry = leaf[lowerBound(leaf, key)];
    return entry && compare(entry.key, key) === 0 ? entry.value : undefined;
  }

  set(key: Uint8Array, value: Uint8Array): void {
    const at = this.leafOf(key);
    const leaf = this.leaves[at]!;
    const position = lowerBound(leaf, key);
    const old = leaf[position];
    if (old && compare(old.key, key) === 0) {
      leaf[position] = { key, value };
      this.total += value.byteLength - old.value.byteLength;
      return;
    }
    leaf.splice(position, 0, { key, value });
    this.total += key.byteLength + value.byteLength;
    if (leaf.length > LEAF_ENTRIES_MAX) {
      this.leaves.splice(at + 1, 0, leaf.splice(LEAF_ENTRIES_MAX / 2));
    }
  }

  delete(key: Uint8Array): void {
    const at = this.leafOf(key);
    const leaf = this.leaves[at]!;
    const position = lowerBound(leaf, key);
    const old = leaf[position];
    if (!old || compare(old.key, key) !== 0) {
      return;
    }
    leaf.splice(position, 1);
    this.total -= key.byteLength + old.value.byteLength;
    if (leaf.length === 0 && this.leaves.length > 1) {
      this.leaves.splice(at, 1);
    }
  }

  /** Up to `limit` entries from `from` on (behind it if `exclusive`) and before `to`. */
  page(from: Uint8Array, exclusive: boolean, to: Uint8Array, limit: number): StoreEntry[] {
    const found: StoreEntry[] = [];
    for (let at = this.leafOf(from); at < this.leaves.length; at++) {
      const leaf = this.leaves[at]!;
      for (let position = lowerBound(leaf, from); position < leaf.length; position++) {
        const entry = leaf[position]!;
        if (found.length === limit || compare(entry.key, to) >= 0) {
          return found;
        }
        if (!exclusive || compare(entry.key, from) !== 0) {
          found.push(entry);
        }
      }
    }
    return found;
  }

  /** The last leaf whose first key is not behind `key`. */
  private leafOf(key: Uint8Array): number {
    let low = 0;
    let high = this.leaves.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (compare(this.leaves[middle]![0]!.key, key) <= 0) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return low;
  }
}

/** The first position whose key is not before `key`. */
function lowerBound(leaf: readonly StoreEntry[], key: Uint8Array): number {
  let low = 0;
  let high = leaf.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(leaf[middle]!.key, key) < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

function compare(left: Uint8Array, right: Uint8Array): number {
  return Buffer.compare(left, right);
}
