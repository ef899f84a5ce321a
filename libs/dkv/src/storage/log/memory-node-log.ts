/** The log of a node whose storage is memory: nothing outlives the process, so nothing need be kept. */
import { type Appended, type NodeLog } from '../../ports/node-log.js';

export class MemoryNodeLog implements NodeLog {
  position = 0;
  readonly openedPosition = 0;
  readonly bytes = 0;
  readonly failure = undefined;
  readonly isDiskFull = false;

  noteFull(): void {}

  get durablePosition(): number {
    return this.position;
  }

  addHardState(): void {
    this.position++;
  }

  addEntry(): void {
    this.position++;
  }

  addReset(): void {
    this.position++;
  }

  addBatch(): number {
    return ++this.position;
  }

  flush(done: Appended): void {
    done(undefined);
  }

  release(): void {}

  pinnedGroups(): readonly number[] {
    return [];
  }

  async acceptEnd(): Promise<void> {}

  async close(): Promise<void> {}
}
