/** Whether the machine crashed since a folder was closed last: what `wal` had not synced may then be lost (rule 12). */
import { type LogFiles, synced, written } from '../log/log-files.js';

const CLEAN_FILE = 'stopped-clean';
const BOOT_FILE = 'machine-boot';
const BOOT_BYTES_MAX = 200;

/**
 * The clean mark is made after log, store and note are synced, and taken away, synced, before the node answers anything:
 * without it and under another boot of the machine, the folder may lack what this node acknowledged.
 */
export class MachineRun {
  private isBegun = false;

  private constructor(
    private readonly files: LogFiles,
    private readonly bootId: string,
    /** Whether the machine went down while a process had the folder open. */
    readonly hasCrashed: boolean,
  ) {}

  /** `bootId` names the boot of the machine; '' where that cannot be told. */
  static async open(files: LogFiles, bootId: string): Promise<MachineRun> {
    const names = await files.list();
    const known = names.includes(BOOT_FILE) ? await textIn(files, BOOT_FILE) : undefined;
    const isClean = names.includes(CLEAN_FILE);
    const hasCrashed = known !== undefined && !isClean && (known !== bootId || bootId === '');
    return new MachineRun(files, bootId, hasCrashed);
  }

  /** Before anything is answered, and once what may be forgotten is said durably. */
  async begin(): Promise<void> {
    const { files } = this;
    const file = await files.create(BOOT_FILE);
    try {
      await written(file, Buffer.from(this.bootId), 0);
      await synced(file);
    } finally {
      await file.close();
    }
    if ((await files.list()).includes(CLEAN_FILE)) {
      await files.remove(CLEAN_FILE);
    }
    await files.syncFolder();
    this.isBegun = true;
  }

  /**
   * Everything is synced and closed. Leaves no mark where the run never began: what a crash may have taken is then not
   * said durably yet, and the next start must find it out again.
   */
  async end(): Promise<void> {
    if (!this.isBegun) {
      return;
    }
    const file = await this.files.create(CLEAN_FILE);
    await file.close();
    await this.files.syncFolder();
  }
}

async function textIn(files: LogFiles, name: string): Promise<string> {
  const file = await files.open(name);
  try {
    const bytes = Buffer.alloc(BOOT_BYTES_MAX);
    const length = await file.read(bytes, 0);
    return bytes.toString('utf8', 0, length);
  } finally {
    await file.close();
  }
}
