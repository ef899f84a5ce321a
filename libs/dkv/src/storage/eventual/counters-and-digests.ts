/** What must stay in step with the records: hash trees and counters, in memory and durable with every batch. */
import {
  damagedCounters,
  decodeEntry,
  decodeSnapshot,
  encodeEntry,
  encodeSnapshot,
  type JournalEntry,
  type StoreTotals,
} from './counters-and-digests-layout.js';
import { JOURNAL_RANGE, journalKey, partitionInTreeKey, TREE_RANGE, treeKey } from './disk-keys.js';
import { HashTree, toggle, TreeChanges } from './hash-tree.js';
import { NO_USAGE } from '../../model/usage.js';
import { type StoreEngine, type StoreOperation } from '../engines/store-engine.js';

/** What a start may have to read. */
export interface JournalLimits {
  /** Also where an entry lies: every release has the same. */
  readonly batches: number;
  /** Steps of the trees, in all batches. */
  readonly steps: number;
}

const LIMITS: JournalLimits = { batches: 4_096, steps: 65_536 };

/** A batch in the journal, as long as a start needs it. */
interface Journalled {
  readonly batch: number;
  readonly partitions: readonly number[];
}

/** A batch on its way to the disk. */
interface Pending {
  readonly entry: JournalEntry;
  readonly spent: readonly Journalled[];
  readonly snapshots: ReadonlyMap<number, Uint32Array>;
}

/**
 * A put for every bucket that a batch touches would cost as much as the records themselves. So a batch adds one entry
 * to a journal, which holds the newest of them in a fixed number of places; before an entry goes, the trees of its
 * partitions are stored whole, as they are then. A start reads the snapshots and what the journal has above them:
 * bounded, and no record is looked at (fuzzy checkpoints: Mohan et al., ARIES, 1992, section 5.4).
 */
export class CountersAndDigests {
  private readonly tree = new HashTree();
  /** After which batch a partition's tree was last stored whole. */
  private readonly storedAt = new Map<number, number>();
  /** In the order of their batches. */
  private readonly journal = new Map<number, Journalled>();
  private steps = 0;
  private batch = 0;
  private current: StoreTotals = { usage: NO_USAGE, tombstones: 0, hintBytes: 0 };
  private pending: Pending | undefined;

  private constructor(private readonly limits: JournalLimits) {}

  /** Of an open engine; whatever it throws itself comes through. @throws DkvError `DKV_CORRUPT_RECORD` */
  static async load(engine: StoreEngine, where: string, limits = LIMITS): Promise<CountersAndDigests> {
    const summary = new CountersAndDigests(limits);
    for await (const { key, value } of engine.iterate(TREE_RANGE)) {
      const { batch, words } = decodeSnapshot(value, where);
      const partition = partitionInTreeKey(key);
      summary.tree.set(partition, words);
      summary.storedAt.set(partition, batch);
    }
    const entries: JournalEntry[] = [];
    for await (const { value } of engine.iterate(JOURNAL_RANGE)) {
      entries.push(decodeEntry(value, where));
    }
    entries.sort((one, other) => one.batch - other.batch);
    summary.replay(entries, where);
    return summary;
  }

  get totals(): StoreTotals {
    return this.current;
  }

  get usedPartitions(): readonly number[] {
    return this.tree.used;
  }

  digests(partition: number): string[] {
    return this.tree.digests(partition);
  }

  /** What to store with the records of a batch that changes this. One batch at a time, to be followed by `stored`. */
  operationsFor(changes: TreeChanges, totals: StoreTotals): readonly StoreOperation[] {
    const entry: JournalEntry = { batch: this.batch + 1, totals, changes };
    const spent = this.spentBy(entry);
    const snapshots = this.snapshotsOf(spent, changes);
    this.pending = { entry, spent, snapshots };
    const operations: StoreOperation[] = [
      { type: 'put', key: this.placeOf(entry.batch), value: encodeEntry(entry) },
    ];
    for (const { batch } of spent) {
      // The oldest possible is in the place that the new one takes.
      if (batch !== entry.batch - this.limits.batches) {
        operations.push({ type: 'del', key: this.placeOf(batch) });
      }
    }
    for (const [partition, words] of snapshots) {
      const value = encodeSnapshot({ batch: entry.batch, words });
      operations.push({ type: 'put', key: treeKey(partition), value });
    }
    return operations;
  }

  /** The batch with {@link operationsFor} is in the store. */
  stored(): void {
    const { entry, spent, snapshots } = this.pending!;
    this.pending = undefined;
    for (const { batch, partitions } of spent) {
      this.journal.delete(batch);
      this.steps -= partitions.length;
    }
    for (const partition of snapshots.keys()) {
      this.storedAt.set(partition, entry.batch);
    }
    this.tree.apply(entry.changes);
    this.add(entry);
  }

  /** The oldest entries, as far as they must make room for one more. */
  private spentBy({ batch, changes }: JournalEntry): readonly Journalled[] {
    const spent: Journalled[] = [];
    let steps = this.steps + changes.count;
    for (const oldest of this.journal.values()) {
      if (oldest.batch > batch - this.limits.batches && steps <= this.limits.steps) {
        break;
      }
      steps -= oldest.partitions.length;
      spent.push(oldest);
    }
    return spent;
  }

  /** The trees as they will be after `changes`, of partitions that only entries on their way out know of. */
  private snapshotsOf(spent: readonly Journalled[], changes: TreeChanges): Map<number, Uint32Array> {
    const snapshots = new Map<number, Uint32Array>();
    for (const { batch, partitions } of spent) {
      for (const partition of partitions) {
        if ((this.storedAt.get(partition) ?? 0) < batch && !snapshots.has(partition)) {
          snapshots.set(partition, this.tree.words(partition).slice());
        }
      }
    }
    if (snapshots.size > 0) {
      changes.forEach((partition, bucket, high, low) => {
        const words = snapshots.get(partition);
        if (words) {
          toggle(words, bucket, high, low);
        }
      });
    }
    return snapshots;
  }

  private replay(entries: readonly JournalEntry[], where: string): void {
    const first = entries[0]?.batch ?? 1;
    const newestSnapshot = Math.max(0, ...this.storedAt.values());
    const isWhole = entries.every(({ batch }, at) => batch === first + at);
    if (!isWhole || newestSnapshot > (entries.at(-1)?.batch ?? 0)) {
      throw damagedCounters(where);
    }
    for (const entry of entries) {
      const missing = new TreeChanges();
      entry.changes.forEach((partition, bucket, high, low) => {
        if ((this.storedAt.get(partition) ?? 0) < entry.batch) {
          missing.toggle(partition, bucket, { high, low });
        }
      });
      this.tree.apply(missing);
      this.add(entry);
    }
  }

  private add({ batch, totals, changes }: JournalEntry): void {
    const partitions: number[] = [];
    changes.forEach((partition) => partitions.push(partition));
    this.journal.set(batch, { batch, partitions });
    this.steps += partitions.length;
    this.batch = batch;
    this.current = totals;
  }

  private placeOf(batch: number): Buffer {
    return journalKey(batch % this.limits.batches);
  }
}
