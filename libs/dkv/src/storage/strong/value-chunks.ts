/** Memory of values: packed into chunks, with an exact count of the bytes that they keep from being freed. */

/** Some forty values of 100 bytes; one of them that stays keeps as much memory as all. */
const CHUNK_BYTES = 4 * 1024;
/** A larger value has a chunk of its own. */
const PACKED_BYTES_MAX = 1024;

export interface ValueChunk {
  readonly bytes: Buffer;
  used: number;
  live: number;
}

/**
 * A buffer of its own takes 345 bytes for a value of 100, and a view of a received message keeps all of the message: one
 * cold value of each message that hot keys came in would keep gigabytes. So values are copied here, and `bytes` counts
 * whole chunks for as long as one value in them is in use.
 */
export class ValueChunks {
  private current: ValueChunk | undefined;
  private total = 0;

  /** Of all chunks with a value in use. */
  get bytes(): number {
    return this.total;
  }

  /** A chunk with room for so many bytes, which the next {@link copy} puts there. */
  chunkFor(valueBytes: number): ValueChunk {
    if (valueBytes > PACKED_BYTES_MAX) {
      return this.made(valueBytes);
    }
    if (!this.current || this.current.used + valueBytes > CHUNK_BYTES) {
      const last = this.current;
      this.current = this.made(CHUNK_BYTES);
      // It counted as in use for as long as values could be put into it.
      if (last) {
        this.release(last);
      }
      this.current.live = 1;
    }
    return this.current;
  }

  /** Copies the value's bytes into the chunk; gives where they begin. They are in use until `release(chunk)`. */
  copy(value: Uint8Array, chunk: ValueChunk): number {
    const start = chunk.used;
    chunk.bytes.set(value, start);
    chunk.used += value.length;
    chunk.live++;
    return start;
  }

  release(chunk: ValueChunk): void {
    chunk.live--;
    if (chunk.live === 0) {
      this.total -= chunk.bytes.length;
    }
  }

  private made(size: number): ValueChunk {
    this.total += size;
    return { bytes: Buffer.allocUnsafeSlow(size), used: 0, live: 0 };
  }
}
