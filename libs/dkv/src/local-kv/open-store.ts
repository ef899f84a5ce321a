/** An open engine with what must stay in step with its records: the hash trees and the counters. */
import { DkvError } from '../dkv.errors.js';
import { type Logger } from '../ports/logger.js';
import { GroupCommit, type GroupWrite } from './group-commit.js';
import { HashTrees, type StagedDigests } from './hash-trees.js';
import { TOTALS_KEY, TREE_RANGE } from './storage-keys.js';
import { type EngineOperation, type EngineRange, type StoreEngine } from './store-engine.js';

/** Counted as records come and go and stored with them, so that no start has to scan. */
export interface StoreTotals {
  readonly keys: number;
  readonly tombstones: number;
  readonly hintBytes: number;
}

/** What a batch will hold. Each write of the group adds its part, in order. */
export class BatchDraft {
  readonly operations: EngineOperation[] = [];
  keys = 0;
  tombstones = 0;
  hintBytes = 0;

  constructor(readonly digests: StagedDigests) {}

  put(key: Buffer, value: Uint8Array): void {
    this.operations.push({ type: 'put', key, value });
  }

  delete(key: Buffer): void {
    this.operations.push({ type: 'del', key });
  }
}

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
  readonly logger: Logger | undefined;
}

const TOTALS_BYTES = 24;

export class OpenStore {
  private readonly writes: GroupCommit<StoreWrite>;
  private closing = false;

  private constructor(
    private readonly engine: StoreEngine,
    private readonly options: OpenStoreOptions,
    private readonly trees: HashTrees,
    private currentTotals: StoreTotals,
    private bytes: number,
  ) {
    this.writes = new GroupCommit((group) => this.commit(group), {
      ...options,
      onFailure: ({ message }) => options.logger?.error(message),
    });
  }

  /**
   * Reads trees and counters from an open engine; does not close it when that fails.
   * @throws DkvError `DKV_STORAGE_FAILED`, `DKV_CORRUPT_RECORD`
   */
  static async load(engine: StoreEngine, partitions: number, options: OpenStoreOptions): Promise<OpenStore> {
    try {
      const trees = new HashTrees(partitions);
      for await (const [key, value] of engine.iterate(TREE_RANGE)) {
        trees.load(key, value, options.where);
      }
      const totals = totalsIn(await engine.get(TOTALS_KEY), options.where);
      return new OpenStore(engine, options, trees, totals, await engine.approximateBytes());
    } catch (error) {
      throw readFailure(options.where, error);
    }
  }

  get engineName(): string {
    return this.engine.name;
  }

  get totals(): StoreTotals {
    return this.currentTotals;
  }

  get failure(): DkvError | undefined {
    return this.writes.failure;
  }

  /** Bytes taken, as it was known last; being asked makes it look again. */
  get storageBytes(): number {
    this.engine.approximateBytes().then(
      (bytes) => (this.bytes = bytes),
      // It stays as it was: a gauge is no reason to fail.
      () => undefined,
    );
    return this.bytes;
  }

  digests(partition: number): string[] {
    return this.trees.digests(partition);
  }

  /** @throws DkvError `DKV_READ_ONLY`, `DKV_OVERLOADED` when a write would be refused now. */
  assertAccepting(): void {
    this.writes.assertAccepting();
  }

  /** @throws DkvError `DKV_STORAGE_FAILED`, `DKV_READ_ONLY`, `DKV_OVERLOADED` */
  write(write: StoreWrite): Promise<void> {
    return this.writes.submit(write);
  }

  /** @throws DkvError `DKV_STORAGE_FAILED` */
  async get(key: Buffer): Promise<Uint8Array | undefined> {
    try {
      return await this.engine.get(key);
    } catch (error) {
      throw this.readError(error);
    }
  }

  /** @throws DkvError `DKV_STORAGE_FAILED` */
  async *entries(range: EngineRange): AsyncGenerator<readonly [Buffer, Uint8Array]> {
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
    const draft = new BatchDraft(this.trees.stage());
    for (const write of group) {
      write.addTo(draft);
    }
    const { keys, tombstones, hintBytes } = this.currentTotals;
    const totals: StoreTotals = {
      keys: keys + draft.keys,
      tombstones: tombstones + draft.tombstones,
      hintBytes: hintBytes + draft.hintBytes,
    };
    draft.operations.push(...draft.digests.operations());
    if (draft.keys !== 0 || draft.tombstones !== 0 || draft.hintBytes !== 0) {
      draft.put(TOTALS_KEY, totalsBytes(totals));
    }
    if (draft.operations.length > 0) {
      await this.engine.batch(draft.operations, { sync: this.options.sync });
    }
    draft.digests.commit();
    this.currentTotals = totals;
    for (const write of group) {
      write.committed?.();
    }
  }
}

function totalsBytes({ keys, tombstones, hintBytes }: StoreTotals): Buffer {
  const bytes = Buffer.allocUnsafe(TOTALS_BYTES);
  bytes.writeDoubleBE(keys, 0);
  bytes.writeDoubleBE(tombstones, 8);
  bytes.writeDoubleBE(hintBytes, 16);
  return bytes;
}

function totalsIn(bytes: Uint8Array | undefined, where: string): StoreTotals {
  if (!bytes) {
    return { keys: 0, tombstones: 0, hintBytes: 0 };
  }
  if (bytes.byteLength !== TOTALS_BYTES) {
    throw new DkvError(
      'DKV_CORRUPT_RECORD',
      `The counters in ${where} are damaged. Remove this node's data folder so that it refills from its replicas.`,
    );
  }
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { keys: view.readDoubleBE(0), tombstones: view.readDoubleBE(8), hintBytes: view.readDoubleBE(16) };
}

function readFailure(where: string, cause: unknown): DkvError {
  if (cause instanceof DkvError) {
    return cause;
  }
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new DkvError('DKV_STORAGE_FAILED', `Reading from ${where} failed: ${reason}.`, { cause });
}
