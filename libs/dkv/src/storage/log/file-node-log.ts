/** The node log on files: what callers add goes to the writer, what is not needed any more is deleted, the end is noted. */
import { type DkvError } from '../../dkv.errors.js';
import { type EntryKind } from '../../model/raft-messages.js';
import { type Clock, type Timer } from '../../ports/clock.js';
import { type Logger } from '../../ports/logger.js';
import { type Appended, type HardState, type LogCoverage, type NodeLog } from '../../ports/node-log.js';
import { type EndNote, type EndNoteFile } from './end-note.js';
import { folderSynced, isMissing, messageOf, noteFailed, syncedFinally } from './log-errors.js';
import { type LogFiles, synced } from './log-files.js';
import {
  BATCH_HEAD_BYTES,
  ENTRY_HEAD_BYTES,
  hardStateBytes,
  putBatchHead,
  putEntryHead,
  putHardState,
  putReset,
  RESET_BYTES,
} from './log-records.js';
import { type LogDurability, type LogWriter } from './log-writer.js';
import { type Segment } from './segments.js';

export interface FileNodeLogOptions {
  readonly files: LogFiles;
  readonly durability: LogDurability;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tickMs: number;
  readonly openedPosition: number;
  /** What was noted when the log was opened and found to have forgotten; stands until {@link NodeLog.acceptEnd}. */
  readonly forgotten: EndNote | undefined;
}

export class FileNodeLog implements NodeLog {
  private forgotten: EndNote | undefined;
  /** Position of the last note. */
  private notedPosition = -1;
  /** Covered, not deleted yet; oldest first. */
  private readonly covered: Segment[] = [];
  /** Notes and deletions, one after the other. */
  private housekeeping: Promise<void> = Promise.resolve();
  private isHousekeeping = false;
  private warned: string | undefined;
  private timer: Timer | undefined;
  private closing: Promise<void> | undefined;

  constructor(
    private readonly writer: LogWriter,
    private readonly note: EndNoteFile,
    private readonly options: FileNodeLogOptions,
  ) {
    this.forgotten = options.forgotten;
    this.tickLater();
  }

  addHardState(group: number, state: HardState): void {
    const { filling } = this.writer.queue;
    const at = filling.take(hardStateBytes(state.vote));
    putHardState(filling.bytes, at, group, state);
  }

  addEntry(
    group: number,
    generation: number,
    term: number,
    index: number,
    kind: EntryKind,
    data: Uint8Array,
  ): void {
    const { filling } = this.writer.queue;
    const at = filling.take(ENTRY_HEAD_BYTES + data.length);
    putEntryHead(filling.bytes, at, group, generation, term, index, kind, data.length);
    filling.bytes.set(data, at + ENTRY_HEAD_BYTES);
  }

  addReset(group: number, generation: number, index: number, term: number): void {
    const { filling } = this.writer.queue;
    const at = filling.take(RESET_BYTES);
    putReset(filling.bytes, at, group, generation, index, term);
  }

  addBatch(bytes: Uint8Array): number {
    const { filling } = this.writer.queue;
    const at = filling.take(BATCH_HEAD_BYTES + bytes.length);
    const { number } = this.writer.queue;
    putBatchHead(filling.bytes, at, number, bytes.length);
    filling.bytes.set(bytes, at + BATCH_HEAD_BYTES);
    return number;
  }

  flush(done: Appended): void {
    this.writer.flush(done);
  }

  release(coverage: LogCoverage): void {
    // What a log that forgot has left may be needed to find out what.
    if (this.forgotten || this.closing) {
      return;
    }
    this.covered.push(...this.writer.segments.takeCovered(coverage));
    if (!this.isHousekeeping) {
      void this.keepHouse();
    }
  }

  pinnedGroups(): readonly number[] {
    return this.writer.segments.pinnedGroups;
  }

  get position(): number {
    return this.writer.position;
  }

  get openedPosition(): number {
    return this.options.openedPosition;
  }

  get durablePosition(): number {
    return this.writer.durablePosition;
  }

  get bytes(): number {
    return this.covered.reduce((sum, { sizeBytes }) => sum + sizeBytes, this.writer.segments.bytes);
  }

  get failure(): DkvError | undefined {
    return this.writer.failure;
  }

  get isDiskFull(): boolean {
    return this.writer.room.isFull;
  }

  noteFull(): void {
    if (!this.writer.room.isFull && !this.closing) {
      this.writer.room.noteFull();
    }
  }

  acceptEnd(): Promise<void> {
    this.forgotten = undefined;
    return this.noteEndFinally();
  }

  close(): Promise<void> {
    return (this.closing ??= this.closeOnce());
  }

  private async closeOnce(): Promise<void> {
    this.timer?.cancel();
    try {
      await this.writer.close();
      await this.noteEndFinally();
    } finally {
      await this.housekeeping;
      await this.note.close();
    }
  }

  /** Of the segments whose files are there. */
  private get oldestStart(): number {
    return (this.covered[0] ?? this.writer.segments.all[0]!).start;
  }

  private tickLater(): void {
    this.timer = this.options.clock.schedule(this.options.tickMs, () => void this.tick());
  }

  private async tick(): Promise<void> {
    await this.writer.probe();
    await this.keepHouse();
    if (!this.closing) {
      this.tickLater();
    }
  }

  /** Notes the end and deletes what is covered; what fails is tried again at the next tick. */
  private async keepHouse(): Promise<void> {
    if (this.closing) {
      return;
    }
    this.isHousekeeping = true;
    try {
      await this.inTurn(async () => {
        if (this.covered.length > 0) {
          await this.deleteCovered();
        } else if (this.notedPosition < this.writer.durablePosition) {
          await this.noteEnd(this.options.durability === 'fsync');
        }
      });
      this.warned = undefined;
    } catch (error) {
      this.warnOnce(
        `Noting the end of the log in ${this.options.files.where}, or deleting of it, failed`,
        error,
      );
    } finally {
      this.isHousekeeping = false;
    }
  }

  private async noteEndFinally(): Promise<void> {
    try {
      await this.inTurn(() => this.noteEnd(true));
    } catch (error) {
      throw noteFailed(this.options.files.where, error);
    }
  }

  private async noteEnd(sync: boolean, begin = this.oldestStart): Promise<void> {
    if (this.forgotten || this.writer.segments.all.length === 0) {
      return;
    }
    const { durablePosition, durableCrc } = this.writer;
    await this.note.write({ position: durablePosition, crc: durableCrc, begin, forgot: false }, { sync });
    this.notedPosition = durablePosition;
  }

  /**
   * Oldest first, and only after the note says durably that the log begins behind them: whatever part of the deletions a
   * crash leaves, none of it looks like a missing segment. What the next segment begins with is synced before, also under
   * `wal`: it has the votes.
   */
  private async deleteCovered(): Promise<void> {
    const { files } = this.options;
    // What a release during this adds is for the next time: the note does not speak of it.
    const deletable = this.covered.length;
    const next = this.writer.segments.all[0]!;
    const first = await files.open(next.name);
    try {
      await syncedFinally(synced(first));
    } catch (error) {
      this.writer.refuse(error);
      throw error;
    } finally {
      await first.close();
    }
    await this.noteEnd(true, next.start);
    for (let deleted = 0; deleted < deletable; deleted++) {
      await removeIfThere(files, this.covered[0]!.name);
      this.covered.shift();
    }
    await folderSynced(files);
  }

  private inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.housekeeping.then(work);
    this.housekeeping = turn.catch(() => undefined);
    return turn;
  }

  private warnOnce(what: string, error: unknown): void {
    const message = `${what}: ${messageOf(error)}`;
    if (message !== this.warned) {
      this.warned = message;
      this.options.logger.warn(message);
    }
  }
}

async function removeIfThere(files: LogFiles, name: string): Promise<void> {
  try {
    await files.remove(name);
  } catch (error) {
    if (!isMissing(error)) {
      throw error;
    }
  }
}
