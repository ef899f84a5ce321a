/** What the log says of one group, as it is read again at a start: what the store has not, and a little of what it has. */
import { Buffer } from 'node:buffer';
import { dropFirst } from '../model/drop-first.js';
import { type EntryKind, type LogEntry } from '../model/raft-messages.js';
import { type HardState } from '../ports/node-log.js';
import { type GroupState } from '../ports/strong-store.js';

/** What the log holds of a group behind its last checkpoint. */
export interface LoggedGroup {
  readonly state: GroupState | undefined;
  readonly hardState: HardState | undefined;
  /**
   * In order. Of those that the store shows only the last ones, which others may lack: the first entry is the place that they
   * follow, and may be without its data.
   */
  readonly entries: readonly LogEntry[];
  /** Where the log begins behind a snapshot; 0 for no such place. */
  readonly resetAt: number;
  /** The highest that a record of the log has; 0 where it has none of the group. */
  readonly generation: number;
}

const NO_BYTES = new Uint8Array(0);
/**
 * Of the entries of a group that the store shows: members that lack no more get them from this node when it leads, and need no
 * snapshot. Where all nodes go down together under load, some lack what others have written to the store already.
 */
const KEPT_ENTRIES = 4_096;
const KEPT_BYTES = 512 * 1024;

export class GroupReplay {
  hardState: HardState | undefined;
  entries: LogEntry[] = [];
  resetAt = 0;
  generation = 0;
  /** Of the entries that the store shows. */
  private keptBytes = 0;

  constructor(private readonly state: GroupState | undefined) {}

  /** Whether a record of this generation counts: a higher one makes void all that came before it (rule 14). */
  counts(generation: number): boolean {
    if (generation > this.generation) {
      this.generation = generation;
      this.hardState = undefined;
      this.begin(0);
    }
    return generation === this.generation;
  }

  begin(index: number): void {
    this.entries = [];
    this.keptBytes = 0;
    this.resetAt = index;
  }

  /** `data` is copied where it is kept: of the log, most is in the store, and its entries are nothing but their place. */
  add(term: number, index: number, kind: EntryKind, data: Uint8Array): void {
    const { shown } = this;
    if (index <= shown - KEPT_ENTRIES) {
      this.entries = [{ term, index, kind, data: NO_BYTES }];
      this.keptBytes = 0;
      return;
    }
    this.cut(index);
    this.entries.push({ term, index, kind, data: Buffer.from(data) });
    if (index <= shown) {
      this.keptBytes += data.length;
      this.forgetOldest();
    }
  }

  /** The entries from `index` on were written over. */
  private cut(index: number): void {
    const { entries } = this;
    while (entries.length > 0 && entries.at(-1)!.index >= index) {
      const { index: last, data } = entries.pop()!;
      this.keptBytes -= last <= this.shown ? data.length : 0;
    }
  }

  /** All but the last that the store shows, a batch at a time. */
  private forgetOldest(): void {
    if (this.keptBytes > KEPT_BYTES) {
      let count = 0;
      while (count < this.entries.length - 1 && this.keptBytes > KEPT_BYTES / 2) {
        this.keptBytes -= this.entries[count++]!.data.length;
      }
      dropFirst(this.entries, count);
    }
  }

  /** Up to where the store shows the history that this log is of. */
  private get shown(): number {
    return this.state?.generation === this.generation ? this.state.applied : 0;
  }
}
