/** An open engine with what must stay in step with its records: the hash trees and the counters. */
import { DkvError } from '../../dkv.errors.js';
import { UsageCount } from '../../model/usage.js';
import { type Logger } from '../../ports/logger.js';
import { CountersAndDigests } from './counters-and-digests.js';
import { type StoreTotals } from './counters-and-digests-layout.js';
import { type Done, GroupCommit, type GroupWrite } from './group-commit.js';
import { TreeChanges } from './hash-tree.js';
import {
  type StoreEngine,
  type StoreEntry,
  type StoreOperation,
  type StoreRange,
} from '../engines/store-engine.js';

/** What a batch will hold. Each write of the group adds its part, in order. */
export class BatchDraft {
  readonly operations: StoreOperation[] = [];
  readonly tree = new TreeChanges();
  readonly usage = new UsageCount();
  tombstones = 0;
  hintBytes = 0;

  put(key: Uint8Array, value: Uint8Array): void {
    this.operations.push({ type: 'put', key, value });
  }

  delete(key: Uint8Array): void {
    this.operations.push({ type: 'del', key });
  }
}

/** Adds to a batch, and is told when it is durable. */
export interface StoreWrite extends GroupWrite {
  addTo(draft: BatchDraft): void;
  /** The batch is durable: make it visible. Must not throw. */
  committed?(): void;
}

export interface OpenStoreOptions {
  /** The folder, for messages. */
  readonly where: string;
  /** Whether a batch counts when it is on the disk, not only in the operating system's hands. */
  readonly sync: boolean;
  readonly pendingBytesMax: number;
  readonly logger: Logger;
  /** As of {@link GroupCommitLimits.isPassing}. */
  readonly isPassing?: ((cause: unknown) => boolean) | undefined;
}

export class OpenStore {
  private readonly writes: GroupCommit<StoreWrite>;
  private closing = false;

  private constructor(
    private readonly engine: StoreEngine,
    private readonly options: OpenStoreOptions,
    private readonly summary: CountersAndDigests,
  ) {
    this.writes = new GroupCommit((group) => this.commit(group), {
      ...options,
      nextTurn: engine.nextTurn?.bind(engine),
      onFailure: ({ message }) => options.logger.error(message),
      onDoneError: (error) =>
        options.logger.error(`What waited for a write to be stored failed: ${String(error)}`),
    });
  }

  /**
   * Reads trees and counters from an open engine; does not close it when that fails.
   * @throws DkvError `DKV_STORAGE_FAILED`, `DKV_CORRUPT_RECORD`
   */
  static async load(engine: StoreEngine, options: OpenStoreOptions): Promise<OpenStore> {
    try {
      return new OpenStore(engine, options, await CountersAndDigests.load(engine, options.where));
    } catch (error) {
      throw readFailure(options.where, error);
    }
  }

  get totals(): StoreTotals {
    return this.summary.totals;
  }

  get failure(): DkvError | undefined {
    return this.writes.failure;
  }

  get engineName(): string {
    return this.engine.name;
  }

  /** Bytes taken, about. */
  get storageBytes(): number {
    return this.engine.sizeBytes();
  }

  get usedPartitions(): readonly number[] {
    return this.summary.usedPartitions;
  }

  digests(partition: number): string[] {
    return this.summary.digests(partition);
  }

  /** @throws DkvError `DKV_READ_ONLY`, `DKV_OVERLOADED` when a write would be refused now. */
  assertAccepting(): void {
    this.writes.assertAccepting();
  }

  /** @throws DkvError `DKV_STORAGE_FAILED`, `DKV_READ_ONLY`, `DKV_OVERLOADED` */
  write(write: StoreWrite): Promise<void> {
    return new Promise((resolve, reject) =>
      this.submit(write, (error) => (error ? reject(error) : resolve())),
    );
  }

  /** `write`, for who needs no promise of its own. */
  submit(write: StoreWrite, done: Done): void {
    this.writes.submit(write, done);
  }

  /** @throws DkvError `DKV_STORAGE_FAILED` */
  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    try {
      return await this.engine.get(key);
    } catch (error) {
      throw this.readError(error);
    }
  }

  /** @throws DkvError `DKV_STORAGE_FAILED` */
  async *entries(range: StoreRange): AsyncGenerator<StoreEntry> {
    const entries = this.engine.iterate(range)[Symbol.asyncIterator]();
    try {
      for (;;) {
        // Not `for await`: what the consumer throws into its loop is not a failure of the disk.
        const step = await entries.next().catch((error: unknown) => {
          throw this.readError(error);
        });
        if (step.done) {
          return;
        }
        yield step.value;
      }
    } finally {
      await entries.return?.();
    }
  }

  /** Writes what waits, then closes. */
  async close(): Promise<void> {
    await this.writes.drained();
    this.closing = true;
    await this.engine.close();
  }

  private readError(cause: unknown): DkvError {
    const { where } = this.options;
    return this.closing
      ? new DkvError('DKV_NOT_READY', `The store in ${where} was closed.`)
      : readFailure(where, cause);
  }

  /** Records, digests and counters are one batch: after a crash at any moment they fit together. */
  private async commit(group: readonly StoreWrite[]): Promise<void> {
    const draft = new BatchDraft();
    for (const write of group) {
      write.addTo(draft);
    }
    const totals = sumOf(this.summary.totals, draft);
    const isChanged = draft.tree.count > 0 || totals !== this.summary.totals;
    if (isChanged) {
      draft.operations.push(...this.summary.operationsFor(draft.tree, totals));
    }
    if (draft.operations.length > 0) {
      await this.engine.batch(draft.operations, { sync: this.options.sync });
    }
    if (isChanged) {
      this.summary.stored();
    }
    for (const write of group) {
      write.committed?.();
    }
  }
}

/** `totals` itself where nothing changes. */
function sumOf(totals: StoreTotals, { usage, tombstones, hintBytes }: BatchDraft): StoreTotals {
  const more = usage.byNamespace;
  if (more.size === 0 && tombstones === 0 && hintBytes === 0) {
    return totals;
  }
  const sum = new UsageCount(totals.usage);
  sum.addAll(more);
  return {
    usage: sum.byNamespace,
    tombstones: totals.tombstones + tombstones,
    hintBytes: totals.hintBytes + hintBytes,
  };
}

function readFailure(where: string, cause: unknown): DkvError {
  if (cause instanceof DkvError) {
    return cause;
  }
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new DkvError('DKV_STORAGE_FAILED', `Reading from ${where} failed: ${reason}.`, { cause });
}
