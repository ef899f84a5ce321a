/** Bytes by key in key order, in memory: a map, and beside it its keys in a two-level B+ tree for ranges. */
import { Buffer } from 'node:buffer';
import { type StoreEntry } from './engines/store-engine.js';
import { asBuffer } from '../model/byte-reader.js';

/** A leaf is split in two past this; a million keys are some thousand leaves. */
const LEAF_KEYS_MAX = 512;

/**
 * Keys are held as text, a character for a byte: such text is compared in the order of its bytes, and many times
 * faster than buffers are.
 */
export class SortedEntries {
  private readonly values = new Map<string, Uint8Array>();
  /** Never empty; every leaf but the only one has keys. */
  private readonly leaves: string[][] = [[]];
  private total = 0;

  /** Bytes of all keys and values. */
  get bytes(): number {
    return this.total;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.values.get(textOf(key));
  }

  set(key: Uint8Array, value: Uint8Array): void {
    const text = textOf(key);
    const old = this.values.get(text);
    this.values.set(text, value);
    this.total += value.byteLength - (old?.byteLength ?? -text.length);
    if (old === undefined) {
      this.insert(text);
    }
  }

  delete(key: Uint8Array): void {
    const text = textOf(key);
    const old = this.values.get(text);
    if (old === undefined) {
      return;
    }
    this.values.delete(text);
    this.total -= text.length + old.byteLength;
    const at = this.leafOf(text);
    const leaf = this.leaves[at]!;
    leaf.splice(lowerBound(leaf, text), 1);
    if (leaf.length === 0 && this.leaves.length > 1) {
      this.leaves.splice(at, 1);
    }
  }

  /** Up to `limit` entries from `from` on (behind it if `exclusive`) and before `to`. */
  page(from: Uint8Array, exclusive: boolean, to: Uint8Array, limit: number): StoreEntry[] {
    const [first, end] = [textOf(from), textOf(to)];
    const found: StoreEntry[] = [];
    for (let at = this.leafOf(first); at < this.leaves.length; at++) {
      const leaf = this.leaves[at]!;
      for (let position = lowerBound(leaf, first); position < leaf.length; position++) {
        const text = leaf[position]!;
        if (found.length === limit || text >= end) {
          return found;
        }
        if (!exclusive || text !== first) {
          found.push({ key: Buffer.from(text, 'latin1'), value: this.values.get(text)! });
        }
      }
    }
    return found;
  }

  private insert(text: string): void {
    const at = this.leafOf(text);
    const leaf = this.leaves[at]!;
    leaf.splice(lowerBound(leaf, text), 0, text);
    if (leaf.length > LEAF_KEYS_MAX) {
      this.leaves.splice(at + 1, 0, leaf.splice(LEAF_KEYS_MAX / 2));
    }
  }

  /** The last leaf whose first key is not behind `text`. */
  private leafOf(text: string): number {
    let low = 0;
    let high = this.leaves.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.leaves[middle]![0]! <= text) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return low;
  }
}

/** The first position whose key is not before `text`. */
function lowerBound(leaf: readonly string[], text: string): number {
  let low = 0;
  let high = leaf.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (leaf[middle]! < text) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

function textOf(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('latin1');
}
