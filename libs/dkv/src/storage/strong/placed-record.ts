/** A record of the table in memory, whose value lies in a chunk with others. */
import { type StrongRecord } from '../../ports/strong-store.js';
import { type ValueChunk, type ValueChunks } from './value-chunks.js';

/** A view takes more memory than a value of 100 bytes, and most records are written again before anybody looks at them. */
export class PlacedRecord implements StrongRecord {
  readonly generation: number;
  readonly index: number;
  readonly expiresAtMs: number;
  readonly modifiedMs: number;
  readonly chunk: ValueChunk;
  private readonly start: number;
  private readonly length: number;
  private view: Uint8Array | undefined;

  constructor({ generation, index, expiresAtMs, modifiedMs, value }: StrongRecord, chunks: ValueChunks) {
    this.generation = generation;
    this.index = index;
    this.expiresAtMs = expiresAtMs;
    this.modifiedMs = modifiedMs;
    this.length = value.length;
    this.chunk = chunks.chunkFor(value.length);
    this.start = chunks.copy(value, this.chunk);
    this.view = undefined;
  }

  get value(): Uint8Array {
    return (this.view ??= this.chunk.bytes.subarray(this.start, this.start + this.length));
  }
}
