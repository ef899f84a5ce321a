/** A small file system for one node's data, which a test fills up and frees again; Linux and root only. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const CHUNKS_BYTES = [1024 * 1024, 4096, 1];

export class SmallDisk {
  private constructor(readonly folder: string) {}

  /** @throws Error when this machine or this user cannot mount one. */
  static async mount(folder: string, megabytes: number): Promise<SmallDisk> {
    await mkdir(folder, { recursive: true });
    await run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'dkv-chaos', folder]);
    return new SmallDisk(folder);
  }

  /** Until not one byte more goes in. What the node writes meanwhile fails just as well. */
  async fill(): Promise<void> {
    const file = await open(this.filler, 'a');
    try {
      for (const bytes of CHUNKS_BYTES) {
        const chunk = Buffer.alloc(bytes);
        while (await fits(() => file.write(chunk))) {
          // The next one.
        }
      }
    } finally {
      await file.close();
    }
  }

  async free(): Promise<void> {
    await rm(this.filler, { force: true });
  }

  /** Without waiting, so that it can be done when this process ends. */
  unmount(): void {
    // A process that is just ending may still have a file open here.
    spawnSync('umount', ['-l', this.folder]);
  }

  private get filler(): string {
    return join(this.folder, 'filler');
  }
}

/** Less than the whole chunk written counts as room left: the next write tells. */
async function fits(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') {
      return false;
    }
    throw error;
  }
}
