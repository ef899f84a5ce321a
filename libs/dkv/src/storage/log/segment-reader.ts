/** Reads a segment as a stream: whole appends one after the other, up to the first that is not whole. */
import { Buffer } from 'node:buffer';
import { type LogFile } from './log-files.js';
import { appendBytesAt, checkedCrc, HEADER_BYTES, isOtherVersion, previousCrcOf } from './log-records.js';

const CHUNK_BYTES = 1024 * 1024;

export interface ReadAppend {
  /** Header and records; only until the next one is read. */
  readonly bytes: Buffer;
  readonly position: number;
  readonly crc: number;
  readonly previousCrc: number;
}

/** A window of the file, which grows only for an append larger than itself. */
export class SegmentReader {
  private window = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  /** Offset in the file of the window's first byte, and how many bytes it has. */
  private windowAt = 0;
  private windowBytes = 0;
  /** Offset in the file of what is read next: the end of the last whole append. */
  offset = 0;

  constructor(
    private readonly file: LogFile,
    /** Position of the file's first byte. */
    private readonly start: number,
    private readonly fileBytes: number,
  ) {}

  /** The append at `offset`; undefined when there is no whole one that follows the append with that CRC, if one is given. */
  async next(previousCrc?: number): Promise<ReadAppend | undefined> {
    const append = await this.at(this.offset);
    if (append === undefined || (previousCrc !== undefined && append.previousCrc !== previousCrc)) {
      return undefined;
    }
    this.offset += append.bytes.length;
    return append;
  }

  /** Whether the segment begins as those of another version of this layout do. */
  async isOtherVersion(): Promise<boolean> {
    return (await this.has(0, HEADER_BYTES)) && isOtherVersion(this.window, 0 - this.windowAt);
  }

  /** Whether a whole append begins anywhere behind `offset`: then what is there is no torn end. */
  async findsAppendBehind(): Promise<boolean> {
    const last = this.fileBytes - HEADER_BYTES;
    for (let offset = this.offset + 1; offset <= last; offset++) {
      // The window moves by half its length a step, not by a byte.
      if (!this.covers(offset, HEADER_BYTES)) {
        await this.has(offset, Math.min(CHUNK_BYTES, this.fileBytes - offset));
      }
      if (
        appendBytesAt(this.window, offset - this.windowAt, this.start + offset) !== undefined &&
        (await this.at(offset))
      ) {
        return true;
      }
    }
    return false;
  }

  private async at(offset: number): Promise<ReadAppend | undefined> {
    if (!(await this.has(offset, HEADER_BYTES))) {
      return undefined;
    }
    const position = this.start + offset;
    const length = appendBytesAt(this.window, offset - this.windowAt, position);
    if (length === undefined || !(await this.has(offset, length))) {
      return undefined;
    }
    const from = offset - this.windowAt;
    const bytes = this.window.subarray(from, from + length);
    const crc = checkedCrc(bytes);
    return crc === undefined ? undefined : { bytes, position, crc, previousCrc: previousCrcOf(bytes) };
  }

  private covers(offset: number, length: number): boolean {
    return offset >= this.windowAt && offset + length <= this.windowAt + this.windowBytes;
  }

  /** Brings so many bytes into the window; false when the file has not so many. */
  private async has(offset: number, length: number): Promise<boolean> {
    if (this.covers(offset, length)) {
      return true;
    }
    if (offset + length > this.fileBytes) {
      return false;
    }
    if (length > this.window.length) {
      this.window = Buffer.allocUnsafeSlow(length);
    } else if (this.window.length > CHUNK_BYTES && length <= CHUNK_BYTES) {
      this.window = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    }
    this.windowAt = offset;
    this.windowBytes = 0;
    this.windowBytes = await this.file.read(this.window, offset);
    return this.windowBytes >= length;
  }
}
