/** Bytes by key in key order, in memory: a two-level B+ tree, which is enough for some millions of entries. */

type Entry = readonly [key: Buffer, value: Uint8Array];

/** A leaf is split in two past this; a million entries are some thousand leaves. */
const LEAF_ENTRIES_MAX = 512;

export class SortedEntries {
  /** Never empty; every leaf but the only one has entries. */
  private readonly leaves: Entry[][] = [[]];
  private total = 0;

  /** Bytes of all keys and values. */
  get bytes(): number {
    return this.total;
  }

  get(key: Buffer): Uint8Array | undefined {
    const leaf = this.leaves[this.leafOf(key)]!;
    const entry = leaf[lowerBound(leaf, key)];
    return entry && compare(entry[0], key) === 0 ? entry[1] : undefined;
  }

  set(key: Buffer, value: Uint8Array): void {
    const at = this.leafOf(key);
    const leaf = this.leaves[at]!;
    const position = lowerBound(leaf, key);
    const old = leaf[position];
    if (old && compare(old[0], key) === 0) {
      leaf[position] = [key, value];
      this.total += value.byteLength - old[1].byteLength;
      return;
    }
    leaf.splice(position, 0, [key, value]);
    this.total += key.byteLength + value.byteLength;
    if (leaf.length > LEAF_ENTRIES_MAX) {
      this.leaves.splice(at + 1, 0, leaf.splice(LEAF_ENTRIES_MAX / 2));
    }
  }

  delete(key: Buffer): void {
    const at = this.leafOf(key);
    const leaf = this.leaves[at]!;
    const position = lowerBound(leaf, key);
    const old = leaf[position];
    if (!old || compare(old[0], key) !== 0) {
      return;
    }
    leaf.splice(position, 1);
    this.total -= key.byteLength + old[1].byteLength;
    if (leaf.length === 0 && this.leaves.length > 1) {
      this.leaves.splice(at, 1);
    }
  }

  /** Up to `limit` entries from `from` on (behind it if `exclusive`) and before `to`. */
  page(from: Buffer, exclusive: boolean, to: Buffer, limit: number): Entry[] {
    const found: Entry[] = [];
    for (let at = this.leafOf(from); at < this.leaves.length; at++) {
      const leaf = this.leaves[at]!;
      for (let position = lowerBound(leaf, from); position < leaf.length; position++) {
        const entry = leaf[position]!;
        if (found.length === limit || compare(entry[0], to) >= 0) {
          return found;
        }
        if (!exclusive || compare(entry[0], from) !== 0) {
          found.push(entry);
        }
      }
    }
    return found;
  }

  /** The last leaf whose first key is not behind `key`. */
  private leafOf(key: Buffer): number {
    let low = 0;
    let high = this.leaves.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (compare(this.leaves[middle]![0]![0], key) <= 0) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return low;
  }
}

/** The first position whose key is not before `key`. */
function lowerBound(leaf: readonly Entry[], key: Buffer): number {
  let low = 0;
  let high = leaf.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(leaf[middle]![0], key) < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

function compare(left: Buffer, right: Buffer): number {
  return left.compare(right);
}
