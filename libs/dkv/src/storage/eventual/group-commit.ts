/** Group commit: whatever waits goes into one batch, one batch at a time, so that one fsync serves many writes. */
import { DkvError } from '../../dkv.errors.js';

/** A batch of this size costs some 10 ms; more would only make the first in it wait for the last. */
const GROUP_BYTES_MAX = 4 * 1024 * 1024;
/** Writes resolved in a turn: each runs caller code of about 0.1 ms, and timers and sockets would starve. */
const RESOLVED_PER_TURN = 32;

export interface GroupWrite {
  /** What it will take in the batch, about. */
  readonly bytes: number;
}

export interface GroupCommitLimits {
  readonly pendingBytesMax: number;
  /** The folder, for messages. */
  readonly where: string;
  /** Called once, with the first failure. */
  readonly onFailure: (error: DkvError) => void;
  /** Called with what a `done` threw: a defect of that caller, which must not stop the writes of others. */
  readonly onDoneError: (error: unknown) => void;
  /** Whether the same may succeed later and nothing of the failed batch is there: then later ones are tried. Default: never. */
  readonly isPassing?: ((cause: unknown) => boolean) | undefined;
  /** Resolves in another turn of the event loop, if there is one. */
  readonly nextTurn?: (() => Promise<void>) | undefined;
}

/** Called once; without an error when the write is durable. Should not throw: see `onDoneError`. */
export type Done = (error: Error | undefined) => void;

interface Waiting<W> {
  readonly write: W;
  readonly done: Done;
}

/**
 * After Gray and Reuter, Transaction Processing (1993), section 9.4.7. The first failing batch is the last one:
 * what is on the disk is not known any more, so nothing is retried and nothing is written after it.
 */
export class GroupCommit<W extends GroupWrite> {
  private queue: Waiting<W>[] = [];
  private bytes = 0;
  private running: Promise<void> | undefined;
  /** Whose writes are on the disk, and who do not know it yet. */
  private readonly durable: Waiting<W>[] = [];
  private telling: Promise<void> | undefined;
  private firstFailure: DkvError | undefined;

  /** `commit` stores a group, all or nothing, and makes it visible; it is never called twice at a time. */
  constructor(
    private readonly commit: (group: readonly W[]) => Promise<void>,
    private readonly limits: GroupCommitLimits,
  ) {}

  get failure(): DkvError | undefined {
    return this.firstFailure;
  }

  /**
   * Tells `done` when the write is durable, or why it is not: a DkvError `DKV_OVERLOADED`, at once, when too many bytes
   * wait; `DKV_STORAGE_FAILED` when its batch failed; `DKV_READ_ONLY` when an earlier one did.
   */
  submit(write: W, done: Done): void {
    if (this.firstFailure) {
      this.end(done, this.readOnly());
      return;
    }
    // Alone, a write of any size goes: it would never fit otherwise.
    if (this.bytes > 0 && this.bytes + write.bytes > this.limits.pendingBytesMax) {
      this.end(done, this.overloaded());
      return;
    }
    this.bytes += write.bytes;
    this.queue.push({ write, done });
    this.running ??= this.run();
  }

  /** @throws DkvError `DKV_READ_ONLY`, `DKV_OVERLOADED`: what {@link submit} would say now, before any work. */
  assertAccepting(): void {
    if (this.firstFailure) {
      throw this.readOnly();
    }
    if (this.bytes >= this.limits.pendingBytesMax) {
      throw this.overloaded();
    }
  }

  /** Resolves when nothing waits. */
  async drained(): Promise<void> {
    while (this.running ?? this.telling) {
      await (this.running ?? this.telling);
    }
  }

  private async run(): Promise<void> {
    // Lets the other writes of this turn of the event loop join the first batch.
    await Promise.resolve();
    while (this.queue.length > 0) {
      const group = this.takeGroup();
      try {
        await this.commit(group.map(({ write }) => write));
      } catch (error) {
        this.fail(group, error);
        continue;
      }
      this.durable.push(...group);
      if (!this.telling) {
        this.tell();
      }
    }
    this.running = undefined;
  }

  /** Tells those whose writes are durable, some in a turn of the event loop, while the next batch is under way. */
  private tell(): void {
    const { nextTurn } = this.limits;
    for (const { write, done } of this.durable.splice(0, nextTurn ? RESOLVED_PER_TURN : Infinity)) {
      this.bytes -= write.bytes;
      this.end(done, undefined);
    }
    this.telling = this.durable.length > 0 ? nextTurn?.().then(() => this.tell()) : undefined;
  }

  /** Whatever `done` throws ends here: else no batch would ever begin again, and every later write would hang. */
  private end(done: Done, error: Error | undefined): void {
    try {
      done(error);
    } catch (thrown) {
      this.limits.onDoneError(thrown);
    }
  }

  private takeGroup(): Waiting<W>[] {
    let bytes = 0;
    const end = this.queue.findIndex(({ write }, position) => {
      bytes += write.bytes;
      return position > 0 && bytes > GROUP_BYTES_MAX;
    });
    return this.queue.splice(0, end < 0 ? this.queue.length : end);
  }

  private fail(group: readonly Waiting<W>[], cause: unknown): void {
    const reason = cause instanceof Error ? cause.message : String(cause);
    if (this.limits.isPassing?.(cause)) {
      this.bytes -= bytesOf(group);
      group.forEach(({ done }) => this.end(done, cause instanceof Error ? cause : new Error(reason)));
      return;
    }
    this.firstFailure = new DkvError(
      'DKV_STORAGE_FAILED',
      `Writing to ${this.limits.where} failed: ${reason}. This node takes no more writes; mend the storage ` +
        '(disk full? I/O error?) and start it again.',
      { cause },
    );
    this.limits.onFailure(this.firstFailure);
    const waiting = this.queue.splice(0);
    this.bytes = bytesOf(this.durable);
    group.forEach(({ done }) => this.end(done, this.firstFailure));
    waiting.forEach(({ done }) => this.end(done, this.readOnly()));
  }

  private readOnly(): DkvError {
    return new DkvError(
      'DKV_READ_ONLY',
      `This node takes no writes since its storage failed, until it is started again: ${this.firstFailure?.message}`,
      { cause: this.firstFailure },
    );
  }

  private overloaded(): DkvError {
    const { pendingBytesMax, where } = this.limits;
    return new DkvError(
      'DKV_OVERLOADED',
      `${this.bytes} bytes wait to be written to ${where}; the limit is ${pendingBytesMax}. Try again later, or ` +
        'send less at a time.',
    );
  }
}

function bytesOf(group: readonly Waiting<GroupWrite>[]): number {
  return group.reduce((sum, { write }) => sum + write.bytes, 0);
}
