/** A disk that outlives the processes that use it, and keeps after a crash only what it promised to. */
import { DkvError } from '../../src/dkv.errors.js';
import { type StoreIdentity } from '../../src/ports/local-kv-repo.js';
import { type Incarnation } from './incarnation.js';
import { type DelayShape, type SimRandom } from './sim-random.js';
import { type SimScheduler } from './sim-scheduler.js';
import { type SimTrace } from './trace.js';

/** How the disk misbehaves. Rates are probabilities from 0 to 1, per operation. */
export interface DiskFaults {
  readonly readDelay: DelayShape;
  /** Into the operating system's cache. */
  readonly writeDelay: DelayShape;
  /** Onto the medium, on top of the write. */
  readonly syncDelay: DelayShape;
  /** A read, or a step of an iteration, fails with EIO. */
  readonly readErrorRate: number;
  /** A batch fails with EIO before its sync. */
  readonly writeErrorRate: number;
  /** The sync of a batch fails with EIO: what was not synced by then may be there later, or not. */
  readonly syncErrorRate: number;
  /** Batches fail with ENOSPC once this many bytes are taken. */
  readonly capacityBytes: number;
}

/** An SSD that works. */
export const CALM_DISK: DiskFaults = {
  readDelay: { minMs: 0.05, meanMs: 0.1, maxMs: 2 },
  writeDelay: { minMs: 0.02, meanMs: 0.05, maxMs: 2 },
  syncDelay: { minMs: 0.3, meanMs: 0.6, maxMs: 20 },
  readErrorRate: 0,
  writeErrorRate: 0,
  syncErrorRate: 0,
  capacityBytes: Infinity,
};

export interface SimDiskOptions {
  readonly scheduler: SimScheduler;
  /** This disk's own stream. */
  readonly random: SimRandom;
  readonly trace: SimTrace;
  /** For the trace: the node's id. */
  readonly name: string;
  readonly faults?: Partial<DiskFaults>;
}

export type DiskOperation =
  | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: Uint8Array };

/** Keys as byte strings (latin1): the order of text is the order of bytes. */
export type DiskContent = Map<string, Uint8Array>;

/** What {@link SimDisk.copy} gives. */
export interface DiskCopy {
  readonly content: ReadonlyMap<string, Uint8Array>;
  readonly identity: string | undefined;
}

/**
 * One write-ahead log over a synced base. A batch is first in the log, in the operating system's cache: it
 * survives the kill of the process, not the loss of power. A sync makes the log durable up to its batch. Losing
 * power keeps the base and a random prefix of the rest: batches are whole or gone, and none survives one before
 * it. Opening replays the log and syncs what it found, as RocksDB (`avoid_flush_during_recovery` off) and
 * LevelDB (`reuse_logs` off) do.
 *
 * A failed sync may leave a hole in the log that no later sync repairs, though it reports success (Rebello et
 * al., Can Applications Recover from fsync Failures?, USENIX ATC 2020): recovery after a loss of power stops at
 * the hole. Opening again in a new process, power on, reads the cache and closes it.
 */
export class SimDisk {
  readonly scheduler: SimScheduler;
  readonly random: SimRandom;
  readonly trace: SimTrace;
  readonly name: string;
  faults: DiskFaults;
  private base: DiskContent = new Map();
  /** What is not synced, in order; `synced` counts the batches before it. */
  private log: (readonly DiskOperation[])[] = [];
  private synced = 0;
  /** No batch after this one can become durable; counted as `synced` is. */
  private hole = Infinity;
  private user: Incarnation | undefined;
  private identity: string | undefined;

  constructor({ scheduler, random, trace, name, faults }: SimDiskOptions) {
    this.scheduler = scheduler;
    this.random = random;
    this.trace = trace;
    this.name = name;
    this.faults = { ...CALM_DISK, ...faults };
  }

  setFaults(faults: Partial<DiskFaults>): void {
    this.faults = { ...this.faults, ...faults };
  }

  /** Works again as a good disk does. What was lost stays lost. */
  heal(): void {
    this.faults = CALM_DISK;
  }

  /** The machine went down: the unsynced end of the log is lost from some batch on. Kill the process first. */
  losePower(): void {
    this.assertUnused('losePower');
    const kept = this.random.int(this.countUpTo(Infinity) + 1);
    this.note('power-loss', `keeps ${kept} of ${this.log.length} unsynced batches`);
    this.log.length = kept;
    this.hole = Infinity;
  }

  /** A new, empty disk. Kill the process first. */
  wipe(): void {
    this.assertUnused('wipe');
    this.note('wipe', '');
    this.base = new Map();
    this.log = [];
    this.hole = Infinity;
    this.identity = undefined;
  }

  /** All as a process that opened it now would find it: a copy of the folder that somebody makes while it is in use. */
  copy(): DiskCopy {
    const content = new Map(this.base);
    this.log.forEach((operations) => applyOperations(content, operations));
    return { content, identity: this.identity };
  }

  /** The disk as it was when it was copied. Kill the process first. */
  putBack({ content, identity }: DiskCopy): void {
    this.assertUnused('putBack');
    this.note('put-back', `${content.size} entries`);
    this.base = new Map(content);
    this.log = [];
    this.hole = Infinity;
    this.identity = identity;
  }

  /** Flips one random bit of one stored value, synced or not; false when there is none. Kill the process first. */
  corrupt(): boolean {
    this.assertUnused('corrupt');
    const content = this.recover();
    const keys = [...content.keys()].filter((key) => content.get(key)!.length > 0).sort();
    if (keys.length === 0) {
      return false;
    }
    const key = this.random.pick(keys);
    const value = Uint8Array.from(content.get(key)!);
    const bit = this.random.int(8 * value.length);
    value[bit >>> 3]! ^= 1 << (bit & 7);
    content.set(key, value);
    this.note('corrupt', `bit ${bit} of ${hex(key)}`);
    return true;
  }

  /** Batches that a loss of power may take. */
  get unsyncedBatches(): number {
    return this.log.length;
  }

  /**
   * Says whose the disk is: written beside the store once, synced, lost with the disk only.
   * @throws DkvError `DKV_STORE_MISMATCH`
   */
  claim({ nodeId, partitions, hashFunc }: StoreIdentity): void {
    const text = JSON.stringify([nodeId, partitions, hashFunc]);
    this.identity ??= text;
    if (this.identity !== text) {
      throw new DkvError(
        'DKV_STORE_MISMATCH',
        `The disk of ${this.name} is of ${this.identity}, not of ${text}.`,
      );
    }
  }

  /** Takes the lock and replays the log. What is returned is the process's own, to read and to change. */
  mount(user: Incarnation): DiskContent {
    if (this.user?.alive === true) {
      throw new DkvError('DKV_STORE_LOCKED', `The disk of ${this.name} is in use by ${this.user.name}.`);
    }
    this.user = user;
    return new Map(this.recover());
  }

  unmount(user: Incarnation): void {
    if (this.user === user) {
      this.user = undefined;
    }
  }

  /** Puts a batch at the end of the log; how many there have been, for {@link SimDisk.sync}. */
  append(operations: readonly DiskOperation[]): number {
    return this.synced + this.log.push(operations);
  }

  /** Makes the first `count` batches of all durable. */
  sync(count: number): void {
    const durable = this.countUpTo(count);
    for (const operations of this.log.splice(0, durable)) {
      applyOperations(this.base, operations);
    }
    this.synced += durable;
  }

  /** A sync failed: what is not synced by now may never be, and then nothing after it either. */
  failSync(): void {
    if (this.random.chance(0.5)) {
      this.hole = Math.min(this.hole, this.synced + this.random.int(this.log.length + 1));
    }
    this.note('sync-failed', `hole ${this.hole}`);
  }

  note(kind: string, detail: string): void {
    this.trace.record(this.scheduler.nowMs, kind, `${this.name} ${detail}`);
  }

  private recover(): DiskContent {
    this.hole = Infinity;
    this.sync(Infinity);
    return this.base;
  }

  /** How many batches of the log are within the first `count` of all and before the hole. */
  private countUpTo(count: number): number {
    return Math.max(0, Math.min(this.log.length, count - this.synced, this.hole - this.synced));
  }

  private assertUnused(what: string): void {
    if (this.user?.alive === true) {
      throw new TypeError(`${what}: kill ${this.user.name} first, it has the disk of ${this.name} open.`);
    }
  }
}

export function applyOperations(content: DiskContent, operations: readonly DiskOperation[]): void {
  for (const operation of operations) {
    const key = byteString(operation.key);
    if (operation.type === 'put') {
      content.set(key, operation.value);
    } else {
      content.delete(key);
    }
  }
}

/** One character a byte. */
export function byteString(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

/** As the system reports it: with a `code`. */
export function diskError(code: string, message: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code });
}

function hex(key: string): string {
  return Buffer.from(key, 'latin1').toString('hex');
}
