/** The hash trees of this node's partitions, in memory; their durable twins are written with the records. */
import { DkvError } from '../dkv.errors.js';
import { type RecordHeader } from '../model/record.js';
import { type BucketDigest, TREE_BUCKETS } from '../ports/local-kv-repo.js';
import { type Digest64, digestOf } from './record-digest.js';
import { bucketOf, placeInTreeKey, treeKey } from './storage-keys.js';
import { type EngineOperation } from './store-engine.js';

const DIGEST_BYTES = 8;
const NO_WORDS = new Uint32Array(2 * TREE_BUCKETS);

/**
 * A bucket's digest is the XOR of its records' digests: a write takes the old record's out and puts the new one's
 * in, whatever the order. 512 bytes for each partition that ever had a record, however many keys it has.
 */
export class HashTrees {
  /** Two words for each bucket, the higher one first. */
  private readonly words = new Map<number, Uint32Array>();

  constructor(private readonly partitions: number) {}

  digests(partition: number): BucketDigest[] {
    const words = this.wordsOf(partition);
    return Array.from(
      { length: TREE_BUCKETS },
      (_, bucket) => hex(words[2 * bucket]!) + hex(words[2 * bucket + 1]!),
    );
  }

  /** Takes over what was stored of a bucket. @throws DkvError `DKV_CORRUPT_RECORD` */
  load(key: Buffer, value: Uint8Array, where: string): void {
    const { partition, bucket } = placeInTreeKey(key);
    if (value.byteLength !== DIGEST_BYTES || bucket >= TREE_BUCKETS || partition >= this.partitions) {
      throw new DkvError(
        'DKV_CORRUPT_RECORD',
        `The hash tree of partition ${partition} in ${where} is damaged at bucket ${bucket}. Remove this node's ` +
          'data folder so that it refills from its replicas.',
      );
    }
    const view = Buffer.from(value.buffer, value.byteOffset, DIGEST_BYTES);
    this.set(partition, bucket, { high: view.readUInt32BE(0), low: view.readUInt32BE(4) });
  }

  /** The changes of one batch, not in force yet. */
  stage(): StagedDigests {
    return new StagedDigests(this);
  }

  digestAt(partition: number, bucket: number): Digest64 {
    const words = this.wordsOf(partition);
    return { high: words[2 * bucket]!, low: words[2 * bucket + 1]! };
  }

  set(partition: number, bucket: number, { high, low }: Digest64): void {
    let words = this.words.get(partition);
    if (!words) {
      words = new Uint32Array(2 * TREE_BUCKETS);
      this.words.set(partition, words);
    }
    words[2 * bucket] = high;
    words[2 * bucket + 1] = low;
  }

  private wordsOf(partition: number): Uint32Array {
    return this.words.get(partition) ?? NO_WORDS;
  }
}

/** Digests as they will be once a batch is durable; then {@link StagedDigests.commit} puts them in force. */
export class StagedDigests {
  /** By `partition * TREE_BUCKETS + bucket`. */
  private readonly staged = new Map<number, Digest64>();

  constructor(private readonly trees: HashTrees) {}

  replace(partition: number, old: RecordHeader | undefined, next: RecordHeader): void {
    const bucket = bucketOf(next);
    const place = partition * TREE_BUCKETS + bucket;
    let digest = this.staged.get(place) ?? this.trees.digestAt(partition, bucket);
    for (const record of old ? [old, next] : [next]) {
      const { high, low } = digestOf(record);
      digest = { high: (digest.high ^ high) >>> 0, low: (digest.low ^ low) >>> 0 };
    }
    this.staged.set(place, digest);
  }

  /** What to store for the buckets touched: one put each. */
  operations(): EngineOperation[] {
    return Array.from(this.staged, ([place, { high, low }]) => {
      const value = Buffer.allocUnsafe(DIGEST_BYTES);
      value.writeUInt32BE(high, 0);
      value.writeUInt32BE(low, 4);
      return { type: 'put', key: treeKey(Math.floor(place / TREE_BUCKETS), place % TREE_BUCKETS), value };
    });
  }

  commit(): void {
    for (const [place, digest] of this.staged) {
      this.trees.set(Math.floor(place / TREE_BUCKETS), place % TREE_BUCKETS, digest);
    }
  }
}

function hex(word: number): string {
  return word.toString(16).padStart(8, '0');
}
