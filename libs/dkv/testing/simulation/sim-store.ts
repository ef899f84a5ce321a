/** One process's view of a simulated disk: an ordered map of bytes with delays, errors and crashes. */
import { DkvError } from '../../src/dkv.errors.js';
import { crc32 } from '../../src/model/checksum.js';
import { type Incarnation } from './incarnation.js';
import {
  applyOperations,
  byteString,
  diskError,
  type DiskContent,
  type DiskOperation,
  type SimDisk,
} from './sim-disk.js';
import { type DelayShape } from './sim-random.js';

/** Entries read per step of an iteration, each step with a delay of its own. */
const PAGE = 64;

export type DiskEntry = readonly [key: Buffer, value: Uint8Array];

/**
 * To be opened once. Reads see what batches have completed; a failed batch is not seen, but may be
 * there after opening again. Once the incarnation is dead nothing resolves any more; of its batches under way
 * each may have reached the log, or not.
 */
export class SimStore {
  private content: DiskContent | undefined;
  private sorted: readonly string[] | undefined;
  private bytes = 0;
  private readonly underWay = new Set<Promise<void>>();
  /** Batches that have not reached the log. */
  private readonly unwritten = new Set<readonly DiskOperation[]>();

  constructor(
    private readonly disk: SimDisk,
    private readonly self: Incarnation,
  ) {
    self.onKill(() => this.dropDead());
  }

  /** @throws DkvError `DKV_STORE_LOCKED` while another living incarnation has it open, `DKV_STORAGE_FAILED` */
  async open(): Promise<void> {
    const { disk } = this;
    await this.wait(disk.faults.readDelay);
    if (disk.random.chance(disk.faults.readErrorRate)) {
      disk.note('open-failed', 'EIO');
      throw new DkvError('DKV_STORAGE_FAILED', `Opening the disk of ${disk.name} failed: EIO.`);
    }
    this.content = disk.mount(this.self);
    this.bytes = [...this.content].reduce((sum, [key, value]) => sum + key.length + value.length, 0);
    disk.note('open', `${this.content.size} entries, ${this.bytes} B`);
  }

  async close(): Promise<void> {
    while (this.underWay.size > 0) {
      await Promise.allSettled([...this.underWay]);
    }
    await this.wait(this.disk.faults.writeDelay);
    this.content = undefined;
    this.disk.unmount(this.self);
    this.disk.note('close', '');
  }

  /** A copy. */
  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    const name = byteString(key);
    this.opened();
    await this.wait(this.disk.faults.readDelay);
    this.mayFailToRead();
    const value = this.opened().get(name);
    return value && Uint8Array.from(value);
  }

  /** All or nothing, also over a crash; `sync`: on the medium before it resolves. */
  batch(operations: readonly DiskOperation[], { sync }: { readonly sync: boolean }): Promise<void> {
    // What the caller does with its buffers after the call does not matter.
    const copies = operations.map((operation): DiskOperation =>
      operation.type === 'put'
        ? { type: 'put', key: Buffer.from(operation.key), value: Uint8Array.from(operation.value) }
        : { type: 'del', key: Buffer.from(operation.key) },
    );
    const writing = this.write(copies, sync).finally(() => this.underWay.delete(writing));
    this.underWay.add(writing);
    // Whoever waits for it hears of its failure; close() only waits.
    writing.catch(() => undefined);
    return writing;
  }

  /** What there is at the call, from `gte` to below `lt`, in the order of the keys' bytes. */
  iterate(gte: Uint8Array, lt: Uint8Array): AsyncIterable<DiskEntry> {
    const content = this.opened();
    const keys = (this.sorted ??= [...content.keys()].sort());
    const from = byteString(gte);
    const to = byteString(lt);
    const view = keys
      .filter((key) => key >= from && key < to)
      .map((key) => [key, content.get(key)!] as const);
    return this.read(view);
  }

  /** Bytes of all keys and values. */
  sizeBytes(): number {
    this.opened();
    return this.bytes;
  }

  private async *read(view: readonly (readonly [string, Uint8Array])[]): AsyncGenerator<DiskEntry> {
    for (let at = 0; at < view.length; at++) {
      if (at % PAGE === 0) {
        await this.wait(this.disk.faults.readDelay);
        this.mayFailToRead();
      }
      this.opened();
      const [key, value] = view[at]!;
      yield [Buffer.from(key, 'latin1'), Uint8Array.from(value)];
    }
  }

  private async write(operations: readonly DiskOperation[], sync: boolean): Promise<void> {
    const { disk } = this;
    this.opened();
    this.unwritten.add(operations);
    await this.wait(disk.faults.writeDelay);
    this.unwritten.delete(operations);
    const bytes = bytesOf(operations);
    if (this.bytes + bytes > disk.faults.capacityBytes) {
      disk.note('write-failed', 'ENOSPC');
      throw diskError('ENOSPC', 'no space left on device');
    }
    if (disk.random.chance(disk.faults.writeErrorRate)) {
      const kept = disk.random.chance(0.5);
      if (kept) {
        disk.append(operations);
      }
      disk.note('write-failed', `EIO, ${kept ? 'in' : 'not in'} the log`);
      throw diskError('EIO', 'i/o error, write');
    }
    const count = disk.append(operations);
    disk.note('write', `${operations.length} operations, ${bytes} B, sum ${sumOf(operations)}`);
    if (sync) {
      await this.wait(disk.faults.syncDelay);
      if (disk.random.chance(disk.faults.syncErrorRate)) {
        disk.failSync();
        throw diskError('EIO', 'i/o error, fsync');
      }
      disk.sync(count);
      disk.note('sync', `${count}`);
    }
    this.apply(operations);
  }

  /** Only now do reads of this process see it. */
  private apply(operations: readonly DiskOperation[]): void {
    const content = this.opened();
    for (const operation of operations) {
      const key = byteString(operation.key);
      const old = content.get(key);
      this.bytes -= old === undefined ? 0 : key.length + old.length;
      this.bytes += operation.type === 'put' ? key.length + operation.value.length : 0;
      if ((old === undefined) === (operation.type === 'put')) {
        this.sorted = undefined;
      }
      applyOperations(content, [operation]);
    }
  }

  private dropDead(): void {
    for (const operations of this.unwritten) {
      const reached = this.disk.random.chance(0.5);
      this.disk.note('killed', `a batch ${reached ? 'that reached' : 'before'} the log`);
      if (reached) {
        this.disk.append(operations);
      }
    }
    this.unwritten.clear();
  }

  /** Never resolves once the incarnation is dead. */
  private wait(delay: DelayShape): Promise<void> {
    return this.disk.scheduler.sleep(this.disk.random.delay(delay), this.self);
  }

  private mayFailToRead(): void {
    if (this.disk.random.chance(this.disk.faults.readErrorRate)) {
      this.disk.note('read-failed', 'EIO');
      throw diskError('EIO', 'i/o error, read');
    }
  }

  private opened(): DiskContent {
    if (this.content === undefined) {
      throw diskError('LEVEL_DATABASE_NOT_OPEN', 'the store is not open');
    }
    return this.content;
  }
}

function bytesOf(operations: readonly DiskOperation[]): number {
  return operations.reduce(
    (bytes, operation) =>
      bytes + operation.key.length + (operation.type === 'put' ? operation.value.length : 0),
    0,
  );
}

/** For the trace: two runs that write other bytes are not the same run. */
function sumOf(operations: readonly DiskOperation[]): number {
  return operations.reduce(
    (sum, operation) =>
      operation.type === 'put'
        ? crc32(operation.value, crc32(operation.key, sum))
        : crc32(operation.key, sum),
    0,
  );
}
