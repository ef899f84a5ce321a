/** Finds the frames in the pieces that a socket gives: whole ones where they lie, cut ones put together. */
import { Buffer } from 'node:buffer';
import { malformed } from '../../model/byte-reader.js';
import { BODY_BYTES_MAX, FRAME, HEAD_BYTES } from './frame-layout.js';

const NOTHING = Buffer.alloc(0);
/** A cut frame gets its memory at once up to here; past it, never more than twice what has come in of it. */
const TRUSTED_BYTES = 64 * 1024;

/**
 * A cursor and not an iterator of objects: most frames are views of what was read, and an object for each would cost as
 * much as reading it.
 */
export class FrameSplitter {
  /** Of the frame that `next` found: its body is from `start` to before `end` of `bytes`. */
  type = 0;
  bytes: Buffer = NOTHING;
  start = 0;
  end = 0;

  private readonly chunks: Buffer[] = [];
  private chunk: Buffer = NOTHING;
  private at = 0;

  /** Whether the frame that is looked at is gathered, since a chunk ended inside it. */
  private isCut = false;
  private readonly head = Buffer.alloc(HEAD_BYTES);
  private headBytes = 0;
  private body: Buffer = NOTHING;
  private bodyBytes = 0;

  /** `postBytesMax`: of the body of a POST. */
  constructor(private readonly postBytesMax: number) {}

  /** Keeps `chunk`, whose memory nobody changes any more. */
  add(chunk: Buffer): void {
    this.chunks.push(chunk);
  }

  /** Whether there are bytes that `next` has not looked at. */
  get isLeft(): boolean {
    return this.at < this.chunk.length || this.chunks.length > 0;
  }

  /**
   * Whether there is one more whole frame, which then is what the fields tell.
   * @throws DkvError `DKV_PROTOCOL` for a frame that is longer than its type may be
   */
  next(): boolean {
    for (;;) {
      if (this.at >= this.chunk.length) {
        const chunk = this.chunks.shift();
        if (!chunk) {
          this.chunk = NOTHING;
          this.at = 0;
          return false;
        }
        this.chunk = chunk;
        this.at = 0;
      }
      if (this.isCut ? this.gather() : this.find()) {
        return true;
      }
    }
  }

  /** A frame that lies whole in the chunk; if it does not, what there is of it is gathered from now on. */
  private find(): boolean {
    const { chunk, at } = this;
    if (chunk.length - at >= HEAD_BYTES) {
      const length = chunk.readUInt32BE(at);
      const type = chunk[at + 4]!;
      this.assertLength(type, length);
      const end = at + HEAD_BYTES + length;
      if (end <= chunk.length) {
        this.type = type;
        this.bytes = chunk;
        this.start = at + HEAD_BYTES;
        this.end = end;
        this.at = end;
        return true;
      }
    }
    this.isCut = true;
    this.headBytes = 0;
    this.bodyBytes = 0;
    this.body = NOTHING;
    return false;
  }

  private gather(): boolean {
    if (this.headBytes < HEAD_BYTES) {
      this.headBytes += this.copyTo(this.head, this.headBytes, HEAD_BYTES);
      if (this.headBytes < HEAD_BYTES) {
        return false;
      }
    }
    const length = this.head.readUInt32BE(0);
    const type = this.head[4]!;
    if (this.bodyBytes === 0) {
      this.assertLength(type, length);
    }
    const there = Math.min(length, this.bodyBytes + this.chunk.length - this.at);
    if (there > this.body.length) {
      const grown = Buffer.allocUnsafeSlow(Math.min(length, Math.max(TRUSTED_BYTES, 2 * there)));
      this.body.copy(grown, 0, 0, this.bodyBytes);
      this.body = grown;
    }
    this.bodyBytes += this.copyTo(this.body, this.bodyBytes, length);
    if (this.bodyBytes < length) {
      return false;
    }
    this.isCut = false;
    this.type = type;
    this.bytes = this.body;
    this.start = 0;
    this.end = length;
    this.body = NOTHING;
    return true;
  }

  /** Takes of the chunk what `target` lacks between `from` and `to`; how many bytes that were. */
  private copyTo(target: Buffer, from: number, to: number): number {
    const copied = this.chunk.copy(target, from, this.at, Math.min(this.chunk.length, this.at + to - from));
    this.at += copied;
    return copied;
  }

  private assertLength(type: number, length: number): void {
    const max = type === FRAME.POST ? this.postBytesMax : BODY_BYTES_MAX;
    if (length > max) {
      throw malformed(`a frame of type ${type} has ${length} bytes where at most ${max} are allowed`);
    }
  }
}
