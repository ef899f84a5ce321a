/** Decides when the node's checkpoints are made, and lets the log go behind them. */
import { type DkvError } from '../dkv.errors.js';
import { type Clock, type Timer } from '../ports/clock.js';
import { type Logger } from '../ports/logger.js';
import { type NodeLog } from '../ports/node-log.js';
import { type StoreEngine } from './engines/store-engine.js';
import { type LoggedEngine } from './logged-engine.js';
import { isFullDisk, storageError } from './storage-error.js';
import { type StrongRecords } from './strong/strong-records.js';

/** How often it is looked whether a checkpoint is due by time or by bytes of the log. */
const LOOK_INTERVAL_MS = 1_000;
/** Between attempts while a disk is full; twice as long each time, up to the interval of checkpoints. */
const RETRY_DELAY_MS = 1_000;

export interface CheckpointerOptions {
  readonly logged: LoggedEngine;
  readonly records: StrongRecords;
  readonly log: NodeLog;
  readonly engine: Pick<StoreEngine, 'failure'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The folder, for messages. */
  readonly where: string;
  /** At most so long after the last one, if anything changed. A restart replays what came since. */
  readonly intervalMs: number;
  /** At most so many bytes of the log after the last one. */
  readonly logBytesMax: number;
}

/**
 * Both parts make what they wrote durable in the engine before they resolve; only then does the log learn that it may
 * delete segments (rule 4 of the strong mode). One checkpoint runs at a time.
 */
export class Checkpointer {
  private timer: Timer | undefined;
  private running: Promise<void> | undefined;
  /** The one that begins when the running one has ended. */
  private next: Promise<void> | undefined;
  private isStopped = false;
  private lastMs: number;
  private lastPosition: number;
  private retryAtMs = 0;
  private retryDelayMs = RETRY_DELAY_MS;
  private lastFailure: DkvError | undefined;
  /** As at the last look. */
  private wasFull = false;

  constructor(private readonly options: CheckpointerOptions) {
    this.lastMs = options.clock.monotonic();
    // What a start replayed is of before: it is written with the first one.
    this.lastPosition = options.log.position;
  }

  /**
   * Why the last checkpoint failed, until one succeeds: `DKV_STORAGE_FAILED`, or the log's. A full disk passes; after a
   * failed write or sync, what the disk has is not known, and no other is made until a restart.
   */
  get failure(): DkvError | undefined {
    return this.lastFailure;
  }

  /** Since the last one, while something was appended since; 0 else. */
  get ageMs(): number {
    const { log, clock } = this.options;
    return log.position > this.lastPosition ? clock.monotonic() - this.lastMs : 0;
  }

  start(): void {
    this.timer = this.options.clock.schedule(LOOK_INTERVAL_MS, () => {
      const { isDiskFull } = this.options.log;
      // At once when the disk becomes full: other nodes still have their entries written here, and it frees what they take.
      if ((isDiskFull && !this.wasFull) || this.isDue()) {
        this.ask();
      }
      this.wasFull = isDiskFull;
      this.start();
    });
  }

  /** Asks for a checkpoint as soon as possible, and does not wait for it. For `onCheckpointDue`. */
  ask(): void {
    if (!this.isStopped && !this.next && this.options.clock.monotonic() >= this.retryAtMs) {
      // It was logged, and is told by `failure`.
      this.run().catch(() => undefined);
    }
  }

  /**
   * Writes all that changed before the call, makes it durable, lets the log go.
   * @throws DkvError see {@link failure}
   */
  run(): Promise<void> {
    if (!this.running) {
      this.running = this.checkpoint().finally(() => (this.running = undefined));
      return this.running;
    }
    // What changed since the running one began may not be in it.
    this.next ??= this.running
      .catch(() => undefined)
      .then(() => {
        this.next = undefined;
        return this.run();
      });
    return this.next;
  }

  /** Makes a last checkpoint, unless none can be made. @throws DkvError see {@link failure} */
  async stop(): Promise<void> {
    this.timer?.cancel();
    this.isStopped = true;
    await this.run();
  }

  private isDue(): boolean {
    const { clock, intervalMs, log, logBytesMax } = this.options;
    return (
      this.lastFailure !== undefined ||
      log.position - this.lastPosition >= logBytesMax ||
      (log.position > this.lastPosition && clock.monotonic() - this.lastMs >= intervalMs)
    );
  }

  private async checkpoint(): Promise<void> {
    const { logged, records, log, engine, clock } = this.options;
    const { position } = log;
    try {
      if (engine.failure) {
        // Also where nothing is to be written: it may have met somebody else's batch.
        throw engine.failure;
      }
      await logged.checkpoint();
      await records.checkpoint();
    } catch (error) {
      throw this.failed(error);
    }
    this.lastFailure = undefined;
    this.retryAtMs = 0;
    this.retryDelayMs = RETRY_DELAY_MS;
    this.lastMs = clock.monotonic();
    this.lastPosition = position;
    const { states } = records;
    log.release({
      indexOf: (group) => states.get(group)?.applied ?? 0,
      batchesUpTo: logged.coveredUpTo,
    });
  }

  private failed(cause: unknown): DkvError {
    const { clock, intervalMs, log, engine, logger, where } = this.options;
    const error = storageError(`Writing a checkpoint to ${where}`, cause);
    if (isFullDisk(error)) {
      log.noteFull();
    }
    const outlook = engine.failure
      ? 'No other is made until this node is started again: mend the storage.'
      : 'It is tried again: make room, or raise the limit that it names.';
    if (this.lastFailure?.message !== error.message) {
      logger.error(
        `${error.message} ${outlook} Until then changes are kept in memory and in the log, as far as they fit.`,
      );
    }
    this.retryAtMs = clock.monotonic() + this.retryDelayMs;
    this.retryDelayMs = Math.min(2 * this.retryDelayMs, intervalMs);
    this.lastFailure = error;
    return error;
  }
}
