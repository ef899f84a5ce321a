/** The node log's files in a folder of the real file system. */
import { fdatasync, ftruncate, fstat, close, read, write, writeSync } from 'node:fs';
import { open as openFile, readdir, rename, rm } from 'node:fs/promises';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Clock } from '../../ports/clock.js';
import { diskSpaceOf } from '../folder/disk-space.js';
import { PRIVATE_FILE } from '../folder/private-files.js';
import { AdaptiveWrites } from './adaptive-writes.js';
import { type FileDone, type LogFile, type LogFiles } from './log-files.js';

const openFd = promisify(fs.open);
const closeFd = promisify(close);
const truncateFd = promisify(ftruncate);
const statFd = promisify(fstat);

export class SystemLogFiles implements LogFiles {
  private readonly writes: AdaptiveWrites;

  /** `where` must exist. */
  constructor(
    readonly where: string,
    clock: Clock,
  ) {
    this.writes = new AdaptiveWrites({ writeSync, write }, clock);
  }

  list(): Promise<readonly string[]> {
    return readdir(this.where);
  }

  async open(name: string): Promise<LogFile> {
    return new SystemLogFile(await openFd(join(this.where, name), 'r+'), this.writes);
  }

  async create(name: string): Promise<LogFile> {
    return new SystemLogFile(await openFd(join(this.where, name), 'w+', PRIVATE_FILE), this.writes);
  }

  rename(name: string, to: string): Promise<void> {
    return rename(join(this.where, name), join(this.where, to));
  }

  remove(name: string): Promise<void> {
    return rm(join(this.where, name));
  }

  async freeBytes(): Promise<number> {
    return (await diskSpaceOf(this.where)).freeBytes;
  }

  async syncFolder(): Promise<void> {
    // Windows has no handle of a folder to sync; NTFS journals its names.
    if (process.platform === 'win32') {
      return;
    }
    const folder = await openFile(this.where, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }
}

class SystemLogFile implements LogFile {
  constructor(
    private readonly fd: number,
    private readonly writes: AdaptiveWrites,
  ) {}

  write(bytes: Uint8Array, offset: number, done: FileDone): void {
    this.writes.write(this.fd, bytes, offset, done);
  }

  /** fdatasync: it covers the size of the file too, only not its times. */
  sync(done: FileDone): void {
    fdatasync(this.fd, (error) => done(error ?? undefined));
  }

  async read(into: Uint8Array, offset: number): Promise<number> {
    let filled = 0;
    while (filled < into.length) {
      const count = await this.readOnce(into, filled, offset + filled);
      if (count === 0) {
        break;
      }
      filled += count;
    }
    return filled;
  }

  async size(): Promise<number> {
    return (await statFd(this.fd)).size;
  }

  truncate(sizeBytes: number): Promise<void> {
    return truncateFd(this.fd, sizeBytes);
  }

  close(): Promise<void> {
    return closeFd(this.fd);
  }

  private readOnce(into: Uint8Array, from: number, offset: number): Promise<number> {
    return new Promise((resolve, reject) => {
      read(this.fd, into, from, into.length - from, offset, (error, count) =>
        error ? reject(error) : resolve(count),
      );
    });
  }
}
