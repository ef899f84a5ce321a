/** The bytes of the next append, gathered in one growing buffer that is used again. */
import { Buffer } from 'node:buffer';
import { type Appended } from '../../ports/node-log.js';
import { HEADER_BYTES } from './log-records.js';

const FIRST_BYTES = 64 * 1024;
/** A buffer that grew beyond this for one large turn is not kept. */
const KEPT_BYTES_MAX = 8 * 1024 * 1024;

/** Room for the header, then records up to `end`; those up to `flushedEnd` belong to the append. */
export class AppendBuffer {
  bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  end = HEADER_BYTES;
  flushedEnd = HEADER_BYTES;
  /** Whom to tell how the append ended, in order. */
  waiting: Appended[] = [];

  /** Makes room for so many bytes behind `end`; gives where they begin. */
  take(length: number): number {
    const at = this.end;
    const end = at + length;
    if (end > this.bytes.length) {
      this.grow(end);
    }
    this.end = end;
    return at;
  }

  /** Drops what was added since the last flush. */
  discard(): void {
    this.end = this.flushedEnd;
  }

  flush(done: Appended): void {
    this.flushedEnd = this.end;
    this.waiting.push(done);
  }

  get isEmpty(): boolean {
    return this.waiting.length === 0;
  }

  /** Takes over what `other` holds behind its last flush. */
  adoptUnflushed(other: AppendBuffer): void {
    const at = this.take(other.end - other.flushedEnd);
    other.bytes.copy(this.bytes, at, other.flushedEnd, other.end);
    other.discard();
  }

  clear(): void {
    this.end = this.flushedEnd = HEADER_BYTES;
    this.waiting = [];
    if (this.bytes.length > KEPT_BYTES_MAX) {
      this.bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
    }
  }

  private grow(needed: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.bytes.length));
    this.bytes.copy(grown, 0, 0, this.end);
    this.bytes = grown;
  }
}
