/** One process's view of a simulated folder: the files of the node log with delays, errors and crashes. */
import { type FileDone, type LogFile, type LogFiles } from '../../src/storage/log/log-files.js';
import { type Incarnation, never } from './incarnation.js';
import { diskError } from './sim-disk.js';
import { SimInode, type SimFolder } from './sim-folder.js';
import { type DelayShape } from './sim-random.js';

/** A write or sync that has begun and not ended. */
interface UnderWay {
  /** The process died: does it, in part, or not at all. */
  readonly onDeath: () => void;
}

/**
 * To be made once an incarnation. Once that is dead nothing resolves any more: of its writes under way each reached the
 * cache, in part or not at all, and its syncs happened or did not.
 */
export class SimFiles implements LogFiles {
  readonly where: string;
  private readonly underWay = new Set<UnderWay>();

  constructor(
    readonly folder: SimFolder,
    readonly self: Incarnation,
  ) {
    this.where = `/sim/${folder.name}/log`;
    folder.mount(self);
    self.onKill(() => {
      this.underWay.forEach(({ onDeath }) => onDeath());
      this.underWay.clear();
    });
  }

  async list(): Promise<readonly string[]> {
    await this.wait(this.folder.faults.readDelay);
    return [...this.folder.names.keys()];
  }

  async open(name: string): Promise<LogFile> {
    await this.mayFailToOpen(name);
    const inode = this.folder.names.get(name);
    if (!inode) {
      throw diskError('ENOENT', `no such file or directory, open '${name}'`);
    }
    return new SimFile(this, inode, name);
  }

  async create(name: string): Promise<LogFile> {
    await this.mayFailToOpen(name);
    const found = this.folder.names.get(name);
    if (found) {
      found.change({ type: 'truncate', sizeBytes: 0 });
      return new SimFile(this, found, name);
    }
    const inode = new SimInode();
    this.folder.changeNames({ type: 'link', name, inode });
    this.folder.note('create', name);
    return new SimFile(this, inode, name);
  }

  async rename(name: string, to: string): Promise<void> {
    await this.wait(this.folder.faults.writeDelay);
    this.assertThere(name);
    this.folder.changeNames({ type: 'rename', name, to });
  }

  async remove(name: string): Promise<void> {
    await this.wait(this.folder.faults.writeDelay);
    this.assertThere(name);
    this.folder.changeNames({ type: 'remove', name });
    this.folder.note('remove', name);
  }

  async freeBytes(): Promise<number> {
    return Math.max(0, this.folder.faults.capacityBytes - this.folder.bytes);
  }

  async syncFolder(): Promise<void> {
    await this.wait(this.folder.faults.syncDelay);
    if (this.folder.random.chance(this.folder.faults.syncErrorRate)) {
      throw diskError('EIO', 'i/o error, fsync');
    }
    this.folder.syncNames();
  }

  /** Never resolves once the incarnation is dead. */
  async wait(delay: DelayShape): Promise<void> {
    const { folder, self } = this;
    const ms = folder.random.delay(delay);
    folder.busyUntilMs = Math.max(folder.busyUntilMs, folder.scheduler.nowMs + ms);
    await folder.scheduler.sleep(ms, self);
    await folder.ready();
    if (!self.alive) {
      await never();
    }
  }

  begin(onDeath: () => void): UnderWay {
    const operation = { onDeath };
    this.underWay.add(operation);
    return operation;
  }

  end(operation: UnderWay): void {
    this.underWay.delete(operation);
  }

  private async mayFailToOpen(name: string): Promise<void> {
    await this.wait(this.folder.faults.readDelay);
    if (this.folder.random.chance(this.folder.faults.openErrorRate)) {
      this.folder.note('open-failed', `EMFILE ${name}`);
      throw diskError('EMFILE', `too many open files, open '${name}'`);
    }
  }

  private assertThere(name: string): void {
    if (!this.folder.names.has(name)) {
      throw diskError('ENOENT', `no such file or directory, '${name}'`);
    }
  }
}

class SimFile implements LogFile {
  constructor(
    private readonly files: SimFiles,
    private readonly inode: SimInode,
    private readonly name: string,
  ) {}

  write(bytes: Uint8Array, offset: number, done: FileDone): void {
    const { files } = this;
    const { folder } = files;
    if (!folder.faults.stalled && folder.random.chance(folder.faults.inlineWriteRate)) {
      done(this.put(bytes, offset));
      return;
    }
    const operation = files.begin(() => {
      const reached = folder.random.int(bytes.length + 1);
      folder.note('killed', `${reached} of ${bytes.length} B reached ${this.name}`);
      this.change(bytes.subarray(0, reached), offset);
    });
    this.later(folder.faults.writeDelay, operation, () => done(this.put(bytes, offset)));
  }

  sync(done: FileDone): void {
    const { files, inode } = this;
    const { folder } = files;
    const count = inode.unsyncedChanges;
    const operation = files.begin(() => {
      if (folder.random.chance(0.5)) {
        inode.sync(count);
      }
    });
    this.later(folder.faults.syncDelay, operation, () => {
      if (folder.random.chance(folder.faults.syncErrorRate)) {
        folder.failSync(inode, count);
        done(diskError('EIO', 'i/o error, fsync'));
        return;
      }
      inode.sync(count);
      folder.note('sync', `${this.name} ${count}`);
      done(undefined);
    });
  }

  async read(into: Uint8Array, offset: number): Promise<number> {
    const { folder } = this.files;
    await this.files.wait(folder.faults.readDelay);
    if (folder.random.chance(folder.faults.readErrorRate)) {
      throw diskError('EIO', `i/o error, read '${this.name}'`);
    }
    return this.inode.content.copy(into, 0, offset);
  }

  async size(): Promise<number> {
    await this.files.wait(this.files.folder.faults.readDelay);
    return this.inode.content.length;
  }

  async truncate(sizeBytes: number): Promise<void> {
    const { folder } = this.files;
    await this.files.wait(folder.faults.writeDelay);
    if (folder.random.chance(folder.faults.truncateErrorRate)) {
      throw diskError('EIO', `i/o error, ftruncate '${this.name}'`);
    }
    this.inode.change({ type: 'truncate', sizeBytes });
    folder.note('truncate', `${this.name} ${sizeBytes} B`);
  }

  async close(): Promise<void> {}

  private later(delay: DelayShape, operation: Parameters<SimFiles['end']>[0], task: () => void): void {
    void this.files.wait(delay).then(() => {
      this.files.end(operation);
      task();
    });
  }

  private put(bytes: Uint8Array, offset: number): Error | undefined {
    const { folder } = this.files;
    const growth = Math.max(0, offset + bytes.length - this.inode.content.length);
    const room = Math.max(0, folder.faults.capacityBytes - folder.bytes);
    if (growth > room) {
      this.change(bytes.subarray(0, bytes.length - growth + room), offset);
      folder.note('write-failed', `ENOSPC ${this.name}`);
      return diskError('ENOSPC', 'no space left on device, write');
    }
    if (folder.random.chance(folder.faults.writeErrorRate)) {
      const { writeErrorCode } = folder.faults;
      const reached = folder.random.chance(0.3) ? bytes.length : folder.random.int(bytes.length + 1);
      this.change(bytes.subarray(0, reached), offset);
      folder.note('write-failed', `${writeErrorCode} ${this.name} after ${reached} B`);
      return diskError(writeErrorCode, 'write');
    }
    this.change(bytes, offset);
    folder.note('write', `${this.name} ${offset} ${bytes.length} B`);
    return undefined;
  }

  private change(bytes: Uint8Array, offset: number): void {
    if (bytes.length > 0) {
      this.inode.change({ type: 'write', offset, bytes: Buffer.from(bytes) });
    }
  }
}
