/** The hash trees of this node's partitions, in memory; their durable twins are written with the records. */
import { DkvError } from '../dkv.errors.js';
import { type BucketDigest, TREE_BUCKETS } from '../ports/local-kv-repo.js';
import { placeInTreeKey, TREE_RANGE, treeKey } from './disk-keys.js';
import { type Digest64 } from './record-digest.js';
import { type StoreEngine, type StorePut } from './store-engine.js';

const DIGEST_BYTES = 8;
const NO_WORDS = new Uint32Array(2 * TREE_BUCKETS);

/** What a batch changes in the trees: what to XOR into each bucket, by `partition * TREE_BUCKETS + bucket`. */
export class TreeChanges {
  readonly buckets = new Map<number, Digest64>();

  /** Puts a record into a bucket, or takes it out: with XOR that is the same. */
  toggle(partition: number, bucket: number, { high, low }: Digest64): void {
    const place = partition * TREE_BUCKETS + bucket;
    const before = this.buckets.get(place) ?? { high: 0, low: 0 };
    this.buckets.set(place, { high: (before.high ^ high) >>> 0, low: (before.low ^ low) >>> 0 });
  }
}

/**
 * A bucket's digest is the XOR of its records' digests, so a write changes it without reading the others and the
 * order of writes does not matter. 512 bytes for each partition that ever had a record, however many keys it has.
 */
export class HashTree {
  /** Two words for each bucket, the higher one first. */
  private readonly partitions = new Map<number, Uint32Array>();

  /** Reads the digests that were stored; no record is looked at. @throws DkvError `DKV_CORRUPT_RECORD` */
  static async load(engine: StoreEngine, where: string): Promise<HashTree> {
    const tree = new HashTree();
    for await (const { key, value } of engine.iterate(TREE_RANGE)) {
      const { partition, bucket } = placeInTreeKey(key);
      if (value.byteLength !== DIGEST_BYTES || bucket >= TREE_BUCKETS) {
        throw new DkvError(
          'DKV_CORRUPT_RECORD',
          `The hash tree of partition ${partition} in ${where} is damaged at bucket ${bucket}. Remove this node's ` +
            'data folder so that it refills from its replicas.',
        );
      }
      const view = Buffer.from(value.buffer, value.byteOffset, DIGEST_BYTES);
      tree.wordsToChange(partition).set([view.readUInt32BE(0), view.readUInt32BE(4)], 2 * bucket);
    }
    return tree;
  }

  digests(partition: number): BucketDigest[] {
    const words = this.wordsOf(partition);
    return Array.from(
      { length: TREE_BUCKETS },
      (_, bucket) => hex(words[2 * bucket]!) + hex(words[2 * bucket + 1]!),
    );
  }

  /** What to store for the trees to be as they will be after `changes`: one put for each bucket touched. */
  putsFor(changes: TreeChanges): StorePut[] {
    return Array.from(changes.buckets, ([place, change]) => {
      const partition = Math.floor(place / TREE_BUCKETS);
      const bucket = place % TREE_BUCKETS;
      const words = this.wordsOf(partition);
      const value = Buffer.allocUnsafe(DIGEST_BYTES);
      value.writeUInt32BE((words[2 * bucket]! ^ change.high) >>> 0, 0);
      value.writeUInt32BE((words[2 * bucket + 1]! ^ change.low) >>> 0, 4);
      return { type: 'put', key: treeKey(partition, bucket), value };
    });
  }

  /** To be called when the batch with {@link putsFor} is in the store. */
  apply(changes: TreeChanges): void {
    for (const [place, { high, low }] of changes.buckets) {
      const words = this.wordsToChange(Math.floor(place / TREE_BUCKETS));
      const bucket = place % TREE_BUCKETS;
      words[2 * bucket]! ^= high;
      words[2 * bucket + 1]! ^= low;
    }
  }

  private wordsOf(partition: number): Uint32Array {
    return this.partitions.get(partition) ?? NO_WORDS;
  }

  private wordsToChange(partition: number): Uint32Array {
    let words = this.partitions.get(partition);
    if (!words) {
      words = new Uint32Array(2 * TREE_BUCKETS);
      this.partitions.set(partition, words);
    }
    return words;
  }
}

function hex(word: number): string {
  return word.toString(16).padStart(8, '0');
}
