/** Disk space held back, to be given up when the disk is full: what frees space (a checkpoint) needs some itself. */
import { Buffer } from 'node:buffer';
import { isMissing } from './log-errors.js';
import { type LogFiles, synced, written } from './log-files.js';

export const RESERVE_FILE = 'log-reserve';
/** Room beside it, as a part of it, without which it is not made: it would only be given up again at once. */
const MARGIN = 0.25;
const CHUNK_BYTES = 1024 * 1024;

export class ReserveFile {
  private made = false;
  private isClosing = false;
  /** Making and giving up, one after the other. */
  private last: Promise<void> = Promise.resolve();

  /** `sizeBytes` 0: none is held. */
  constructor(
    private readonly files: LogFiles,
    private readonly sizeBytes: number,
  ) {}

  /** Of the file. */
  get bytes(): number {
    return this.sizeBytes;
  }

  /** Writes zeros: a file that is only made long takes no space. A part of it that failed is given back. */
  make(): Promise<void> {
    return this.inTurn(() => this.makeNow());
  }

  /** Gives whether there was one: so much room is there now. */
  async giveUp(): Promise<boolean> {
    let wasMade = false;
    await this.inTurn(async () => {
      wasMade = this.made && this.sizeBytes > 0;
      await this.giveUpNow();
    });
    return wasMade;
  }

  /** Resolves when nothing is written any more; a file that is not whole by then goes. */
  close(): Promise<void> {
    this.isClosing = true;
    return this.last;
  }

  private async makeNow(): Promise<void> {
    if (this.isClosing) {
      return;
    }
    if (this.made || this.sizeBytes === 0 || (await this.hasWholeFile())) {
      this.made = true;
      return;
    }
    // Asked before, so that nothing is taken from who needs the last of it.
    if ((await this.files.freeBytes()) < this.sizeBytes * (1 + MARGIN)) {
      throw noRoom(this.sizeBytes);
    }
    const file = await this.files.create(RESERVE_FILE);
    try {
      const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, this.sizeBytes));
      for (let at = 0; at < this.sizeBytes && !this.isClosing; at += chunk.length) {
        await written(file, chunk.subarray(0, Math.min(chunk.length, this.sizeBytes - at)), at);
      }
      await synced(file);
    } catch (error) {
      await file.close();
      await this.giveUpNow();
      throw error;
    }
    await file.close();
    if (this.isClosing) {
      await this.giveUpNow();
      return;
    }
    this.made = true;
  }

  private async giveUpNow(): Promise<void> {
    this.made = false;
    try {
      await this.files.remove(RESERVE_FILE);
    } catch (error) {
      if (!isMissing(error)) {
        throw error;
      }
    }
  }

  private inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.last.then(work);
    this.last = turn.catch(() => undefined);
    return turn;
  }

  private async hasWholeFile(): Promise<boolean> {
    try {
      const file = await this.files.open(RESERVE_FILE);
      const size = await file.size();
      await file.close();
      return size >= this.sizeBytes;
    } catch (error) {
      if (isMissing(error)) {
        return false;
      }
      throw error;
    }
  }
}

function noRoom(sizeBytes: number): Error {
  return Object.assign(new Error(`ENOSPC: there is no room for a reserve of ${sizeBytes} bytes`), {
    code: 'ENOSPC',
  });
}
