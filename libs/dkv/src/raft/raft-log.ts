/** The entries of a group that are in memory: which of them are on their way to the disk, and which are on it. */
import { dropFirst } from '../model/drop-first.js';
import { type LogEntry } from '../model/raft-messages.js';

/** What an entry counts beside its data: its term, index, kind and lengths in a message. */
export const ENTRY_OVERHEAD_BYTES = 32;

const NONE: readonly LogEntry[] = [];

/** An array behind (`snapshotIndex`, `snapshotTerm`), so an index is found by a subtraction. Terms never fall. */
export class RaftLog {
  /** All up to it is on the disk. Entries above it may be under way, or not handed out yet. */
  durableIndex: number;
  /** All up to it was given out to be written. */
  handedOutIndex: number;
  private readonly entries: LogEntry[] = [];
  /** At the same place as its entry: the bytes of all entries up to it, since the group was opened. */
  private readonly sums: number[] = [];
  private sumBefore = 0;

  constructor(
    public snapshotIndex: number,
    public snapshotTerm: number,
  ) {
    this.durableIndex = snapshotIndex;
    this.handedOutIndex = snapshotIndex;
  }

  get lastIndex(): number {
    return this.snapshotIndex + this.entries.length;
  }

  get lastTerm(): number {
    const { entries } = this;
    return entries.length === 0 ? this.snapshotTerm : entries[entries.length - 1]!.term;
  }

  /** undefined where the log holds no such entry; the term of `snapshotIndex` itself is still known. */
  termAt(index: number): number | undefined {
    const offset = index - this.snapshotIndex - 1;
    return offset === -1 ? this.snapshotTerm : this.entries[offset]?.term;
  }

  entryAt(index: number): LogEntry | undefined {
    return this.entries[index - this.snapshotIndex - 1];
  }

  /** @throws RangeError when the entry does not follow the last one: the log would have a gap for ever. */
  append(entry: LogEntry): void {
    if (entry.index !== this.lastIndex + 1) {
      throw new RangeError(
        `Entry ${entry.index} does not follow ${this.lastIndex}: the log would have a gap.`,
      );
    }
    const before = this.sums.length === 0 ? this.sumBefore : this.sums[this.sums.length - 1]!;
    this.entries.push(entry);
    this.sums.push(before + entry.data.length + ENTRY_OVERHEAD_BYTES);
  }

  /** Drops the entries from `index` on. */
  truncate(index: number): void {
    const length = Math.max(0, index - this.snapshotIndex - 1);
    this.entries.length = length;
    this.sums.length = length;
    this.durableIndex = Math.min(this.durableIndex, this.lastIndex);
    this.handedOutIndex = Math.min(this.handedOutIndex, this.lastIndex);
  }

  /**
   * Whether dropping entries from `index` on would drop some whose append has not ended. The end of that append could
   * then be taken for the end of a later one, when the same entries come back: A written, B written over it, A again,
   * and the first A's end arrives. A crash that leaves B would lose an A that was acknowledged.
   */
  isUnderWay(index: number): boolean {
    return this.handedOutIndex >= index && this.durableIndex < this.handedOutIndex;
  }

  /** Whether the end of an append up to (term, index) tells something new about this log: rule 1. */
  countsAsDurable(term: number, index: number): boolean {
    return index > this.durableIndex && index <= this.handedOutIndex && this.termAt(index) === term;
  }

  /** Forgets the entries up to `index`, which it holds. */
  compact(index: number): void {
    const count = index - this.snapshotIndex;
    this.snapshotTerm = this.termAt(index)!;
    this.sumBefore = this.sums[count - 1]!;
    dropFirst(this.entries, count);
    dropFirst(this.sums, count);
    this.snapshotIndex = index;
  }

  /** Begins anew behind a snapshot, which is durable. */
  reset(index: number, term: number): void {
    this.truncate(0);
    this.snapshotIndex = index;
    this.snapshotTerm = term;
    this.durableIndex = index;
    this.handedOutIndex = index;
  }

  /** From `from` to `to`, as far as the log holds them. */
  slice(from: number, to: number): readonly LogEntry[] {
    const first = Math.max(from, this.snapshotIndex + 1);
    return first > to ? NONE : this.entries.slice(first - this.snapshotIndex - 1, to - this.snapshotIndex);
  }

  /** From `from` on, as many as fit into `bytesMax`; one at least where there is one. */
  chunk(from: number, bytesMax: number): readonly LogEntry[] {
    const { sums } = this;
    const first = from - this.snapshotIndex - 1;
    if (first >= sums.length) {
      return NONE;
    }
    const limit = (first === 0 ? this.sumBefore : sums[first - 1]!) + bytesMax;
    let end = first + 1;
    while (end < sums.length && sums[end]! <= limit) {
      end++;
    }
    return this.entries.slice(first, end);
  }

  /** Bytes of the entries behind `after` up to `to`, of those that are in memory. */
  bytesBetween(after: number, to: number): number {
    return Math.max(0, this.sumAt(to) - this.sumAt(after));
  }

  /** The highest index, `index` at most, whose entry has `term` at most; the log's beginning where none has. */
  lastOfTerm(index: number, term: number): number {
    let low = this.snapshotIndex;
    let high = Math.min(index, this.lastIndex);
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.termAt(middle)! <= term) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return Math.min(low, index);
  }

  /** What has not been given out to be written, in order. */
  handOut(): readonly LogEntry[] {
    if (this.handedOutIndex === this.lastIndex) {
      return NONE;
    }
    const entries = this.slice(this.handedOutIndex + 1, this.lastIndex);
    this.handedOutIndex = this.lastIndex;
    return entries;
  }

  private sumAt(index: number): number {
    const offset = Math.min(index - this.snapshotIndex, this.sums.length) - 1;
    return offset < 0 ? this.sumBefore : this.sums[offset]!;
  }
}
