/** A store in memory that counts, stalls and fails as a test says, and keeps its data when it is closed. */
import { MemoryStoreEngine } from '../src/storage/engines/memory-store-engine.js';
import { type BatchOptions, type StoreOperation } from '../src/storage/engines/store-engine.js';

export class FaultyStoreEngine extends MemoryStoreEngine {
  readonly batches: { readonly operations: readonly StoreOperation[]; readonly sync: boolean }[] = [];
  /** What batches fail with, from the one with the number `failFrom` on. */
  error: Error | undefined;
  failFrom = 0;
  /** Batches and reads wait for these before they do anything. */
  stall: Promise<void> | undefined;
  readStall: Promise<void> | undefined;
  reads = 0;

  constructor(override readonly syncsEarlier = true) {
    super();
  }

  override async batch(operations: readonly StoreOperation[], options?: BatchOptions): Promise<void> {
    await this.stall;
    if (this.error && this.batches.length >= this.failFrom) {
      throw this.error;
    }
    this.batches.push({ operations: operations.map(copyOf), sync: options?.sync === true });
    await super.batch(operations);
  }

  /** What is there when it is called, told when the stall is over. */
  override async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    this.reads++;
    const found = super.get(key);
    await this.readStall;
    return found;
  }

  override async close(): Promise<void> {}

  /** As the disk of a process that was killed: no batch ends here any more. */
  async survivor(): Promise<FaultyStoreEngine> {
    this.error = new Error('killed');
    this.failFrom = 0;
    const engine = new FaultyStoreEngine(this.syncsEarlier);
    const everything = { from: new Uint8Array(0), to: new Uint8Array(64).fill(0xff) };
    const operations: StoreOperation[] = [];
    for await (const { key, value } of this.iterate(everything)) {
      operations.push({ type: 'put', key, value });
    }
    await engine.batch(operations);
    engine.batches.length = 0;
    return engine;
  }
}

/** Bytes that are given may be used again. */
function copyOf(operation: StoreOperation): StoreOperation {
  const bytesOf = (bytes: Uint8Array) =>
    Buffer.isBuffer(bytes) ? Buffer.from(bytes) : Uint8Array.from(bytes);
  const key = bytesOf(operation.key);
  return operation.type === 'put'
    ? { type: 'put', key, value: bytesOf(operation.value) }
    : { type: 'del', key };
}
