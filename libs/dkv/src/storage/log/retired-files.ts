/** Segments that take no more appends: synced in the background, then closed. */
import { FailedSyncError, folderSynced, messageOf, syncedFinally } from './log-errors.js';
import { type LogFile, type LogFiles, synced } from './log-files.js';

/** So many may be waiting for their sync before appends wait for them: the disk is behind. */
const WAITING_MAX = 2;

export interface RetiredFilesOptions {
  readonly files: LogFiles;
  /** Whether what is in them may not be on the medium. */
  readonly unsynced: boolean;
  readonly onFailedSync: (error: FailedSyncError) => void;
  readonly warn: (message: string) => void;
}

/**
 * The sync is for `wal`, where nothing else asks for one: then only the newest segments can be damaged by a crash of the
 * machine, and the kernel does not gather more than it can write in time.
 */
export class RetiredFiles {
  private readonly waiting = new Set<Promise<void>>();

  constructor(private readonly options: RetiredFilesOptions) {}

  add(file: LogFile): void {
    const retired = this.syncAndClose(file).catch((error: unknown) => {
      if (error instanceof FailedSyncError) {
        this.options.onFailedSync(error);
      } else {
        this.options.warn(`Closing a segment in ${this.options.files.where} failed: ${messageOf(error)}`);
      }
    });
    this.waiting.add(retired);
    void retired.then(() => this.waiting.delete(retired));
  }

  /** Resolves when few enough wait. */
  async room(): Promise<void> {
    while (this.waiting.size >= WAITING_MAX) {
      await Promise.race(this.waiting);
    }
  }

  async settled(): Promise<void> {
    await Promise.all(this.waiting);
  }

  private async syncAndClose(file: LogFile): Promise<void> {
    try {
      if (this.options.unsynced) {
        await syncedFinally(synced(file));
        await folderSynced(this.options.files);
      }
    } finally {
      await file.close();
    }
  }
}
