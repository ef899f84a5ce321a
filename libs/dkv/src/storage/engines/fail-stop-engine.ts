/** An engine that takes no batch any more after one whose failure does not pass. */
import { isPassing } from '../storage-error.js';
import {
  type BatchOptions,
  type StoreEngine,
  type StoreEntry,
  type StoreOperation,
  type StoreRange,
} from './store-engine.js';

/**
 * After a failed sync the operating system may hold for clean what never came to the disk, and report later syncs as done
 * (Rebello et al., Can Applications Recover from fsync Failures?, USENIX ATC 2020): only a new process reads what is there.
 */
export class FailStopEngine implements StoreEngine {
  readonly name: string;
  readonly syncsEarlier: boolean;
  readonly nextTurn: (() => Promise<void>) | undefined;
  private failed: Error | undefined;

  constructor(private readonly engine: StoreEngine) {
    this.name = engine.name;
    this.syncsEarlier = engine.syncsEarlier === true;
    this.nextTurn = engine.nextTurn?.bind(engine);
  }

  get failure(): Error | undefined {
    return this.failed;
  }

  get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.engine.get(key);
  }

  async batch(operations: readonly StoreOperation[], options: BatchOptions): Promise<void> {
    if (this.failed) {
      throw this.failed;
    }
    try {
      await this.engine.batch(operations, options);
    } catch (error) {
      if (!isPassing(error)) {
        this.failed ??= error as Error;
      }
      throw error;
    }
    const { failure } = this;
    if (failure) {
      // Begun before another one failed: whether it is durable is not known either.
      throw failure;
    }
  }

  iterate(range: StoreRange): AsyncIterable<StoreEntry> {
    return this.engine.iterate(range);
  }

  sizeBytes(): number {
    return this.engine.sizeBytes();
  }

  close(): Promise<void> {
    return this.engine.close();
  }
}
