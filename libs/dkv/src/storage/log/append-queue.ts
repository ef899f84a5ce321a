/** What waits to be appended: the records being added, and the appends that were flushed while another is written. */
import { type DkvError } from '../../dkv.errors.js';
import { type Appended } from '../../ports/node-log.js';
import { AppendBuffer } from './append-buffer.js';
import { HEADER_BYTES } from './log-records.js';

/** An append of about this size is written before more waits for it: replay reads an append as a whole. */
const APPEND_BYTES_MAX = 4 * 1024 * 1024;
/** One is written, one is filled. */
const SPARE_MAX = 2;

export class AppendQueue {
  /** Where records are added. */
  filling = new AppendBuffer();
  /** Bytes flushed and not settled. */
  pendingBytes = 0;
  /** Why what is being gathered cannot be appended: a part of it was dropped. */
  brokenBy: DkvError | undefined;
  private readonly full: AppendBuffer[] = [];
  private readonly spare: AppendBuffer[] = [];

  /** `numberBase`: the position behind all that is settled. */
  constructor(private numberBase: number) {}

  /**
   * For the record that was added last: above all numbers given before, and not above the position where it will end, so
   * that a restart goes on above it, too.
   */
  get number(): number {
    return this.numberBase + this.pendingBytes + this.unflushedBytes;
  }

  get unflushedBytes(): number {
    return this.filling.end - this.filling.flushedEnd;
  }

  /** Ends what is being gathered. */
  flush(done: Appended): void {
    const { filling } = this;
    this.pendingBytes += this.unflushedBytes;
    filling.flush(done);
    if (filling.end > APPEND_BYTES_MAX) {
      this.full.push(filling);
      this.filling = this.empty();
    }
  }

  /** Drops what is being gathered. */
  discard(): void {
    this.filling.discard();
    this.brokenBy = undefined;
  }

  /** The next append, to be settled when it has ended. */
  take(): AppendBuffer | undefined {
    const full = this.full.shift();
    if (full || this.filling.isEmpty) {
      return full;
    }
    const append = this.filling;
    this.filling = this.empty();
    this.filling.adoptUnflushed(append);
    return append;
  }

  /** Gives whom to tell how it ended. The log is `position` long now. */
  settle(append: AppendBuffer, position: number): Appended[] {
    const { waiting } = append;
    this.pendingBytes -= append.flushedEnd - HEADER_BYTES;
    this.numberBase = Math.max(this.numberBase, position);
    append.clear();
    if (this.spare.length < SPARE_MAX) {
      this.spare.push(append);
    }
    return waiting;
  }

  /**
   * Drops all that waits, and gives whom to tell. What was added and not flushed goes, too, and its flush is to be refused:
   * what it follows is not in the log.
   */
  dropAll(cause: DkvError): Appended[] {
    const dropped = this.full.splice(0).concat(this.filling);
    if (this.unflushedBytes > 0) {
      this.brokenBy = cause;
    }
    this.filling = new AppendBuffer();
    this.pendingBytes = 0;
    return dropped.flatMap(({ waiting }) => waiting);
  }

  private empty(): AppendBuffer {
    return this.spare.pop() ?? new AppendBuffer();
  }
}
