/** The hash trees of this node's partitions, in memory; `CountersAndDigests` keeps their durable twins. */
import { hex8 } from '../../model/hex.js';
import { type BucketDigest, TREE_BUCKETS } from '../../ports/local-kv-repo.js';
import { type Digest64 } from './record-digest.js';

/** Two for each bucket, the higher one first. */
export const TREE_WORDS = 2 * TREE_BUCKETS;
const NO_WORDS = new Uint32Array(TREE_WORDS);
const FIELDS = 4;

/** What a batch changes in the trees, step by step: a partition, a bucket of it, what to XOR into its digest. */
export class TreeChanges {
  /** Flat, four numbers a step: an object for each would be most of what a step costs. */
  private readonly fields: number[] = [];

  get count(): number {
    return this.fields.length / FIELDS;
  }

  /** Puts a record into a bucket, or takes it out: with XOR that is the same. */
  toggle(partition: number, bucket: number, { high, low }: Digest64): void {
    this.fields.push(partition, bucket, high, low);
  }

  forEach(visit: (partition: number, bucket: number, high: number, low: number) => void): void {
    const { fields } = this;
    for (let at = 0; at < fields.length; at += FIELDS) {
      visit(fields[at]!, fields[at + 1]!, fields[at + 2]!, fields[at + 3]!);
    }
  }
}

/**
 * A bucket's digest is the XOR of its records' digests, so a write changes it without reading the others and the
 * order of writes does not matter. 512 bytes for each partition that ever had a record, however many keys it has.
 */
export class HashTree {
  private readonly partitions = new Map<number, Uint32Array>();

  digests(partition: number): BucketDigest[] {
    const words = this.words(partition);
    return Array.from(
      { length: TREE_BUCKETS },
      (_, bucket) => hex8(words[2 * bucket]!) + hex8(words[2 * bucket + 1]!),
    );
  }

  /** The digests of a partition, not to be changed. */
  words(partition: number): Uint32Array {
    return this.partitions.get(partition) ?? NO_WORDS;
  }

  /** The partitions that have records. */
  get used(): number[] {
    return [...this.partitions].filter(([, words]) => words.some(Boolean)).map(([partition]) => partition);
  }

  set(partition: number, words: Uint32Array): void {
    this.partitions.set(partition, words);
  }

  apply(changes: TreeChanges): void {
    changes.forEach((partition, bucket, high, low) => {
      let words = this.partitions.get(partition);
      if (!words) {
        words = new Uint32Array(TREE_WORDS);
        this.partitions.set(partition, words);
      }
      toggle(words, bucket, high, low);
    });
  }
}

/** What {@link HashTree.apply} does to one partition's words. */
export function toggle(words: Uint32Array, bucket: number, high: number, low: number): void {
  words[2 * bucket]! ^= high;
  words[2 * bucket + 1]! ^= low;
}
