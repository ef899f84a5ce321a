/** How large the disk of a folder is, and how much of it is free. */
import { statfs } from 'node:fs/promises';

export interface DiskSpace {
  /** For processes without special rights. */
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** Rejects with the system's own error where that cannot tell. */
export async function diskSpaceOf(folder: string): Promise<DiskSpace> {
  const { bavail, blocks, bsize } = await statfs(folder);
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}
