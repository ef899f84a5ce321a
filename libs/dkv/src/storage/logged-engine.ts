/** A store engine whose batches become durable in the node's log and reach the real engine by checkpoints. */
import { Buffer } from 'node:buffer';
import { DkvError } from '../dkv.errors.js';
import { SortedEntries } from './sorted-entries.js';
import {
  type StoreEngine,
  type StoreEntry,
  type StoreOperation,
  type StoreRange,
} from './engines/store-engine.js';
import { type NodeLog } from '../ports/node-log.js';
import { decodeBatch, encodeBatch } from './batch-layout.js';
import { storageError } from './storage-error.js';
import { COVERAGE_KEY, decodeCoverage, encodeCoverage } from './strong/strong-keys.js';

/** An operation costs up to 3 µs on its way into the engine, so this is about 1 ms. */
const OPERATIONS_PER_TURN = 256;
/** Entries that an iteration takes out of a layer at a time. */
const PAGE = 128;
/** What an entry of a layer takes beside its bytes, about: its key as text, twice in a table, and a view. */
const ENTRY_BYTES = 250;
/** Stands for a value in a layer: the key is deleted, whatever lies below. */
const DELETED = new Uint8Array(0);

export interface LoggedEngineOptions {
  /** Shared with others; closed by `close`. */
  readonly engine: StoreEngine;
  readonly log: NodeLog;
  /** The folder, for messages. */
  readonly where: string;
  /** Of batches that no checkpoint has: one more is refused. */
  readonly overlayBytesMax: number;
  /** From so many bytes on, `onCheckpointDue` is called, once until the next checkpoint. */
  readonly checkpointBytes: number;
  readonly onCheckpointDue: () => void;
}

/** Batches in memory, by key. It keeps the bytes of the batches themselves, so `bytes` counts those in full. */
class Layer {
  readonly entries = new SortedEntries();
  bytes = 0;

  apply(batch: Uint8Array): void {
    this.bytes += batch.length;
    decodeBatch(
      batch,
      (key, value) => this.set(key, value),
      (key) => this.set(key, DELETED),
    );
  }

  private set(key: Uint8Array, value: Uint8Array): void {
    this.bytes += ENTRY_BYTES;
    this.entries.set(key, value);
  }

  *within({ from, to }: StoreRange): Generator<StoreEntry> {
    let page = this.entries.page(from, false, to, PAGE);
    while (page.length > 0) {
      const last = page.at(-1)!.key;
      yield* page;
      page = this.entries.page(last, true, to, PAGE);
    }
  }
}

/**
 * `batch` resolves when the log has made it durable, by the log's own durability and whatever `sync` asks for. A crash
 * between two slices of a checkpoint leaves some keys newer than the position that the engine remembers; replaying all
 * batches behind it, in order, ends in the right state, and nobody reads before that.
 *
 * Errors: the log's `DKV_READ_ONLY` and `DKV_STORAGE_FAILED`; `DKV_OVERLOADED` when too much waits for a checkpoint.
 */
export class LoggedEngine implements StoreEngine {
  readonly name: string;
  readonly syncsEarlier = true;
  readonly nextTurn?: () => Promise<void>;
  /** New batches go here. */
  private top = new Layer();
  /** What a checkpoint is writing, or could not write: below `top`, above the engine. */
  private sealed: { readonly layer: Layer; readonly upTo: number } | undefined;
  private appliedUpTo: number;
  private pendingBytes = 0;
  private readonly pending = new Set<Promise<void>>();
  private last: Promise<unknown> = Promise.resolve();
  private dueAtBytes: number;
  private isClosed = false;

  private constructor(
    private readonly options: LoggedEngineOptions,
    private covered: number,
  ) {
    const { engine } = options;
    this.name = engine.name;
    this.appliedUpTo = covered;
    this.dueAtBytes = options.checkpointBytes;
    if (engine.nextTurn) {
      this.nextTurn = engine.nextTurn.bind(engine);
    }
  }

  /** @throws DkvError `DKV_STORAGE_FAILED`, `DKV_CORRUPT_RECORD` when the position it covers cannot be read */
  static async open(options: LoggedEngineOptions): Promise<LoggedEngine> {
    const { engine, where } = options;
    const bytes = await engine.get(COVERAGE_KEY).catch((error: unknown) => {
      throw storageError(`Reading from ${where}`, error);
    });
    return new LoggedEngine(options, bytes ? decodeCoverage(bytes, where) : 0);
  }

  /** The position in the log up to which batches are durable in the engine. */
  get coveredUpTo(): number {
    return this.covered;
  }

  /** Of batches that no checkpoint has. */
  get overlayBytes(): number {
    return this.top.bytes + (this.sealed?.layer.bytes ?? 0) + this.pendingBytes;
  }

  /** What the log holds, in its order, before anything is read or written here. `bytes` only until this returns. */
  replayBatch(position: number, bytes: Uint8Array): void {
    if (position > this.covered) {
      this.top.apply(Uint8Array.from(bytes));
      this.appliedUpTo = position;
    }
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    const found = this.opened().top.entries.get(key) ?? this.sealed?.layer.entries.get(key);
    if (found) {
      return found === DELETED ? undefined : Uint8Array.from(found);
    }
    return this.options.engine.get(key);
  }

  async batch(operations: readonly StoreOperation[]): Promise<void> {
    const { log } = this.opened().options;
    if (operations.length === 0) {
      return;
    }
    this.assertRoom();
    const bytes = encodeBatch(operations);
    const position = log.addBatch(bytes);
    this.pendingBytes += bytes.length;
    const durable = new Promise<void>((resolve, reject) =>
      log.flush((error) => {
        this.pendingBytes -= bytes.length;
        if (error) {
          reject(error);
          return;
        }
        this.top.apply(bytes);
        this.appliedUpTo = position;
        this.askForCheckpoint(this.dueAtBytes);
        resolve();
      }),
    );
    this.pending.add(durable);
    try {
      await durable;
    } finally {
      this.pending.delete(durable);
    }
  }

  /**
   * Merges the layers as they were at its beginning with the engine from then on: what a checkpoint moves from a layer
   * into the engine is in both, and comes once. Written into newer layers meanwhile, it may be missed.
   */
  async *iterate(range: StoreRange): AsyncGenerator<StoreEntry> {
    const { top, sealed } = this.opened();
    const layers = [top, ...(sealed ? [sealed.layer] : [])].map((layer) => layer.within(range));
    const heads = layers.map((layer) => headOf(layer));
    const engine = this.options.engine.iterate(range)[Symbol.asyncIterator]();
    try {
      let stored = await engine.next();
      for (;;) {
        this.opened();
        let first: Uint8Array | undefined = stored.done ? undefined : stored.value.key;
        for (const head of heads) {
          if (head && (!first || Buffer.compare(head.key, first) < 0)) {
            first = head.key;
          }
        }
        if (!first) {
          return;
        }
        // Newest first; whatever older layers have of the same key is skipped.
        let value: Uint8Array | undefined;
        for (const [at, head] of heads.entries()) {
          if (head && Buffer.compare(head.key, first) === 0) {
            value ??= head.value;
            heads[at] = headOf(layers[at]!);
          }
        }
        const isStored = !stored.done && Buffer.compare(stored.value.key, first) === 0;
        if (value !== DELETED) {
          // The bytes become the reader's, who may change them while the engine's are still compared here.
          yield value
            ? { key: Uint8Array.from(first), value: Uint8Array.from(value) }
            : (stored.value as StoreEntry);
        }
        if (isStored) {
          stored = await engine.next();
        }
      }
    } finally {
      await engine.return?.();
    }
  }

  sizeBytes(): number {
    return this.isClosed ? 0 : this.options.engine.sizeBytes() + this.overlayBytes;
  }

  /**
   * Writes the batches that were durable at the call into the engine, in slices; when it resolves they are durable there,
   * and {@link coveredUpTo} names them. After a failure they are in memory as before, and it may be tried again.
   * @throws DkvError `DKV_STORAGE_FAILED`
   */
  checkpoint(): Promise<void> {
    const run = this.last.then(async () => {
      try {
        // What an earlier one could not write.
        await this.writeSealed();
        if (this.appliedUpTo > this.covered) {
          this.sealed = { layer: this.top, upTo: this.appliedUpTo };
          this.top = new Layer();
          await this.writeSealed();
        }
      } catch (error) {
        throw storageError(`Writing a checkpoint to ${this.options.where}`, error);
      } finally {
        this.dueAtBytes = this.options.checkpointBytes;
      }
    });
    this.last = run.catch(() => undefined);
    return run;
  }

  /** Waits for what is under way, and closes the engine. What no checkpoint has is in the log. */
  async close(): Promise<void> {
    this.isClosed = true;
    await Promise.allSettled(this.pending);
    await this.last;
    await this.options.engine.close();
  }

  private async writeSealed(): Promise<void> {
    if (!this.sealed) {
      return;
    }
    const { engine } = this.options;
    const { layer, upTo } = this.sealed;
    let operations: StoreOperation[] = [];
    for (const { key, value } of layer.within(EVERYTHING)) {
      operations.push(value === DELETED ? { type: 'del', key } : { type: 'put', key, value });
      if (operations.length === OPERATIONS_PER_TURN) {
        await engine.batch(operations, { sync: !engine.syncsEarlier });
        operations = [];
        await engine.nextTurn?.();
      }
    }
    operations.push({ type: 'put', key: COVERAGE_KEY, value: encodeCoverage(upTo) });
    await engine.batch(operations, { sync: true });
    this.covered = upTo;
    this.sealed = undefined;
  }

  private assertRoom(): void {
    const { overlayBytesMax, where } = this.options;
    if (this.overlayBytes >= overlayBytesMax) {
      this.askForCheckpoint(0);
      throw new DkvError(
        'DKV_OVERLOADED',
        `${this.overlayBytes} bytes of batches wait to be written to ${where}; the limit is ${overlayBytesMax}. ` +
          'Try again later, or send less at a time.',
      );
    }
  }

  private askForCheckpoint(fromBytes: number): void {
    if (this.dueAtBytes !== Infinity && this.overlayBytes >= fromBytes) {
      this.dueAtBytes = Infinity;
      this.options.onCheckpointDue();
    }
  }

  private opened(): this {
    if (this.isClosed) {
      throw new DkvError('DKV_NOT_READY', `The store in ${this.options.where} is closed.`);
    }
    return this;
  }
}

/** Behind every key of the store. */
const EVERYTHING: StoreRange = { from: new Uint8Array(0), to: new Uint8Array(64).fill(0xff) };

function headOf(layer: Generator<StoreEntry>): StoreEntry | undefined {
  const step = layer.next();
  return step.done ? undefined : step.value;
}
