/** Whether the machine crashed since a folder was closed last: what `wal` had not synced may then be lost (rule 12). */
import { Buffer } from 'node:buffer';
import { type LogFiles, synced, written } from '../log/log-files.js';
import { type LogDurability } from '../log/log-writer.js';

const CLEAN_FILE = 'stopped-clean';
/** Durability of the run that wrote it, a space, the boot. */
const BOOT_FILE = 'machine-boot';
const DRAFT_FILE = 'machine-boot.draft';
const BOOT_BYTES_MAX = 200;

/**
 * The clean mark is made after log, store and note are synced, and taken away, synced, before the node answers anything:
 * without it and under another boot of the machine, the folder may lack what this node acknowledged. What counts is the
 * durability of the run that crashed, not of the one that finds it.
 */
export class MachineRun {
  private isBegun = false;

  private constructor(
    private readonly files: LogFiles,
    /** What the boot file says while this run goes on. */
    private readonly text: string,
    /** What the last run wrote; undefined for a new folder. */
    private readonly lastText: string | undefined,
    /** Whether the machine went down while a process had the folder open under `wal`. */
    readonly hasCrashedUnderWal: boolean,
  ) {}

  /** `bootId` names the boot of the machine; '' where that cannot be told. */
  static async open(files: LogFiles, bootId: string, durability: LogDurability): Promise<MachineRun> {
    const names = await files.list();
    const lastText = names.includes(BOOT_FILE) ? await textIn(files, BOOT_FILE) : undefined;
    const isClean = names.includes(CLEAN_FILE);
    const isSameBoot = bootId !== '' && lastText === textOf('wal', bootId);
    const hasCrashedUnderWal =
      lastText !== undefined && !isClean && !lastText.startsWith(textOf('fsync', '')) && !isSameBoot;
    return new MachineRun(files, textOf(durability, bootId), lastText, hasCrashedUnderWal);
  }

  /** Before anything is answered, and once what may be forgotten is said durably. The log as it was opened is synced. */
  async begin(): Promise<void> {
    const { files } = this;
    if (this.lastText !== this.text) {
      await this.replaceText();
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

  /** Whole or not at all: half a text would be taken for another boot, and the node for one that forgot. */
  private async replaceText(): Promise<void> {
    const file = await this.files.create(DRAFT_FILE);
    try {
      await written(file, Buffer.from(this.text), 0);
      await synced(file);
    } finally {
      await file.close();
    }
    await this.files.rename(DRAFT_FILE, BOOT_FILE);
  }
}

function textOf(durability: LogDurability, bootId: string): string {
  return `${durability} ${bootId}`;
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
