/** Appends to the node log: group commit, new segments, and what happens when a write or a sync fails. */
import { Buffer } from 'node:buffer';
import { type DkvError } from '../../dkv.errors.js';
import { type Logger } from '../../ports/logger.js';
import { type Appended, type HardState } from '../../ports/node-log.js';
import { hasFullCode } from '../storage-error.js';
import { type AppendBuffer } from './append-buffer.js';
import { AppendQueue } from './append-queue.js';
import { DiskRoom } from './disk-room.js';
import {
  appendFailed,
  FailedSyncError,
  folderSynced,
  logClosed,
  logOverloaded,
  logReadOnly,
  messageOf,
  passes,
  syncedFinally,
} from './log-errors.js';
import { type LogFile, type LogFiles, synced, written } from './log-files.js';
import { HEADER_BYTES, sealAppend, segmentHead, segmentHeadBytes, walkRecords } from './log-records.js';
import { type ReserveFile } from './reserve-file.js';
import { RetiredFiles } from './retired-files.js';
import { newSegment, type Segments } from './segments.js';

/** `wal`: handed to the kernel, survives the process. `fsync`: on the medium, survives the machine. */
export type LogDurability = 'wal' | 'fsync';

export interface LogWriterOptions {
  readonly files: LogFiles;
  readonly durability: LogDurability;
  readonly logger: Logger;
  readonly segmentBytesMax: number;
  readonly pendingBytesMax: number;
  readonly reserve: ReserveFile;
}

/** Where an opened log goes on. */
export interface LogState {
  readonly segments: Segments;
  readonly hardStates: Map<number, HardState>;
  /** The last segment's; undefined when a new one must be begun. */
  readonly file: LogFile | undefined;
  readonly position: number;
  readonly crc: number;
  /** The next segment begins here at least. */
  readonly floor: number;
}

/**
 * One write, with its sync, at a time. What is flushed meanwhile goes into the next append together: one CRC, one write,
 * one sync (group commit; Gray and Reuter, Transaction Processing, 9.4.7).
 */
export class LogWriter {
  readonly segments: Segments;
  position: number;
  durablePosition: number;
  durableCrc: number;
  failure: DkvError | undefined;
  readonly room: DiskRoom;
  readonly queue: AppendQueue;
  private readonly hardStates: Map<number, HardState>;
  private readonly floor: number;
  private crc: number;
  private file: LogFile | undefined;
  /** An append, a probe or a cut is under way. */
  private busy = false;
  /** The current segment takes no more: bytes that are no whole append could not be cut off, or none could be begun. */
  private mustBegin = false;
  private isFinal = false;
  private closed = false;
  private whenIdle: (() => void)[] = [];
  /** Who was refused while appends are under way: told when those have ended, since ends are told in the log's order. */
  private refused: { readonly done: Appended; readonly why: DkvError }[] = [];
  private readonly retired: RetiredFiles;
  /** The append whose records are being shown to `segments`. */
  private readonly visitor = {
    segment: () => undefined,
    entry: (group: number, generation: number, term: number, index: number) =>
      this.segments.entry(group, generation, term, index),
    hardState: (group: number, state: HardState) => void this.hardStates.set(group, state),
    reset: (group: number, generation: number, index: number) =>
      this.segments.reset(group, generation, index),
    batch: (number: number) => this.segments.batch(number),
  };

  constructor(
    private readonly options: LogWriterOptions,
    state: LogState,
  ) {
    this.segments = state.segments;
    this.hardStates = state.hardStates;
    this.file = state.file;
    this.position = this.durablePosition = state.position;
    this.crc = this.durableCrc = state.crc;
    this.floor = state.floor;
    this.mustBegin = state.floor > state.position;
    this.queue = new AppendQueue(Math.max(state.position, state.floor));
    this.room = new DiskRoom({
      reserve: options.reserve,
      where: options.files.where,
      logger: options.logger,
      isClosed: () => this.closed,
      refuse: (error) => this.refuse(error),
      probe: () => this.probe(),
    });
    this.retired = new RetiredFiles({
      files: options.files,
      unsynced: options.durability === 'wal',
      onFailedSync: (error) => this.refuse(error),
      warn: (message) => options.logger.warn(message),
    });
  }

  flush(done: Appended): void {
    const refusal = this.refusal();
    if (refusal) {
      this.queue.discard();
      if (this.queue.pendingBytes > 0) {
        this.refused.push({ done, why: refusal });
      } else {
        this.tell([done], refusal);
      }
      return;
    }
    this.queue.flush(done);
    if (!this.busy) {
      this.busy = true;
      this.run();
    }
  }

  /** Refuses appends from now on, as after a failed one. */
  refuse(cause: unknown): DkvError {
    const failure = appendFailed(this.options.files.where, cause);
    this.failure = failure;
    this.isFinal ||= !passes(cause);
    this.options.logger.error(failure.message);
    if (hasFullCode(cause)) {
      this.room.noteFull();
    }
    return failure;
  }

  /** Whether appends are possible again after an error that passes: tries one that is empty. */
  async probe(): Promise<void> {
    if (this.isFinal || this.closed) {
      return;
    }
    if (!this.failure) {
      await this.room.look();
      return;
    }
    if (this.busy) {
      return;
    }
    this.busy = true;
    try {
      await this.room.make().catch((error: unknown) => {
        // An empty append may fit where no other does: there must be room for the whole reserve, or that which it had.
        const isForRoom = hasFullCode(this.failure?.cause) && !this.room.isGiven;
        if (isForRoom || !passes(error)) {
          throw error;
        }
      });
      this.room.isGiven = false;
      await (this.mustBegin || !this.file ? this.begin() : this.appendNothing(this.file));
      // A sync in the background may have failed meanwhile.
      if (!this.isFinal) {
        this.failure = undefined;
        this.options.logger.log(`The log in ${this.options.files.where} takes appends again.`);
      }
    } catch (error) {
      const becameFull = !this.isFinal && hasFullCode(error) && !hasFullCode(this.failure?.cause);
      if (becameFull || !passes(error)) {
        this.refuse(error);
      }
    }
    this.run();
  }

  /** Begins a segment; the log goes on in it. */
  async begin(): Promise<void> {
    const { files, durability } = this.options;
    this.mustBegin = true;
    await this.retired.room();
    const segment = newSegment(Math.max(this.position, this.floor));
    const head = segmentHead(this.position, this.hardStates);
    const crc = sealAppend(head, segment.start, this.crc);
    const file = await files.create(segment.name);
    try {
      await written(file, head, 0);
      if (durability === 'fsync') {
        await syncedFinally(synced(file));
        await folderSynced(files);
      }
    } catch (error) {
      await file.close().catch(() => undefined);
      // If it stays, the next attempt replaces it.
      await files.remove(segment.name).catch(() => undefined);
      throw error;
    }
    if (this.file) {
      this.retired.add(this.file);
    }
    this.segments.add(segment);
    this.file = file;
    this.position = segment.start;
    this.advance(head.length, crc);
    this.becameDurable();
    this.mustBegin = false;
  }

  /** Resolves when all appends have ended and everything is synced; nothing is appended after the call. */
  async close(): Promise<void> {
    this.closed = true;
    while (this.busy) {
      await new Promise<void>((resolve) => this.whenIdle.push(resolve));
    }
    await this.retired.settled();
    await this.options.reserve.close();
    try {
      if (this.file && !this.isFinal) {
        await syncedFinally(synced(this.file));
        await folderSynced(this.options.files);
      }
    } catch (error) {
      throw this.refuse(error);
    } finally {
      await this.file?.close();
    }
  }

  /** Appends what waits until nothing does, or until something ends later. `busy` is set. */
  private run(): void {
    for (let append = this.queue.take(); append; append = this.queue.take()) {
      const current = append;
      let isInline = true;
      let hasEnded = false;
      this.append(current, (error) => {
        this.settle(current, error);
        if (isInline) {
          hasEnded = true;
        } else {
          this.run();
        }
      });
      isInline = false;
      if (!hasEnded) {
        return;
      }
    }
    this.busy = false;
    this.whenIdle.splice(0).forEach((resolve) => resolve());
  }

  private append(append: AppendBuffer, ended: Appended): void {
    const length = append.flushedEnd;
    if (length === HEADER_BYTES) {
      ended(undefined);
      return;
    }
    if (this.mustBegin || !this.file || this.isFullWith(length)) {
      this.begin().then(
        () => this.write(append, ended),
        (error: unknown) => this.failed(error, ended),
      );
      return;
    }
    this.write(append, ended);
  }

  private isFullWith(length: number): boolean {
    const { sizeBytes } = this.segments.current;
    return sizeBytes + length > this.options.segmentBytesMax && sizeBytes > segmentHeadBytes(this.hardStates);
  }

  private write(append: AppendBuffer, ended: Appended): void {
    const file = this.file!;
    const bytes = append.bytes.subarray(0, append.flushedEnd);
    const crc = sealAppend(bytes, this.position, this.crc);
    file.write(bytes, this.segments.current.sizeBytes, (error) => {
      if (error) {
        void this.cut(file).then(() => this.failed(error, ended));
        return;
      }
      this.advance(bytes.length, crc);
      if (this.options.durability === 'wal') {
        this.succeeded(bytes, ended);
        return;
      }
      file.sync((failure) =>
        failure ? this.failed(new FailedSyncError(failure), ended) : this.succeeded(bytes, ended),
      );
    });
  }

  private succeeded(bytes: Buffer, ended: Appended): void {
    this.becameDurable();
    walkRecords(bytes, HEADER_BYTES, bytes.length, this.visitor);
    ended(undefined);
  }

  private failed(cause: unknown, ended: Appended): void {
    ended(this.refuse(cause));
  }

  /** The file back to its last whole append; else no more goes into it, and readers stop where the next segment begins. */
  private async cut(file: LogFile): Promise<void> {
    try {
      await file.truncate(this.segments.current.sizeBytes);
    } catch {
      this.mustBegin = true;
    }
  }

  private async appendNothing(file: LogFile): Promise<void> {
    const bytes = Buffer.alloc(HEADER_BYTES);
    const crc = sealAppend(bytes, this.position, this.crc);
    try {
      await written(file, bytes, this.segments.current.sizeBytes);
    } catch (error) {
      await this.cut(file);
      throw error;
    }
    this.advance(bytes.length, crc);
    if (this.options.durability === 'fsync') {
      await syncedFinally(synced(file));
    }
    this.becameDurable();
  }

  private advance(bytes: number, crc: number): void {
    this.segments.current.sizeBytes += bytes;
    this.position += bytes;
    this.crc = crc;
  }

  private becameDurable(): void {
    this.durablePosition = this.position;
    this.durableCrc = this.crc;
  }

  private settle(append: AppendBuffer, error: DkvError | undefined): void {
    const waiting = this.queue.settle(append, this.position);
    // It may also be a sync in the background that failed meanwhile.
    const { failure } = this;
    const refused = failure ? this.queue.dropAll(failure) : [];
    this.tell(waiting, error);
    this.tell(refused, failure && logReadOnly(failure));
    if (this.queue.pendingBytes === 0) {
      this.refused.splice(0).forEach(({ done, why }) => this.tell([done], why));
    }
  }

  /** What a callback throws is its caller's fault, and must not keep the others from being told. */
  private tell(waiting: readonly Appended[], error: DkvError | undefined): void {
    for (const done of waiting) {
      try {
        done(error);
      } catch (thrown) {
        this.options.logger.error(`A callback of the log threw: ${messageOf(thrown)}`);
      }
    }
  }

  private refusal(): DkvError | undefined {
    const { files, pendingBytesMax } = this.options;
    const { pendingBytes, unflushedBytes, brokenBy } = this.queue;
    if (this.closed) {
      return logClosed(files.where);
    }
    const failure = this.failure ?? brokenBy;
    if (failure) {
      return logReadOnly(failure);
    }
    const [first] = this.refused;
    if (first) {
      // What was dropped with it comes before this, and may be a part of it.
      return first.why;
    }
    // Alone, an append of any size goes: it would never fit otherwise.
    const isTooMuch = pendingBytes > 0 && pendingBytes + unflushedBytes > pendingBytesMax;
    return isTooMuch ? logOverloaded(files.where, pendingBytes, pendingBytesMax) : undefined;
  }
}
