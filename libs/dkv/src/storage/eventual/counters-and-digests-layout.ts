/** The bytes of what is kept in step with the records: a batch's entry in the journal, a partition's snapshot. */
import { Buffer } from 'node:buffer';
import { DkvError } from '../../dkv.errors.js';
import { crc32 } from '../../model/checksum.js';
import { TREE_BUCKETS } from '../../ports/local-kv-repo.js';
import { TREE_WORDS, TreeChanges } from './hash-tree.js';
import { decodeUsage, encodeUsage, type UsageByNamespace } from '../../model/usage.js';
import { recoverRemedy } from '../../model/recover-remedy.js';
import { asBuffer } from '../../model/byte-reader.js';

/** Counted as records come and go and stored with them, so that no start has to scan. */
export interface StoreTotals {
  readonly usage: UsageByNamespace;
  readonly tombstones: number;
  readonly hintBytes: number;
}

/** What one batch changed. Batches are numbered from 1. */
export interface JournalEntry {
  readonly batch: number;
  /** After the batch. */
  readonly totals: StoreTotals;
  readonly changes: TreeChanges;
}

/** The digests of a partition after a batch. */
export interface TreeSnapshot {
  readonly batch: number;
  readonly words: Uint32Array;
}

/*
 * Numbers are big endian. Both begin with a CRC-32 of what follows and the number of the batch (u48).
 * Entry: two totals as doubles and the usage by namespace (`model/usage.ts`), then for each step of the trees
 * partition u16, bucket u8, high u32, low u32.
 * Snapshot: for each bucket high u32, low u32.
 */
const BATCH_AT = 4;
const BATCH_BYTES = 6;
const HEAD_BYTES = BATCH_AT + BATCH_BYTES;
const USAGE_AT = HEAD_BYTES + 16;
const STEP_BYTES = 11;

export function encodeEntry({ batch, totals, changes }: JournalEntry): Buffer {
  const usage = encodeUsage(totals.usage);
  let at = USAGE_AT + usage.length;
  const bytes = Buffer.allocUnsafe(at + changes.count * STEP_BYTES);
  bytes.writeDoubleBE(totals.tombstones, HEAD_BYTES);
  bytes.writeDoubleBE(totals.hintBytes, HEAD_BYTES + 8);
  bytes.set(usage, USAGE_AT);
  changes.forEach((partition, bucket, high, low) => {
    bytes.writeUInt16BE(partition, at);
    bytes[at + 2] = bucket;
    bytes.writeUInt32BE(high, at + 3);
    bytes.writeUInt32BE(low, at + 7);
    at += STEP_BYTES;
  });
  return withChecksum(bytes, batch);
}

/** @throws DkvError `DKV_CORRUPT_RECORD` */
export function decodeEntry(bytes: Uint8Array, where: string): JournalEntry {
  const view = unsealed(bytes, where);
  const counts = decodeUsage(view, USAGE_AT, view.length);
  if (!counts || (view.length - counts.end) % STEP_BYTES !== 0) {
    throw damagedCounters(where);
  }
  const totals = {
    usage: counts.usage,
    tombstones: view.readDoubleBE(HEAD_BYTES),
    hintBytes: view.readDoubleBE(HEAD_BYTES + 8),
  };
  const changes = new TreeChanges();
  for (let at = counts.end; at < view.length; at += STEP_BYTES) {
    const bucket = view[at + 2]!;
    if (bucket >= TREE_BUCKETS) {
      throw damagedCounters(where);
    }
    changes.toggle(view.readUInt16BE(at), bucket, {
      high: view.readUInt32BE(at + 3),
      low: view.readUInt32BE(at + 7),
    });
  }
  return { batch: view.readUIntBE(BATCH_AT, BATCH_BYTES), totals, changes };
}

export function encodeSnapshot({ batch, words }: TreeSnapshot): Buffer {
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + 4 * TREE_WORDS);
  for (let word = 0; word < TREE_WORDS; word++) {
    bytes.writeUInt32BE(words[word]!, HEAD_BYTES + 4 * word);
  }
  return withChecksum(bytes, batch);
}

/** @throws DkvError `DKV_CORRUPT_RECORD` */
export function decodeSnapshot(bytes: Uint8Array, where: string): TreeSnapshot {
  const view = unsealed(bytes, where);
  if (view.length !== HEAD_BYTES + 4 * TREE_WORDS) {
    throw damagedCounters(where);
  }
  const words = new Uint32Array(TREE_WORDS);
  for (let word = 0; word < TREE_WORDS; word++) {
    words[word] = view.readUInt32BE(HEAD_BYTES + 4 * word);
  }
  return { batch: view.readUIntBE(BATCH_AT, BATCH_BYTES), words };
}

export function damagedCounters(where: string): DkvError {
  return new DkvError(
    'DKV_CORRUPT_RECORD',
    `The hash trees and counters in ${where} are damaged. ${recoverRemedy(where)}`,
  );
}

function withChecksum(bytes: Buffer, batch: number): Buffer {
  bytes.writeUIntBE(batch, BATCH_AT, BATCH_BYTES);
  bytes.writeUInt32BE(crc32(bytes.subarray(BATCH_AT)), 0);
  return bytes;
}

function unsealed(bytes: Uint8Array, where: string): Buffer {
  const view = asBuffer(bytes);
  if (view.length < HEAD_BYTES || view.readUInt32BE(0) !== crc32(view.subarray(BATCH_AT))) {
    throw damagedCounters(where);
  }
  return view;
}
